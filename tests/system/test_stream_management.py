"""Stream management (XEP-0198) of the bundled session server: who loses its connection goes on, wherever it comes back."""
import asyncio
import os

import gate as gates
import pytest
import xmppwire as xmpp
from test_clients import Talker, until

SM_NS = "urn:xmpp:sm:3"
STANZAS = [f"{{{xmpp.CLIENT_NS}}}{name}" for name in ("message", "presence", "iq")]


class Client(xmpp.Client):
    """Counts what it hears, says so when it is asked, and notes the messages' ids."""

    def __init__(self, gate, before=None):
        super().__init__(gate.starttls, False, gate.authority)
        self.managed, self.handled, self.heard, self.answers = False, 0, [], True
        if before:
            self.handled, self.heard, self.identity, self.jid = before.handled, before.heard, before.identity, before.jid

    def next(self, timeout=xmpp.TIMEOUT_S):
        while True:
            item = super().next(timeout)
            if item.kind == "ELEMENT" and item.element.tag == f"{{{SM_NS}}}r":
                if self.answers:
                    self.send(f"<a xmlns='{SM_NS}' h='{self.handled}'/>")
                continue
            if item.kind == "ELEMENT" and item.element.tag in STANZAS:
                self.handled += self.managed
                if item.element.tag == STANZAS[0]:
                    self.heard.append(item.element.get("id"))
            return item

    def expect_managed(self, name):
        return self.wait(lambda element: element.tag == f"{{{SM_NS}}}{name}")

    def enable(self):
        assert self.features.find(f"{{{SM_NS}}}sm") is not None
        self.send(f"<enable xmlns='{SM_NS}' resume='true'/>")
        enabled = self.expect_managed("enabled")
        assert enabled.get("resume") == "true"
        self.identity, self.managed = enabled.get("id"), True

    def resume(self, user):
        """Answers what the server has handled."""
        self.secure()
        self.authenticate(user, gates.PASSWORDS[user], "PLAIN")
        self.greet()
        self.send(f"<resume xmlns='{SM_NS}' previd='{self.identity}' h='{self.handled}'/>")
        resumed = self.expect_managed("resumed")
        assert resumed.get("previd") == self.identity
        self.managed = True
        return int(resumed.get("h"))

    def hear(self, last):
        while last not in self.heard:
            self.next()

    def say(self, other, number):
        self.send(f"<message to='{other.jid}' id='{number}'><body>x</body></message>")


@pytest.fixture
def nodes():
    """Two session servers on one database."""
    home = gates.new_folder("managed")
    made = []
    for name in ("one", "two"):
        folder = home / name
        folder.mkdir()
        if made:
            os.symlink(made[0].database, folder / "accounts.db")
        made.append(gates.Sessiond(f"tcp:127.0.0.1:{gates.free_port()}", folder, folder / "accounts.db", ("--name", name)))
    yield made
    problems = [problem for node in made if node.process.returncode is None and (problem := node.stop())]
    assert not problems, "\n".join(problems)


def gate_of(make_gate, *nodes):
    backends = [{"name": f"n{number}", "address": node.listen} for number, node in enumerate(nodes)]
    return make_gate({"workers": 1, "backends": backends, "link": {"adopt_after_ms": 300}})


def begin(gate, others):
    alice, bob = Client(gate), Client(others)
    for client, user in ((alice, "alice"), (bob, "bob")):
        client.login(user, gates.PASSWORDS[user], "here", "PLAIN")
        client.enable()
    return alice, bob


# How alice loses its connection; or does not, and the server finds that out when it comes back.
CASES = {"cut": 0, "unnoticed": 0, "another gate": 1, "another node": 2, "killed": 2}


@pytest.mark.parametrize("case", CASES)
def test_a_lost_connection_loses_nothing(case, nodes, make_gate):
    first, second = nodes
    places = [gate_of(make_gate, first), gate_of(make_gate, first), gate_of(make_gate, second)]
    alice, bob = begin(places[0], places[2])
    for number in range(20):
        bob.say(alice, number)
        alice.say(bob, number)
    alice.hear("9")
    alice.answers = False
    if case == "killed":
        first.kill()
    if case != "unnoticed":
        alice.wire.socket.close()
    for number in range(20, 30):
        bob.say(alice, number)
    back = Client(places[CASES[case]], alice)
    handled = back.resume("alice")
    for number in range(handled, 30):
        back.say(bob, number)
    for number in range(30, 40):
        bob.say(back, number)
    back.hear("39")
    bob.hear("29")
    assert back.heard == [str(number) for number in range(40)], "each once and in order"
    assert bob.heard == [str(number) for number in range(30)]
    if case == "unnoticed":
        with pytest.raises(xmpp.Closed, match="conflict"):
            alice.wait(lambda element: False)
    assert back.ping().get("type") == "result"
    assert back.logout()


def test_who_does_not_come_back_has_lost_nothing(make_gate):
    gate = make_gate()
    alice, bob = begin(gate, gate)
    alice.send("<presence/>")
    alice.wait_presence(alice.jid)
    bob.say(alice, "read")
    alice.hear("read")
    assert alice.ping().get("type") == "result"
    alice.send(f"<a xmlns='{SM_NS}' h='{alice.handled}'/>")
    assert alice.ping().get("type") == "result"
    alice.wire.socket.close()
    bob.say(alice, "unread")
    assert bob.ping().get("type") == "result"
    again = Client(gate)
    again.login("alice", gates.PASSWORDS["alice"], "here", "PLAIN")
    again.send("<presence/>")
    again.hear("unread")
    assert again.ping().get("type") == "result"
    assert again.heard == ["unread"]


def test_presence_waits_for_who_looks(make_gate):
    """Client state (XEP-0352), through the gate."""
    gate = make_gate()
    alice, bob = begin(gate, gate)
    assert alice.features.find("{urn:xmpp:csi:0}csi") is not None
    alice.send("<inactive xmlns='urn:xmpp:csi:0'/>")
    assert alice.ping().get("type") == "result"
    for show in ("away", "dnd"):
        bob.send(f"<presence to='{alice.jid}'><show>{show}</show></presence>")
    bob.say(alice, "now")
    shown = alice.expect("ELEMENT")
    assert shown.findtext(f"{{{xmpp.CLIENT_NS}}}show") == "dnd"
    assert alice.expect("ELEMENT").get("id") == "now"
    bob.send(f"<presence to='{alice.jid}'/>")
    assert bob.ping().get("type") == "result"
    alice.send("<active xmlns='urn:xmpp:csi:0'/>")
    assert alice.expect("ELEMENT").get("from") == bob.jid
    assert alice.logout() and bob.logout()


def test_slixmpp_resumes(make_gate):
    gate = make_gate()

    async def conversation():
        alice, bob = Talker("alice", gate, "PLAIN"), Talker("bob", gate, "PLAIN")
        resumed = asyncio.Event()
        alice.register_plugin("xep_0198")
        alice.add_event_handler("session_resumed", lambda _: resumed.set())
        alice.start(gate, False)
        bob.start(gate, False)
        await until(alice.started.wait())
        await until(bob.started.wait())
        to = str(alice.boundjid)
        for number in range(3):
            bob.send_message(to, str(number), mtype="chat")
            assert (await until(alice.received.get()))["body"] == str(number)
        alice.transport.abort()
        await until(alice.ended.wait())
        bob.send_message(to, "3", mtype="chat")
        alice.start(gate, False)
        await until(resumed.wait())
        bob.send_message(to, "4", mtype="chat")
        for number in (3, 4):
            assert (await until(alice.received.get()))["body"] == str(number)
        assert alice.received.empty()
        for client in (alice, bob):
            client.ended.clear()
            client.disconnect()
            await until(client.ended.wait())

    asyncio.run(conversation())
