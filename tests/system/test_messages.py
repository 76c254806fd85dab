"""Carbons and the archive of the bundled session server, as slixmpp uses them; and that its list of features is kept true."""
import asyncio
import pathlib
import re

import gate as gates
from test_clients import Talker, until

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Reader(Talker):
    """With carbons and the archive."""

    def __init__(self, user, gate):
        super().__init__(user, gate)
        for plugin in ("xep_0280", "xep_0313"):
            self.register_plugin(plugin)
        self.copies = asyncio.Queue()
        self.add_event_handler("carbon_sent", lambda message: self.copies.put_nowait(("sent", message["carbon_sent"])))
        self.add_event_handler("carbon_received", lambda message: self.copies.put_nowait(("received", message["carbon_received"])))

    async def bodies(self, **search):
        answer = await until(self["xep_0313"].retrieve(**search))
        return [result["mam_result"]["forwarded"]["stanza"]["body"] for result in answer["mam"]["results"]]


async def log_in(gate, *users):
    clients = [Reader(user, gate) for user in users]
    for client in clients:
        client.start(gate, False)
        await until(client.started.wait())
    return clients


async def log_out(*clients):
    for client in clients:
        client.disconnect()
        await until(client.ended.wait())


ARCHIVE = {"sessiond": {"archive_days_max": 30}}


def test_carbons(make_gate):
    gate = make_gate()

    async def conversation():
        computer, phone, bob = await log_in(gate, "alice", "alice", "bob")
        await until(phone["xep_0280"].enable())
        computer.send_message(bob.boundjid.full, "from the computer", mtype="chat")
        direction, message = await until(phone.copies.get())
        assert (direction, message["to"], message["body"]) == ("sent", bob.boundjid, "from the computer")
        bob.send_message(computer.boundjid.full, "for the computer", mtype="chat")
        assert (await until(computer.received.get()))["body"] == "for the computer"
        direction, message = await until(phone.copies.get())
        assert (direction, message["from"], message["body"]) == ("received", bob.boundjid, "for the computer")
        await log_out(computer, phone, bob)

    asyncio.run(conversation())


def test_archive():
    """Also across a restart of the server."""
    gate = gates.Gate(ARCHIVE)

    async def talk():
        alice, bob = await log_in(gate, "alice", "bob")
        for i in range(7):
            alice.send_message(bob.boundjid.full, f"message {i}", mtype="chat")
            assert (await until(bob.received.get()))["body"] == f"message {i}"
        await log_out(alice, bob)

    async def look_up(gate):
        (alice,) = await log_in(gate, "alice")
        everything = [f"message {i}" for i in range(7)]
        assert await alice.bodies() == everything
        assert await alice.bodies(with_jid="bob@localhost") == everything
        assert await alice.bodies(with_jid="carol@localhost") == []
        assert await alice.bodies(rsm={"max": 3}) == everything[:3]
        pages = [page async for page in alice["xep_0313"].retrieve(iterator=True, rsm={"max": 3})]
        assert [result["mam_result"]["forwarded"]["stanza"]["body"] for page in pages for result in page["mam"]["results"]] == everything
        await log_out(alice)

    asyncio.run(talk())
    assert gate.stop() == ""
    again = gates.Gate(ARCHIVE, home=gate.home)
    asyncio.run(look_up(again))
    assert again.stop() == ""


def test_documented_features(make_gate):
    """docs/sessiond.md has a table of what disco#info says, of the server and of an account."""
    gate = make_gate(ARCHIVE)
    rows = re.findall(r"^\| `([^`]+)` \| (server|account|both) \|", (ROOT / "docs" / "sessiond.md").read_text(), re.M)

    async def ask():
        (alice,) = await log_in(gate, "alice")
        answers = [await until(alice["xep_0030"].get_info(jid)) for jid in ("localhost", "alice@localhost")]
        await log_out(alice)
        return [set(answer["disco_info"]["features"]) for answer in answers]

    server, account = asyncio.run(ask())
    assert server == {name for name, where in rows if where != "account"}
    assert account == {name for name, where in rows if where != "server"}
