"""
Each case of a collection of attacks on XML parsers, over a stream that is logged in: what is to be accepted leaves the stream
working, what is to be refused ends it with one of the conditions that the collection names. The collection is not part of this
project; where it is not there, this is skipped.
"""
import json
import os
import pathlib

import gate as gates
import pytest
import xmppwire as xmpp
from peek import PEEK

CASES = pathlib.Path(os.environ.get("STANZAGATE_ATTACK_CASES", gates.ROOT.parent / "shared" / "xml" / "attack_cases.json"))


def read_cases():
    if not CASES.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"no collection of attacks at {CASES.name}"))]
    return [pytest.param(case, id=case["name"]) for case in json.loads(CASES.read_text())["cases"]]


def login(gate):
    client = xmpp.Client(gate.direct, True, gate.authority)
    client.login("alice", gates.PASSWORDS["alice"])
    return client


def sent(client, data, bytewise):
    if not bytewise:
        client.send(data)
        return
    for at in range(len(data)):
        if not client.send(data[at : at + 1]):
            return
        gates.wait_until(lambda: PEEK.has_read(client.wire), what="reading by the gate")


def ending(client):
    """The condition with which the stream ends; '' when it ends in peace."""
    while True:
        item = client.next()
        if item.kind == "FOOTER":
            client.wire.wait_end()
            return ""
        condition = xmpp.stream_error(item.element)
        if condition is not None:
            client.expect("FOOTER")
            client.wire.wait_end()
            assert client.wire.close_notify
            return condition


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytes"])
@pytest.mark.parametrize("case", read_cases())
def test_attack(case, bytewise, gate):
    client = login(gate)
    data = bytes.fromhex(case["hex"])
    sent(client, data, bytewise)
    wanted = case["verdict"].removeprefix("reject:")
    allowed = {wanted, *case["also_ok"]}
    if case["name"] == "stream-error-from-client":
        assert ending(client) == "", "the client's own error ends the stream in peace"
    elif wanted == "accept":
        assert client.ping() is not None
    elif "accept" in allowed:
        client.send("</stream:stream>")
        assert ending(client) in allowed | {""}
    else:
        assert ending(client) in allowed
    client.close()
    assert gate.running()
