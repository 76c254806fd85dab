"""Clients of Startalk's dialect and a session server that does what a test tells it: what crosses the link."""
import json
import re

import fakebackend as fake
import gate as gates
import pytest
import startalk
import xmppwire as xmpp
from fakebackend import Backend
from startalk import GROUPCHAT, MSTAT, PRESENCE
from test_startalk import LISTENERS

PING = "urn:xmpp:ping"


@pytest.fixture
def stage(make_gate):
    """(gate, backend): the backend answers pings, keeps the rest in `backend.heard`, and acknowledges nothing."""
    with Backend(gates.new_folder("link") / "s.sock") as backend:
        backend.heard, backend.acks = [], False

        def on_element(session, xml):
            if PING in xml and "type='get'" in xml:
                number = re.search(r"id='(.*?)'", xml)[1]
                session.send(f"<iq type='result' id='{number}'/>")
            else:
                backend.heard.append(xml)

        backend.on_element = on_element
        link = {"workers": 1, "listeners": LISTENERS, "backends": [{"name": "s", "address": f"unix:{backend.path}"}]}
        gate = make_gate(link)
        gates.wait_until(lambda: gate.metrics()["stanzagate_links_up"] == 1)
        yield gate, backend


def log_in(gate):
    client = startalk.Client(gate.startalk).login("alice", "any")
    client.ask(50)
    return client


def session_of(backend):
    return gates.wait_until(lambda: next((s for s in backend.sessions if s.bound), None))


def test_to_a_session_server_it_is_a_client_like_any_other(stage):
    gate, backend = stage
    elements = []
    take = backend.element
    backend.element = lambda session, payload: (elements.append(payload.decode()), take(session, payload))
    client = log_in(gate)
    assert elements[0] == "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFsaWNlAGFueQ==</auth>"
    bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>V[200012]_P[Mac]_ID[alice]_C[1]_PB</resource></bind>"
    assert elements[1] == f"<iq id='bind-1' type='set'>{bind}</iq>"
    facts = session_of(backend).facts
    assert (facts[fake.DOMAIN_NAME], facts[fake.DIRECT]) == (b"localhost", b"\0" * len(facts[fake.DIRECT]))
    client.say("bob@localhost", "hi", "m-1")
    heard = gates.wait_until(lambda: backend.heard)[0]
    assert heard.startswith(f"<message from='{client.full}' to='bob@localhost' type='chat' id='m-1'><body>hi</body>")


def test_a_message_is_acknowledged_when_the_session_server_has_it(stage):
    gate, backend = stage
    client = log_in(gate)
    client.say("bob@localhost", "one", "m-1")
    client.say("bob@localhost", "two", "m-2")
    client.nothing_came()
    assert gate.metrics()["stanzagate_startalk_unacknowledged"] == 2
    link = session_of(backend).link
    with backend.lock:
        link.taken -= 2  # the ping, and the second message
        link.ack()
        link.taken += 2
    assert client.next().payload["messageId"] == "m-1"
    client.nothing_came()
    with backend.lock:
        link.ack()
    packet = client.next()
    assert (packet.signal, packet.payload["messageId"]) == (MSTAT, "m-2")
    assert gate.metrics()["stanzagate_startalk_unacknowledged"] == 0


def test_acknowledgement_survives_a_cut(stage):
    gate, backend = stage
    client = log_in(gate)
    client.say("bob@localhost", "one", "m-1")
    gates.wait_until(lambda: backend.heard)
    session = session_of(backend)
    session.link.close()
    gates.wait_until(lambda: gate.metrics()["stanzagate_sessions_reattached_total"] == 1)
    assert client.next().payload["messageId"] == "m-1"
    client.say("bob@localhost", "two", "m-2")
    gates.wait_until(lambda: len(backend.heard) == 2)
    with backend.lock:
        session.link.ack()
    assert client.next().payload["messageId"] == "m-2"


def test_what_was_said_during_a_cut_is_acknowledged_later(stage):
    gate, backend = stage
    client = log_in(gate)
    session = session_of(backend)
    greeting, backend.greeting = backend.greeting, b""  # links are of no use meanwhile
    session.link.close()
    gates.wait_until(lambda: gate.metrics()["stanzagate_sessions_orphaned"] == 1)
    client.say("bob@localhost", "one", "m-1")
    backend.greeting = greeting
    for link in backend.links:
        link.close()
    gates.wait_until(lambda: backend.heard)
    assert len(backend.heard) == 1
    client.nothing_came()
    with backend.lock:
        session.link.ack()
    assert client.next().payload["messageId"] == "m-1"


def test_requests_are_answered_for_the_client(stage):
    gate, backend = stage
    client = log_in(gate)
    session_of(backend).send(f"<iq type='get' from='localhost' id='p1'><ping xmlns='{PING}'/></iq>")
    session_of(backend).send("<iq type='get' from='localhost' id='p2'><query xmlns='jabber:iq:version'/></iq>")
    gates.wait_until(lambda: len(backend.heard) == 2)
    assert backend.heard[0] == f"<iq from='{client.full}' to='localhost' id='p1' type='result'/>"
    assert backend.heard[1].startswith(f"<iq from='{client.full}' to='localhost' id='p2' type='error'><error type='cancel'>")
    client.nothing_came()


def test_a_session_is_established_where_it_must_be(stage, monkeypatch):
    gate, backend = stage
    monkeypatch.setattr(fake, "BIND", fake.BIND + "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>")
    client = startalk.Client(gate.startalk).login("alice", "any")
    heard = gates.wait_until(lambda: backend.heard)[0]
    number = re.search(r"type='set' id='(.*?)'|id='(.*?)' type='set'", heard)
    assert "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>" in heard
    session_of(backend).send(f"<iq type='result' id='{number[1] or number[2]}'/>")
    assert client.ask(50, id="mine").payload["messageId"] == "mine"


@pytest.mark.parametrize("condition, code", [("conflict", 222), ("policy-violation", 201), ("system-shutdown", 111), ("reset", 102)])
def test_ends_have_codes(stage, condition, code):
    gate, backend = stage
    client = log_in(gate)
    session_of(backend).close(condition=condition, reason="because")
    said = client.wait_end()
    assert said == (code, "replaced" if condition == "conflict" else "because")


def test_notices_of_the_server_arrive(stage):
    gate, backend = stage
    client = log_in(gate)
    notice = f"<presence from='localhost' to='{client.full}' category='1' data='x' type='notify'><notify xmlns='jabber:x:presence_notify'/></presence>"
    session_of(backend).send(notice)
    packet = client.next()
    assert (packet.signal, packet.payload["categoryType"], packet.text) == (PRESENCE, 1, "x")


def test_group_messages_go_both_ways(stage):
    """The session server has a room, in which a client of each kind is."""
    gate, backend = stage
    take = backend.on_element

    def reflect(session, xml):
        said = re.match(r"<message from='(.*?)@localhost/.*?' to='room@rooms.localhost' type='groupchat'", xml)
        for member in [s for s in backend.sessions if s.bound] if said else []:
            head = f"<message from='room@rooms.localhost/{said[1]}' to='{member.jid}' type='groupchat'"
            member.send(head + xml[said.end() :])
        if not said:
            take(session, xml)

    backend.on_element = reflect
    alice, bob = log_in(gate), xmpp.Client(gate.starttls, False, gate.authority)
    bob.login("bob", "any", "phone")

    def check(name, text, number, headers):
        room = f"room@rooms.localhost/{name}"
        message = bob.wait_message(text)
        assert (message.get("from"), message.get("type"), message.get("id")) == (room, "groupchat", number)
        packet = alice.wait_signal(GROUPCHAT)
        assert (packet.outer["from"], packet.outer["to"], packet.text, packet.payload["messageId"]) == (room, alice.full, text, number)
        assert packet.outer["realfrom"] == packet.outer["sendjid"] == room
        assert packet.headers() == {**headers, "errcode": "0"}

    alice.say("room@rooms.localhost", "你好 😀 <all>", "g-1", GROUPCHAT, [{"definedKey": 3, "value": "{}"}])
    check("alice", "你好 😀 <all>", "g-1", {"extendInfo": "{}"})
    bob.send("<message to='room@rooms.localhost' type='groupchat' id='g-2'><body>hello, 世界</body></message>")
    check("bob", "hello, 世界", "g-2", {})


def test_nobody_else_answers_for_the_session_server(stage):
    """Whoever knows the full JID of a client can send it a result."""
    gate, backend = stage
    client = log_in(gate)
    bound = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>boss@localhost/r</jid></bind>"
    roster = "<query xmlns='jabber:iq:roster'><item jid='eve@localhost' subscription='both'/></query>"
    for inside in (bound, roster):
        session_of(backend).send(f"<iq type='result' from='eve@localhost/x' to='{client.full}' id='bind-1'>{inside}</iq>")
    client.nothing_came()
    session_of(backend).send(f"<iq type='result' from='alice@localhost' to='{client.full}' id='f-1'>{roster}</iq>")
    packet = client.next()
    assert (packet.payload["value"], packet.headers()) == ("user_get_friends", {"friends": '[{"F":"eve","H":"localhost"}]'})


def test_a_company_of_friends_is_one_answer(stage):
    gate, backend = stage
    client = log_in(gate)
    friends = [f"employee-{number:05}" for number in range(20000)]
    items = "".join(f"<item jid='{name}@company.example' name='{name}' subscription='both'><group>all</group></item>" for name in friends)
    session_of(backend).send(f"<iq type='result' id='f-1'><query xmlns='jabber:iq:roster'>{items}</query></iq>")
    assert [friend["F"] for friend in json.loads(client.next().headers()["friends"])] == friends


def test_native_stanzas_are_startalks_own(make_gate):
    with Backend(gates.new_folder("link") / "s.sock") as backend:
        backend.heard = []
        backend.on_element = lambda session, xml: backend.heard.append(xml)
        native = {"listeners": LISTENERS, "startalk": {"native": True}, "backends": [{"name": "s", "address": f"unix:{backend.path}"}]}
        gate = make_gate(native)
        gates.wait_until(lambda: gate.metrics()["stanzagate_links_up"] == 2)
        client = startalk.Client(gate.startalk).login("alice", "any")
        client.say("bob@localhost", "hi", "m-1", startalk.TYPING)
        client.send(PRESENCE, {"definedKey": 2, "body": {"headers": [{"definedKey": 34, "value": "why"}]}}, to="bob@localhost")
        gates.wait_until(lambda: len(backend.heard) == 2)
        typing = f"<message from='{client.full}' to='bob@localhost' type='typing' client_type='ClientTypePC' client_ver='200012'>"
        assert backend.heard[0] == typing + "<body id='m-1' msgType='1'>hi</body></message>"
        friend = f"<presence from='{client.full}' xmlns='jabber:x:verify_friend' to='bob@localhost' type='verify_friend' reason='why'/>"
        assert backend.heard[1] == friend
