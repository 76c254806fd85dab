"""What bench/compare makes of what it has measured."""
import importlib.machinery
import importlib.util
import json
import subprocess
import sys

import gate as gates
import pytest

FOLDER = gates.ROOT / "bench" / "compare"
FIGURES = {"messages_per_second": 1000, "half_p99_us": 50, "half_p50_us": 20}


@pytest.fixture
def compare(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    loader = importlib.machinery.SourceFileLoader("compare_run", str(FOLDER / "run"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("compare_run", loader))
    loader.exec_module(module)
    return module


def figures(message_us):
    return FIGURES | {"front_message_us": message_us, "front_login_us": 300, "front_client_bytes": 500, "back_login_us": 20, "back_message_us": 1, "back_client_bytes": 80}


def result(compare, rounds):
    machine = {"cpu": "A & B", "processors": 2, "kernel": "6", "date": "2026-01-01"}
    return {"machine": machine, "rounds": rounds, "clients": 3, "seconds": 1, "peers": compare.summarize(rounds), "ratios": compare.ratios(rounds) + compare.added(rounds)}


def test_ratios_are_of_a_round(compare):
    rounds = [{"stanzagate, echo": figures(ours), "HAProxy, echo": figures(theirs)} for ours, theirs in [(10, 40), (30, 60), (20, 20)]]
    ratio = next(one for one in compare.ratios(rounds) if one["what"].startswith("CPU of a message: of HAProxy"))
    assert (ratio["median"], ratio["least"], ratio["most"], ratio["holds"]) == (0.5, 0.25, 1.0, True)
    found = compare.summarize(rounds)["stanzagate, echo"]["front_message_us"]
    assert (found["median"], found["least"], found["most"]) == (20, 10, 30)


def test_the_page_and_the_tables(compare):
    rounds = [{"stanzagate, echo": figures(10), "HAProxy, echo": figures(40)}]
    made = result(compare, rounds)
    text = compare.page.of(made)
    assert "A &amp; B" in text and "stanzagate, echo" in text and "src=" not in text and "href=" not in text
    tables = compare.tables(made)
    assert "| HAProxy, echo | 300 | 40.0 | 500 | 20 | 1.0 | 80 |" in tables
    assert "| CPU of a message: of HAProxy's | 0.250 |" in tables and "at most 0.5: yes" in tables


def test_quantiles_of_a_histogram_are_of_what_came_between(compare):
    infinity = float("inf")
    before = [(0.0001, 50), (0.0002, 60), (0.0004, 60), (infinity, 61)]
    after = [(0.0001, 140), (0.0002, 160), (0.0004, 160), (infinity, 161)]
    assert compare.quantile_us(before, after, 0.45) == pytest.approx(50)
    assert compare.quantile_us(before, after, 0.95) == pytest.approx(150)
    assert compare.quantile_us(before, after, 1) == pytest.approx(200)
    assert compare.quantile_us([(0.0001, 0), (infinity, 0)], [(0.0001, 1), (infinity, 2)], 0.99) == pytest.approx(100)
    assert compare.quantile_us(before, before, 0.99) == 0
    ours = figures(10) | {"own_half_to_client_p99_us": 90}
    assert [one["median"] for one in compare.added([{"stanzagate, echo": ours}])] == [90]


def test_calls_are_those_of_the_measured_phase(compare):
    logins, messages, end = [9000] * 4, [500] * 6, [100, 100]
    assert compare.calls_per_message([*logins, *messages, *end], 4, 1000) == 1.0
    assert compare.calls_per_message([], 4, 1000) is None


def test_latency_is_compared_at_one_rate(compare):
    rounds = [{compare.OURS: figures(1) | {"own_half_p99_us": ours}, compare.BARE: figures(1) | {"own_half_p99_us": bare}} for ours, bare in [(300, 200), (500, 200), (400, 350)]]
    row = next(one for one in compare.added(rounds) if one["what"].startswith("p99"))
    assert (row["median"], row["least"], row["most"], row["wanted"], row["holds"]) == (100, 50, 300, 200, True)
    assert "| 100 | 50 to 300 | at most 200: yes |" in compare.tables(result(compare, rounds))
    assert compare.added([{compare.OURS: figures(1)}]) == []


def test_latency_of_the_gate_and_of_another_front_stand_beside_each_other(compare):
    late = {compare.OURS: 350, compare.OTHER: 900, compare.BARE: 200}
    rows = compare.added([{name: figures(1) | {"other_half_p99_us": p99} for name, p99 in late.items()}])
    assert {one["what"].split(", above")[0]: one["median"] for one in rows} == {
        "p99 at half of HAProxy's rate: of the gate": 150, "p99 at half of HAProxy's rate: of HAProxy": 700,
    }


def test_one_that_fails_is_named_and_fails_the_run(compare, monkeypatch, tmp_path, capsys):
    def measure(run, name, options):
        if name == compare.BARE:
            raise RuntimeError("it does not listen")
        if name == "nginx, echo":
            raise compare.peers.Missing("nginx is not there")
        return figures(1)

    monkeypatch.setattr(compare, "measure", measure)
    for only, status in [("echo", 1), ("stanzagate, echo;nginx, echo", 0)]:
        monkeypatch.setattr(sys, "argv", ["run", "--build", str(gates.BUILD), "--only", only, "--rounds", "2", "--results", str(tmp_path)])
        assert compare.main() == status
        assert ("failed: round 2: TLS echo, nothing else" in capsys.readouterr().err.splitlines()) == bool(status)


@pytest.mark.skipif(gates.is_sanitized(), reason="what is built with sanitizers is not compared")
def test_a_round(tmp_path):
    """The programs themselves, and little load."""
    words = ["--only", "stanzagate, echo;HAProxy, echo", "--rounds", 1, "--clients", 300, "--seconds", 1, "--results", tmp_path]
    command = [FOLDER / "run", "--build", gates.BUILD, *words]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "compare.json").read_text())
    assert set(found["peers"]) == {"HAProxy, echo", "stanzagate, echo"}
    for name, figures in found["peers"].items():
        for key in ("front_login_us", "front_message_us", "messages_per_second", "half_p99_us"):
            assert figures[key]["median"] > 0, (name, key)
    assert "<svg" in (tmp_path / "compare.html").read_text()


@pytest.mark.parametrize("words,said", [
    (["--only", "nosuchpeer"], "--only nosuchpeer: no such peer; there are: TLS echo"),
    (["--rounds", "0"], "at least 1 is allowed"),
    (["--build", "/nowhere"], "/nowhere/cm/stanzagate is not there"),
])
def test_words_that_are_refused(tmp_path, words, said):
    command = [str(FOLDER / "run"), "--build", str(gates.BUILD), "--results", str(tmp_path), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=gates.PATIENCE_S)
    assert done.returncode == 2 and said in done.stderr
    assert not list(tmp_path.iterdir())
