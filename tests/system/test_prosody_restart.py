"""Debian's Prosody killed and started again behind gates: their sessions go on there, and neither clients nor contacts notice."""
import re
import signal

import fakegate
import gate as gates
import prosody
import pytest
import xmppwire as xmpp
from test_prosody import SM_NS, config, connect, running

pytestmark = pytest.mark.skipif(not prosody.is_there(), reason="there is no Prosody")
CARBONS_NS, CSI_NS, MUC_NS = "urn:xmpp:carbons:2", "urn:xmpp:csi:0", "http://jabber.org/protocol/muc"


def presence_of(session):
    """What has come of presence, as (from, type)."""
    found = [xml for xml in session.elements if xml.startswith("<presence")]
    return [(re.search(" from='(.*?)'", xml)[1], (re.search(" type='(.*?)'", xml) or [None, None])[1]) for xml in found]


def attend(session):
    """As clients begin: roster, and presence, which says who it is."""
    session.send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
    session.wait("id='roster'")
    session.send(f"<presence><status>{session.jid}</status></presence>")
    session.wait(f"<status>{session.jid}")


def befriend(one, other):
    for asker, asked in ((one, other), (other, one)):
        bare = [session.jid.split("/")[0] for session in (asker, asked)]
        asker.send(f"<presence type='subscribe' to='{bare[1]}'/>")
        asked.wait("type='subscribe'")
        asked.send(f"<presence type='subscribed' to='{bare[0]}'/>")
        asker.wait(f"<status>{asked.jid}")


def enable(session):
    """The id, and how many stanzas do not count because they were there before: of the client, and for it (with that of binding)."""
    before = session.stanzas_in
    session.send(f"<enable xmlns='{SM_NS}' resume='true'/>")
    answer = session.wait("<enabled")
    earlier = session.elements[: session.elements.index(answer)]
    return re.search(" id='(.*?)'", answer)[1], before, 1 + sum(map(fakegate.is_stanza, earlier))


def join(session, room, nick):
    session.send(f"<presence to='{room}@rooms.localhost/{nick}'><x xmlns='{MUC_NS}'/></presence>")
    session.wait("<subject")


def make_persistent(session, room):
    form = "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
    form += "<field var='muc#roomconfig_persistentroom'><value>1</value></field>"
    query = f"<query xmlns='{MUC_NS}#owner'><x xmlns='jabber:x:data' type='submit'>{form}</x></query>"
    session.send(f"<iq type='set' id='config' to='{room}@rooms.localhost'>{query}</iq>")
    assert "type='result'" in session.wait("id='config'")


def adopt(link, old, unacked=()):
    return link.adopt(old, old.presence, unacked)


def message(to, body, kind="chat"):
    return f"<message to='{to}' type='{kind}'><body>{body}</body></message>"


def kill(server, meanwhile=lambda: None):
    server.process.kill()
    server.process.wait()
    meanwhile()
    server.start(server.home)


@pytest.fixture
def server():
    with running() as server:
        yield server


def test_what_a_client_has_is_there_again(server):
    """Roster, presence, contacts, carbons, push, stream management and its id, rooms; and nothing is sent that has been sent before."""
    with fakegate.Link(server.link) as link:
        phone, desk, bob = link.login("alice", "phone"), link.login("alice", "desk"), link.login("bob", "sofa")
        for session in (phone, desk, bob):
            attend(session)
        befriend(phone, bob)
        token, earlier_in, earlier_out = enable(phone)
        desk.send(f"<iq type='set' id='carbons'><enable xmlns='{CARBONS_NS}'/></iq>")
        desk.wait("id='carbons'")
        phone.send(f"<iq type='set' id='push'><enable xmlns='urn:xmpp:push:0' jid='{bob.jid}' node='of the phone'/></iq>")
        phone.wait("id='push'")
        join(phone, "tea", "alice")
        make_persistent(phone, "tea")
        join(bob, "tea", "bob")
        join(bob, "gone", "bob")
        bob.send(message("alice@localhost/phone", "before"))
        phone.wait("before")
        link.ping()
        kill(server)
        with fakegate.Link(server.link, epoch=link.epoch) as again, fakegate.Link(server.link) as other:
            carol = other.login("carol", "new")
            attend(carol)
            phone, desk, bob = adopt(again, phone), adopt(again, desk), adopt(again, bob)
            bob.ask("<ping xmlns='urn:xmpp:ping'/>")
            assert presence_of(phone) == presence_of(desk) == [] and "<r " in phone.elements[0] and len(phone.elements) == 1
            assert presence_of(bob) == [("gone@rooms.localhost/bob", "unavailable")] and "332" in bob.elements[0]
            # Stream management counts on; what the client acknowledges is what it has had in all.
            phone.send(f"<r xmlns='{SM_NS}'/>")
            assert f" h='{phone.stanzas_in - earlier_in}'" in phone.wait("<a ")
            bob.send(message("alice@localhost/phone", "after"))
            assert phone.wait("<body>after") and desk.wait("<body>after")
            phone.send(message("tea@rooms.localhost", "for all", "groupchat"))
            assert "tea@rooms.localhost/alice" in bob.wait("<body>for all")
            # The client is lost, and resumes with the id that it has from before.
            seen = phone.stanzas_out - earlier_out
            phone.send(f"<a xmlns='{SM_NS}' h='{seen}'/>")
            again.send(fakegate.frame(fakegate.CLOSE, phone.number))
            bob.send(message("alice@localhost/phone", "asleep"))
            assert "node='of the phone'" in bob.wait("<publish")
            back = again.authenticate("alice")
            back.send(f"<resume xmlns='{SM_NS}' previd='{token}' h='{seen}'/>")
            assert back.wait("<resumed") and back.wait("<body>asleep")


def test_who_has_come_meanwhile_is_told(server):
    """A client whose contact logs in after the restart, before it is adopted itself: each hears of the other. A third one knows,
    and so do contacts at other servers."""
    with fakegate.Link(server.link) as link:
        alice, bob, carol = link.login("alice", "phone"), link.login("bob", "sofa"), link.login("carol", "old")
        for session in (alice, bob, carol):
            attend(session)
        befriend(alice, bob)
        befriend(alice, carol)
        # This server talks to no other ones, and says so to who tries: nobody tries.
        roster = server.home / "data" / "localhost" / "roster" / "alice.dat"
        abroad = 'return { ["friend@example.org"] = { ["subscription"] = "both"; ["groups"] = {}; };'
        kill(server, lambda: roster.write_text(roster.read_text().replace("return {", abroad, 1)))
        with fakegate.Link(server.link, epoch=link.epoch) as again, fakegate.Link(server.link) as other:
            carol = other.login("carol", "new")
            attend(carol)
            bob = adopt(again, bob)
            alice = adopt(again, alice)
            assert alice.wait("<presence") and presence_of(alice) == [("carol@localhost/new", None)]
            assert carol.wait("from='alice@localhost/phone'")
            bob.ask("<ping xmlns='urn:xmpp:ping'/>")
            assert presence_of(bob) == []
            # Who has spoken of himself again is told everything again.
            bob.send("<presence/>")
            assert alice.wait("from='bob@localhost/sofa'")


def test_a_server_that_is_stopped_lets_its_sessions_go(server):
    """It waits till the gate has all, and leaves to its successor what comes meanwhile; the contact of a client hears nothing."""
    with fakegate.Link(server.link) as link:
        alice, bob = link.login("alice", "phone"), link.login("bob", "sofa")
        for session in (alice, bob):
            attend(session)
        befriend(alice, bob)
        token = enable(alice)[0]
        alice.elements.clear()
        bob.elements.clear()
        alice.send(f"<inactive xmlns='{CSI_NS}'/>")
        bob.send("<presence><status>later</status></presence>")
        bob.wait("later")
        link.ping()
        assert not presence_of(alice)
        link.acks = False
        server.signal(signal.SIGTERM)
        link.until(lambda: link.drained, "DRAIN")
        late = ["<presence><status>very late</status></presence>", message("alice@localhost/phone", "late")]
        for xml in late:
            bob.send(xml)
        assert alice.wait("later") and server.running()
        link.acks = True
        link.ack()
        assert link.wait_end() and not alice.closed and not [xml for xml in alice.elements + bob.elements if "unavailable" in xml]
        server.wait_exit()
        server.start(server.home)
        with fakegate.Link(server.link, epoch=link.epoch) as again:
            alice, bob = adopt(again, alice), adopt(again, bob, late)
            assert alice.wait("<body>late") and token.encode() in alice.kept
            # It is inactive still: what can wait did so, and came with what cannot.
            assert "<delay " in alice.wait("very late")


def test_what_is_said_waits_for_who_is_still_to_come(server):
    with fakegate.Link(server.link) as link:
        alice, bob = link.login("alice", "phone"), link.login("bob", "sofa")
        kill(server)
        with fakegate.Link(server.link, epoch=link.epoch) as again:
            again.adopt(alice, message(bob.jid, "this is no presence")).send(message(bob.jid, "first of all"))
            again.ping()
            bob = adopt(again, bob)
            assert "<delay " not in bob.wait("first of all") and not [xml for xml in bob.elements if "no presence" in xml]


def test_what_cannot_be_adopted(server):
    with fakegate.Link(server.link) as link:
        alice, bob = link.login("alice", "phone"), link.login("bob", "sofa")
        kill(server)
        with fakegate.Link(server.link, epoch=link.epoch) as again:
            again.login("alice", "phone")
            assert adopt(again, alice).attached == alice.sent
            again.until(lambda: again.sessions[alice.number].closed, "CLOSE")
            assert again.sessions[alice.number].closed[fakegate.CONDITION] == b"conflict"
            bob.jid = "nobody@localhost/sofa"
            assert adopt(again, bob) is None
            bob.jid = "bob@example.org/sofa"
            bob.number += 1000
            assert adopt(again, bob) is None


class Talker:
    """A client of the gate that counts for stream management, and knows what has come from its partner."""

    def __init__(self, gate, user):
        self.stream, self.user = connect(gate.starttls, gate), user
        self.stream.login(user, "password", "phone", "PLAIN")
        self.stream.send(f"<presence/><enable xmlns='{SM_NS}' resume='true'/>")
        self.token = self.stream.wait(lambda element: element.tag == f"{{{SM_NS}}}enabled").get("id")
        self.sent = self.acknowledged = self.taken = 0
        self.heard = []

    def say(self, to):
        self.sent += 1
        self.stream.send(f"<message to='{to.stream.jid}' type='chat' id='{self.sent}'><body>x</body></message><r xmlns='{SM_NS}'/>")

    def listen(self, count):
        """Until all of mine are acknowledged, and so many have come."""
        while self.acknowledged < self.sent or len(set(self.heard)) < count:
            element = self.stream.expect("ELEMENT")
            if element.tag == f"{{{SM_NS}}}a":
                self.acknowledged = int(element.get("h"))
            elif element.tag == f"{{{SM_NS}}}r":
                self.stream.send(f"<a xmlns='{SM_NS}' h='{self.taken}'/>")
            else:
                assert element.tag == f"{{{xmpp.CLIENT_NS}}}message", element.tag
                self.taken += 1
                self.heard.append(int(element.get("id")))

    def resume(self, gate):
        again = connect(gate.starttls, gate)
        again.secure()
        again.authenticate(self.user, "password", "PLAIN")
        again.greet()
        again.send(f"<resume xmlns='{SM_NS}' previd='{self.token}' h='{self.taken}'/>")
        assert again.expect("ELEMENT").tag == f"{{{SM_NS}}}resumed"
        return again


def add_accounts(config):
    """As Prosody's file storage writes them: registering one by one takes minutes."""
    folder = config.parent / "data" / "localhost" / "accounts"
    folder.mkdir(parents=True)
    for number in range(200):
        (folder / f"u{number}.dat").write_text('return { ["password"] = "password"; };\n')


@pytest.mark.parametrize(["end", "count"], [(signal.SIGKILL, 200), (signal.SIGTERM, 40)], ids=["killed", "stopped"])
def test_nobody_notices_that_prosody_is_restarted(make_gate, end, count):
    """Clients of two workers talk all the while. A message may come twice if a kill was just behind it, and is never lost."""
    modules = prosody.MODULES.replace(" mam ", " ")
    with running(authentication="internal_plain", modules=modules, level="warn", prepare=add_accounts) as server:
        gate = make_gate(config(server) | {"workers": 2, "addresses": {"exempt": ["127.0.0.0/8"]}})
        people = [Talker(gate, f"u{number}") for number in range(count)]
        partners = [(person, people[number ^ 1]) for number, person in enumerate(people)]
        for turn in range(4):
            for person, other in partners:
                person.say(other)
            if turn == 1:
                server.signal(end)
                server.process.wait()
            elif turn == 2:
                server.start(server.home)
        for person in people:
            person.listen(4)
            first = [number for at, number in enumerate(person.heard) if number not in person.heard[:at]]
            assert first == [1, 2, 3, 4] and person.acknowledged == 4
        assert gate.metrics()["stanzagate_sessions_adopted_total"] == count
        assert end == signal.SIGKILL or all(len(person.heard) == 4 for person in people)
        for person in people[:5]:
            person.stream.close()
            assert person.resume(gate).ping().get("type") == "result"
