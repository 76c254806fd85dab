"""The test of the plays: each kind of step notices when the gate does something else than it says."""
import pathlib

import play as plays
import pytest

GREETING = """connect
C: header
S: header
S: features
"""
WRONG = {
    "an element of another name": GREETING + "C: <starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>\nS: <failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "a child that is not there": "connect\nC: header\nS: header\nS: <stream:features>...<x/></stream:features>",
    "a child too many": "connect\nC: header\nS: header\nS: <stream:features/>",
    "an attribute that is not there": "login alice\nC: <iq type='get' id='1' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>\nS: <iq id='1' type='result' x='y'>...</iq>",
    "an attribute with another value": "login alice\nC: <iq type='get' id='1' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>\nS: <iq id='2'>...</iq>",
    "another text": "login alice\nC: <message to='{jid}'><body>x</body></message>\nS: <message>...<body>y</body></message>",
    "a name that stood for something else": "login alice\nC: <message to='{jid}' id='a'/><message to='{jid}' id='b'/>\nS: <message id='{id}'>...</message>\nS: <message id='{id}'>...</message>",
    "a header of another domain": "connect\nC: header\nS: header from=elsewhere",
    "another stream error": "connect\nC: hello\nS: header from=?\nS: error host-unknown",
    "no error": GREETING + "S: error not-well-formed",
    "something more": "login alice\nC: <message to='{jid}'/>\nping",
    "no end": GREETING + "S: closed",
    "an element before the connection drops": "connect\nC: hello\nS: dropped",
    "no end of TLS": "login alice\nraw: x\nS: closed",
    "something that was seen": GREETING + "unseen starttls",
    "a counter that did not change": GREETING + "metric stanzagate_logins_total +1",
    "a counter that changed": "login alice\nmetric stanzagate_logins_total +0",
    "a counter that is not there": GREETING + "metric stanzagate_nothing +0",
    "another reason": "connect\nC: hello\nS: header from=?\nS: error not-well-formed bad-format\ncounts HOST_UNKNOWN",
    "a log that says nothing": GREETING + "log something.else",
    "one byte at a time": "cut bytes\n---\nlogin alice\nC: <message to='{jid}'/>\nS: <presence>...</presence>",
}


@pytest.mark.parametrize("steps", WRONG.values(), ids=WRONG.keys())
def test_a_play_notices(steps, gate, tmp_path, monkeypatch):
    monkeypatch.setattr(plays.xmpp, "TIMEOUT_S", 0.5)
    monkeypatch.setattr(plays, "METRIC_S", 0.3)
    monkeypatch.setattr(plays.xmpp.Stream.next, "__defaults__", (0.5,))
    monkeypatch.setattr(plays.xmpp.Wire.wait_end, "__defaults__", (0.5,))
    file = tmp_path / "wrong.play"
    file.write_text("=== wrong\n" + (steps if "---" in steps else "---\n" + steps))
    [play] = plays.read_plays(file)
    for _, variables, bytewise in play.variants():
        with pytest.raises(plays.Mismatch):
            plays.perform(play, gate, variables, bytewise)


@pytest.mark.parametrize("text", ["connect\n", "=== x\n---\nsing\n", "=== x\nloud\n---\n", "=== x\nvary a | b\n  1\n---\n", "=== x\n  1\n---\n"])
def test_what_is_no_play(text, tmp_path):
    file = tmp_path / "wrong.play"
    file.write_text(text)
    with pytest.raises(SyntaxError):
        plays.read_plays(file)


def test_there_are_plays():
    files = list((pathlib.Path(__file__).parent / "plays").glob("*.play"))
    assert sum(len(list(play.variants())) for file in files for play in plays.read_plays(file)) > 300
