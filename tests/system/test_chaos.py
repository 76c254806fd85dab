"""A short form of tests/chaos/run, and the test that its book notices what must not be."""
import json
import pathlib
import subprocess
import sys

import pytest

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
