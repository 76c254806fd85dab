"""A short form of tests/chaos/run, and the test that its book notices what must not be."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

import pytest

import gate as gates

CHAOS = pathlib.Path(__file__).resolve().parents[1] / "chaos"
sys.path.insert(0, str(CHAOS))

from ledger import Ledger  # noqa: E402


def counts(ledger):
    return {kind: found["count"] for kind, found in ledger.verdict().items() if found["count"]}


@pytest.fixture
def ledger():
    """Alice (0) has sent three messages to Bob (1), and one to Carol (2); two are acknowledged."""
    ledger = Ledger()
    assert [ledger.sent(0, receiver) for receiver in (1, 1, 1, 2)] == [0, 1, 2, 3]
    ledger.acknowledged(0, 2)
    return ledger


def test_all_is_well(ledger):
    for receiver, number in ((1, 0), (2, 3), (1, 1), (1, 2)):
        ledger.arrived(receiver, 0, number)
    assert counts(ledger) == {}


@pytest.mark.parametrize(
    "arrivals, found",
    [
        ([(1, 0), (1, 2), (2, 3)], {"lost": 1}),
        ([(1, 0), (1, 1), (2, 3)], {"vanished": 1}),
        ([(1, 0), (1, 1), (1, 1), (1, 2), (2, 3)], {"doubled": 1}),
        ([(1, 0), (1, 2), (1, 1), (2, 3)], {"reordered": 1}),
        ([(1, 0), (1, 1), (1, 2), (2, 3), (2, 2)], {"misdelivered": 1, "reordered": 1}),
        ([(1, 0), (1, 1), (1, 2), (2, 3), (1, 4)], {"misdelivered": 1}),
        ([], {"lost": 2, "vanished": 2}),
    ],
)
def test_what_is_wrong_is_noticed(ledger, arrivals, found):
    for receiver, number in arrivals:
        ledger.arrived(receiver, 0, number)
    assert counts(ledger) == found


def test_an_end_is_noticed(ledger):
    ledger.ended(1, "stream error reset")
    assert counts(ledger)["ended"] == 1


def test_thirty_faults():
    command = [CHAOS / "run", "--faults", "30", "--clients", "100", "--rate", "60"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=400)
    result = json.loads(run.stdout or "{}")
    assert run.returncode == 0, f"{json.dumps(result, indent=1)}\n{run.stderr[-2000:]}"
    assert result["sessions_reattached"] + result["sessions_adopted"] > 0


def test_no_faults_are_soon_over():
    run = subprocess.run([CHAOS / "run", "--faults", "0", "--clients", "4"], capture_output=True, text=True, timeout=400)
    assert run.returncode == 0, run.stderr[-2000:]


@pytest.mark.parametrize("words", [("--faults", "-1"), ("--backends", "0"), ("--gates", "0"), ("--clients", "1"), ("--rate", "0"), ("--rate", "nan")], ids="".join)
def test_what_is_out_of_bounds_is_said(words):
    run = subprocess.run([CHAOS / "run", *words], capture_output=True, text=True, timeout=60)
    assert run.returncode == 2 and run.stderr.splitlines()[-1].startswith(f"run: error: argument {words[0]}: ")


@pytest.mark.parametrize("command", [[CHAOS / "run", "--clients", "4"], [CHAOS.parent / "marker" / "run", "--clients", "4"]], ids=["chaos", "marker"])
def test_who_is_told_to_end_leaves_nothing_behind(command):
    """Where the programs have their folders, and the programs themselves. Sockets beside databases want short paths."""
    with tempfile.TemporaryDirectory(prefix="end-") as name, subprocess.Popen(
        command, env=os.environ | {"TMPDIR": name}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        home = pathlib.Path(name)
        gates.wait_until(lambda: process.poll() is not None or gate_listens(home), what="a gate that listens")
        gate = next(pid for pid in os.listdir("/proc") if pid.isdigit() and is_gate(pid, name))
        process.send_signal(signal.SIGTERM)
        assert process.wait(gates.PATIENCE_S) == 1
        assert not list(home.iterdir()) and not is_gate(gate, name)


def gate_listens(home):
    return any("listening" in text_of(log) for log in home.glob("*/*/stanzagate.log"))


def is_gate(pid, home):
    line = text_of(f"/proc/{pid}/cmdline")
    return "stanzagate.yaml" in line and home in line


def text_of(path):
    try:
        return pathlib.Path(path).read_text()
    except OSError:  # it is not there any more
        return ""
