"""A short form of tests/marker/run, and the tests that its clients notice what must not come."""
import asyncio
import json
import pathlib
import subprocess
import sys
import types

import pytest

MARKER = pathlib.Path(__file__).resolve().parents[1] / "marker"
sys.path.insert(0, str(MARKER))

import clients  # noqa: E402


def message(sender, receiver, number, body=None, stamp=None):
    mark = f"{sender}-{receiver}-{number}"
    user, tenure = receiver.split(".")
    stamp = stamp or "u{}@localhost/{}".format(*sender.split("."))
    return f"<message from='{stamp}' to='u{user}@localhost/{tenure}' id='{mark}'><body>{body or mark}</body></message>".encode()


def counts(*pieces):
    """What the second client's third stream notices of this."""

    async def hear():
        said = types.SimpleNamespace(window=1, stanzas=100, processes=1, churn=0)
        crowd = clients.Crowd(said, range(4), 0, None, None, [0, 0])
        crowd.talking = False
        stream = clients.Stream(crowd, 1, 3)
        stream.online, crowd.online[1] = True, stream
        for piece in pieces:
            stream.data_received(piece)
        crowd.forget(stream)
        return {kind: count for kind, count in crowd.result()["counts"].items() if count}

    return asyncio.run(hear())


def test_what_is_right():
    own, partners = message("1.3", "1.3", 0), message("0.7", "1.3", 0, "0.7-1.3-0 0.7-1.3-0")
    assert counts(own + partners, message("1.3", "1.3", 1)[:50], message("1.3", "1.3", 1)[50:]) == {}


@pytest.mark.parametrize(
    "came, found",
    [
        ([message("2.1", "1.3", 0)], "wrong"),  # of a stranger
        ([message("1.3", "0.1", 0)], "wrong"),  # for the partner
        ([message("1.2", "1.2", 0)], "wrong"),  # for the stream before
        ([message("1.3", "1.3", 0, stamp="u0@localhost/1")], "wrong"),
        ([message("1.3", "1.3", 0, body="1.3-1.3-0 2.1-2.1-0")], "wrong"),
        ([b"<presence/>", message("1.3", "1.3", 0)], "wrong"),
        ([message("1.3", "1.3", 0)] * 2, "doubled"),
        ([message("1.3", "1.3", 1), message("1.3", "1.3", 0)], "reordered"),
        ([message("1.3", "1.3", 0), message("1.3", "1.3", 2)], "lost"),
    ],
)
def test_what_is_wrong_is_noticed(came, found):
    assert list(counts(*came)) == [found]


def test_no_stanza_comes_to_a_wrong_client():
    command = [MARKER / "run", "--stanzas", "50000", "--clients", "60"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=400)
    result = json.loads(run.stdout or "{}")
    assert run.returncode == 0, f"{json.dumps(result, indent=1)}\n{run.stderr[-2000:]}"
    assert result["streams"]["streams"] > 60 and result["hostile"]["fanout"] and result["hostile"]["late"]


@pytest.mark.parametrize("words", [["--clients", "3"], ["--clients", "0"], ["--stanzas", "-1"], ["--churn", "x"]])
def test_what_is_out_of_bounds_is_said(words):
    run = subprocess.run([MARKER / "run", *words], capture_output=True, text=True, timeout=60)
    assert run.returncode == 2 and "Traceback" not in run.stderr and words[0] in run.stderr
