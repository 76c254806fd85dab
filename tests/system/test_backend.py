"""Session servers that die, come back, or talk nonsense."""
import os
import re
import signal
import struct

import fakebackend as fake
import gate as gates
import pytest
import xmppwire as xmpp
from fakebackend import Backend, domain, fanout, fields, frame, hello


def backends(address):
    return {"workers": 1, "backends": [{"name": "session-1", "address": address}], "link": {"patience_ms": 0}}


@pytest.fixture
def backend(tmp_path):
    with Backend(tmp_path / "link") as backend:
        yield backend


@pytest.fixture
def faked(backend, make_gate):
    """A gate that is led by `backend`."""
    return make_gate(backends(f"unix:{backend.path}"))


def login(gate, user="alice", direct=False):
    client = xmpp.Client(gate.direct if direct else gate.starttls, direct, gate.authority)
    client.login(user, "whatever", mechanism="PLAIN")
    return client


def expect_error(client, condition):
    """A stream error and a proper end."""
    element = client.expect("ELEMENT")
    assert xmpp.stream_error(element) == condition, client
    client.expect("FOOTER")
    client.wire.wait_end()
    assert client.wire.close_notify


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_sessiond_as_a_process_of_its_own(kind, tmp_path, make_gate):
    address = f"unix:{tmp_path}/link" if kind == "unix" else f"tcp:127.0.0.1:{gates.free_port()}"
    sessiond = gates.Sessiond(address, tmp_path)
    try:
        gate = make_gate(backends(address) | {"workers": 2})
        alice = xmpp.Client(gate.starttls, False, gate.authority)
        alice.login("alice", gates.PASSWORDS["alice"])
        bob = xmpp.Client(gate.direct, True, gate.authority)
        bob.login("bob", gates.PASSWORDS["bob"])
        alice.send(f"<message to='{bob.jid}' type='chat'><body>через стену</body></message>")
        assert bob.wait_message("через стену").get("from") == alice.jid
        assert alice.logout() and bob.logout()
    finally:
        problem = sessiond.stop()
    assert not problem, problem


def test_a_session_server_that_dies_and_comes_back(tmp_path, make_gate):
    address = f"unix:{tmp_path}/link"
    sessiond = gates.Sessiond(address, tmp_path)
    try:
        gate = make_gate(backends(address) | {"workers": 2})
        alice = xmpp.Client(gate.starttls, False, gate.authority)
        alice.login("alice", gates.PASSWORDS["alice"])
        waiting = xmpp.Client(gate.starttls, False, gate.authority)
        waiting.secure()
        sessiond.kill()
        expect_error(alice, "internal-server-error")
        # Who has not begun to log in is told to try later, or that nobody is there.
        waiting.send(f"<auth xmlns='{xmpp.SASL_NS}' mechanism='PLAIN'>{xmpp.plain_response('alice', 'x')}</auth>")
        answer = waiting.expect("ELEMENT")
        assert xmpp.stream_error(answer) or answer.find(f"{{{xmpp.SASL_NS}}}temporary-auth-failure") is not None, answer
        waiting.close()
        late = xmpp.Client(gate.starttls, False, gate.authority)
        late.send_header()
        late.expect("HEADER")
        answer = late.expect("ELEMENT")
        assert xmpp.stream_error(answer) == "internal-server-error", answer
        late.close()
        gates.wait_until(lambda: gate.page("/readyz")[0] == 503, what="not ready")
        assert gate.page("/healthz")[0] == 200
        os.unlink(tmp_path / "link")
        sessiond = gates.Sessiond(address, tmp_path)
        gates.wait_until(lambda: gate.page("/readyz")[0] == 200, what="ready again")
        gates.wait_until(lambda: gate.metrics()["stanzagate_links_up"] == 2, what="both links up again")
        again = xmpp.Client(gate.starttls, False, gate.authority)
        again.login("alice", gates.PASSWORDS["alice"])
        assert again.logout()
    finally:
        sessiond.stop()


def test_sessiond_that_is_told_to_stop_says_goodbye(tmp_path, make_gate):
    address = f"unix:{tmp_path}/link"
    sessiond = gates.Sessiond(address, tmp_path)
    gate = make_gate(backends(address))
    alice = xmpp.Client(gate.starttls, False, gate.authority)
    alice.login("alice", gates.PASSWORDS["alice"])
    problem = sessiond.stop()
    assert not problem, problem
    expect_error(alice, "system-shutdown")


def test_what_the_session_server_is_told_of_a_client(backend, faked):
    for direct in (False, True):
        for version in ("1.2", "1.3"):
            client = xmpp.Client(faked.direct if direct else faked.starttls, direct, faked.authority, version)
            client.secure()
            stream = client.header.get("id")
            client.authenticate("alice", "x", "PLAIN")
            facts = backend.sessions[-1].facts
            assert facts[fake.DOMAIN_NAME] == b"localhost"
            assert facts[fake.STREAM_ID].decode() == stream
            assert facts[fake.ADDRESS] == b"127.0.0.1"
            assert struct.unpack(">H", facts[fake.PORT])[0] == client.wire.socket.getsockname()[1]
            assert facts[fake.TLS_VERSION] == {"1.2": b"\3\3", "1.3": b"\3\4"}[version]
            assert facts.get(fake.DIRECT, b"\0") == bytes([direct])
            assert facts[fake.LANG] == b"en"
            if version == "1.3":
                assert facts[fake.TLS_EXPORTER] == client.binding()[1]
            client.close()


def bare(xml):
    """Without what the gate may set: `from` and xml:lang of the stanza."""
    start, rest = xml[: xml.index(">")], xml[xml.index(">") :]
    return re.sub(r"""\s+(from|xml:lang)\s*=\s*('[^']*'|"[^"]*")""", "", start) + rest


def test_every_stanza_comes_with_the_senders_own_address(backend, faked):
    seen = []
    backend.on_element = lambda session, xml: seen.append(xml)
    client = login(faked)
    stanzas = [
        "<message to='bob@localhost'/>",
        "<message xml:lang='en'/>",
        "<message/>",
        "<message></message>",
        f"<message from='{client.jid}'/>",
        "<message from='alice@localhost'>\n</message >",
        f"<message id='1' from = \"{client.jid}\" to='x'/>",
        f"<message\n\tfrom='{client.jid}'\r\nto='x' ><body from='eve'/></message>",
        "<message x:from='eve' xmlns:x='urn:x'/>",
        "<message fRom='eve' afrom='eve' from2='eve' xml:lang='en'/>",
        "<presence type='unavailable'/>",
        "<iq type='get' id='from=\"eve\"'><ping xmlns='urn:xmpp:ping' from='eve'/></iq>",
    ]
    client.send("".join(stanzas))
    gates.wait_until(lambda: len(seen) == len(stanzas), what="all of them")
    for sent, got in zip(stanzas, seen):
        element = xmpp.ET.fromstring(got.replace("<message", "<message xmlns='jabber:client'", 1))
        assert element.get("from") == client.jid, f"{sent} -> {got}"
        assert got.count(f"from='{client.jid}'") + got.count(f'from="{client.jid}"') == 1, got
        assert element.get("{http://www.w3.org/XML/1998/namespace}lang") == "en", "that of the stream (RFC 6120, 8.1.5)"
        assert bare(got) == bare(sent), "nothing else is changed"
    client.close()


BAD_ELEMENTS = [
    b"<message>",
    b"<message/><message/>",
    b"</message>",
    b"hello",
    b" ",
    b"<message/> x",
    b"<message><!-- --></message>",
    b"<message><body>\xff</body></message>",
    b"<message><x:y/></message>",
    b"<!DOCTYPE x>",
    b"<?xml version='1.0'?><message/>",
    b"</stream:stream>",
    b"<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
    b"<stream:features/>",
    b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
    b"<message a='1' a='2'/>",
]


@pytest.mark.parametrize("xml", BAD_ELEMENTS, ids=repr)
def test_a_session_server_that_sends_what_is_not_one_element(xml, backend, faked):
    alice, bob = login(faked), login(faked, "bob", True)
    backend.bound(alice.jid).send(xml)
    expect_error(alice, "internal-server-error")
    assert bob.ping() is not None, "nobody else is disturbed"
    gates.wait_until(lambda: faked.metrics()['stanzagate_clients_closed_total{reason="server_xml"}'] == 1, what="the counter")
    assert faked.metrics()['stanzagate_link_failures_total'] == 0


def test_a_session_server_that_ends_a_session(backend, faked):
    alice, bob = login(faked), login(faked, "bob")
    backend.bound(alice.jid).send("<message><body>last</body></message>")
    backend.bound(alice.jid).close(condition="conflict", reason="taken <over>")
    assert alice.expect("ELEMENT").tag.endswith("message"), "what was sent before is delivered first"
    expect_error(alice, "conflict")
    backend.bound(bob.jid).close()
    bob.expect("FOOTER")
    bob.wire.wait_end()
    assert faked.metrics()['stanzagate_clients_closed_total{reason="server_said"}'] == 2


@pytest.mark.parametrize("condition", ["no such condition", "<evil/>", "", "CONFLICT"])
def test_a_session_server_that_ends_a_session_with_nonsense(condition, backend, faked):
    """The client gets something well-formed, and the gate lives."""
    alice = login(faked)
    backend.bound(alice.jid).close(condition=condition)
    item = alice.next()
    assert item.kind == "FOOTER" or xmpp.stream_error(item.element) in (
        "undefined-condition", "internal-server-error", "policy-violation"), item
    alice.wire.wait_end()


BAD_FRAMES = {
    "shorter than a head": struct.pack(">I", 7) + b"\x05" + b"\0" * 6,
    "longer than any": struct.pack(">I", (16 << 20) + 9) + struct.pack(">Q", fake.ELEMENT << 56 | 1),
    "endless": b"\xff\xff\xff\xff",
    "of no type": frame(10),
    "a session where none belongs": frame(fake.PING, 5, b"x"),
    "no session where one does": frame(fake.ELEMENT, 0, b"<x/>"),
    "a payload where none belongs": frame(fake.DRAIN, 0, b"x"),
    "a field cut short": frame(fake.CLOSE, 1, b"\x40\x00\x09conf"),
    "a field twice": frame(fake.STATE, 1, fields(stage=b"\1") + fields(stage=b"\1", jid="a@localhost")),
    "a field missing": frame(fake.STATE, 1, fields(stage=b"\1")),
    "a stage that is none": frame(fake.STATE, 1, fields(stage=b"\7", jid="a@localhost")),
    "a frame of gates": frame(fake.OPEN, 1, fields(domain_name="localhost", stream_id="x", address="x")),
    "a second HELLO": hello(),
    "an ACK of what was never sent": frame(fake.ACK, 0, b"\0" * 6 + b"\xff\xff"),
    "a FANOUT to nobody": frame(fake.FANOUT, 0, b"\0\0" + b"\0" * 7 + b"<presence/>"),
    "a PROOF that nobody wants": frame(fake.PROOF, 0, bytes(32)),
    "HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


@pytest.mark.parametrize("data", BAD_FRAMES.values(), ids=BAD_FRAMES.keys())
def test_a_session_server_that_breaks_the_link(data, backend, faked):
    alice = login(faked)
    plain = xmpp.Client(faked.starttls, False, faked.authority)
    plain.greet()
    backend.links[-1].send(data)
    expect_error(alice, "internal-server-error")
    gates.wait_until(lambda: len(backend.links) == 2, what="a new link")
    gates.wait_until(lambda: faked.metrics()["stanzagate_links_up"] == 1, what="link up")
    assert login(faked).ping() is not None
    assert faked.metrics()["stanzagate_link_failures_total"] == 1
    assert faked.metrics()['stanzagate_clients_closed_total{reason="server_lost"}'] == 1
    plain.close()


GREETINGS = {
    "another version": hello(version=2) + domain(),
    "a window too small": hello(window=65535) + domain(),
    "no HELLO": domain(),
    "HTTP": b"HTTP/1.1 200 OK\r\n\r\n",
    "nothing, and the end": None,
}


@pytest.mark.parametrize("greeting", GREETINGS.values(), ids=GREETINGS.keys())
def test_a_session_server_that_greets_badly(greeting, backend, make_gate):
    good, backend.greeting = backend.greeting, greeting
    if greeting is None:
        backend.greet = lambda link: link.close()
    gate = make_gate(backends(f"unix:{backend.path}"), ready=False)
    gates.wait_until(lambda: len(backend.links) >= 2, what="a second try")
    assert gate.running()
    backend.greeting, backend.greet = good, lambda link: link.send(good)
    gate.wait_ready()
    login(gate).ping()


def test_frames_of_sessions_that_are_gone_find_nobody(backend, faked):
    alice, bob = login(faked), login(faked, "bob")
    gone = backend.bound(alice.jid)
    alice.logout()
    gates.wait_until(lambda: fake.CLOSE in backend.kinds(), what="CLOSE")
    before = faked.metrics()["stanzagate_link_frames_stale_total"]
    gone.send("<message><body>ghost</body></message>")
    gone.frame(fake.CLOSE, fields(condition="conflict"))
    gone.link.send(frame(fake.ELEMENT, 1 << 55, b"<message><body>ghost</body></message>"))
    gates.wait_until(lambda: faked.metrics()["stanzagate_link_frames_stale_total"] == before + 2, what="both counted")
    again = login(faked)
    again.ping()
    bob.ping()
    assert not again.missed and not bob.missed


def test_one_element_for_many(backend, faked):
    alice, bob, carol = (login(faked, name) for name in ("alice", "bob", "carol"))
    numbers = {client: backend.bound(client.jid).number for client in (alice, bob, carol)}
    stale = faked.metrics()["stanzagate_link_frames_stale_total"]
    link = backend.links[-1]
    link.send(fanout([numbers[carol], 1 << 55, numbers[alice]], "<message id='both'/>"))
    assert alice.expect("ELEMENT").get("id") == "both" and carol.expect("ELEMENT").get("id") == "both"
    assert bob.ping() is not None
    gates.wait_until(lambda: faked.metrics()["stanzagate_link_frames_stale_total"] == stale + 1, what="the one that is nobody's")
    link.send(fanout([numbers[alice], numbers[carol]], "<message/><message/>"))
    expect_error(alice, "internal-server-error")
    expect_error(carol, "internal-server-error")
    assert bob.ping() is not None and not bob.missed


def test_a_session_server_whose_window_is_full(backend, make_gate):
    """No more is sent than it has room for; what waits goes out, in order, when it acknowledges."""
    backend.greeting, backend.acks = hello(window=65536) + domain(), False
    gate = make_gate(backends(f"unix:{backend.path}"))
    alice, seen = login(gate), []
    backend.on_element = lambda session, xml: seen.append(int(re.search("id='(.*?)'", xml)[1]))
    link = backend.links[-1]
    link.ack()
    for number in range(20):
        alice.send(f"<message id='{number}'><body>{'x' * 10000}</body></message>")
    gates.wait_until(lambda: len(seen) == 6, what="a window full")
    backend.links[-1].send(frame(fake.PING, 0, b"still there?"))
    gates.wait_until(lambda: fake.PONG in backend.kinds(), what="PONG")
    assert len(seen) == 6, "no more than that"
    while len(seen) < 20:
        before = len(seen)
        link.ack()
        gates.wait_until(lambda: len(seen) > before, what="more")
    assert seen == list(range(20))
    alice.close()


def test_states_in_the_wrong_order(backend, faked):
    """Whatever the gate makes of it: nobody is let in by it, and others are not disturbed."""
    bob = login(faked, "bob")
    backend.element = lambda session, payload: session.state(2, "alice@localhost/x")
    alice = xmpp.Client(faked.starttls, False, faked.authority)
    alice.secure()
    alice.send(f"<auth xmlns='{xmpp.SASL_NS}' mechanism='PLAIN'>{xmpp.plain_response('alice', 'x')}</auth>")
    item = alice.next()
    assert xmpp.stream_error(item.element) == "internal-server-error", item
    del backend.element
    bob.ping()


def test_a_client_that_does_not_read_is_paused_and_goes_on(backend, make_gate):
    gate = make_gate(backends(f"unix:{backend.path}") | {"limits": {"unread_bytes_high": 4096}})
    alice, bob = login(gate), login(gate, "bob")
    session, body, sent = backend.bound(alice.jid), "x" * 20000, 0
    while gate.metrics()["stanzagate_sessions_paused"] == 0:
        assert sent < 2000, "never paused"
        for _ in range(10):
            session.send(f"<message id='{sent}'><body>{body}</body></message>")
            sent += 1
        bob.ping()  # waits for its turn behind what was sent, and shows that others go on
    gates.wait_until(lambda: fake.PAUSE in backend.kinds(), what="PAUSE")
    for number in range(sent):
        assert alice.expect("ELEMENT").get("id") == str(number), "each once, in order"
    gates.wait_until(lambda: fake.RESUME in backend.kinds(), what="RESUME")
    alice.ping()
    gates.wait_until(lambda: gate.metrics()["stanzagate_sessions_paused"] == 0, what="none paused")


def test_a_client_that_does_not_read_and_a_session_server_that_does_not_pause(backend, make_gate):
    gate = make_gate(backends(f"unix:{backend.path}") | {"limits": {"unread_bytes_high": 4096, "unread_bytes_max": 65536}})
    alice, bob = login(gate), login(gate, "bob")
    session, body = backend.bound(alice.jid), "x" * 10000
    for number in range(3000):
        session.send(f"<message id='{number}'><body>{body}</body></message>")
        if number % 50 == 0:
            bob.ping()
            if gate.metrics()['stanzagate_clients_closed_total{reason="too_slow"}'] == 1:
                break
    gates.wait_until(lambda: gate.metrics()['stanzagate_clients_closed_total{reason="too_slow"}'] == 1, what="its end")
    assert bob.ping() is not None


def test_a_session_server_that_drains_gets_no_new_sessions(backend, make_gate):
    gate = make_gate(backends(f"unix:{backend.path}") | {"workers": 1})
    alice = login(gate)
    backend.links[-1].send(frame(fake.DRAIN))
    alice.ping()
    for header in ({}, {"to": "elsewhere.example"}):
        # Neither is unknown for certain: who is there next may serve it.
        late = xmpp.Client(gate.starttls, False, gate.authority)
        late.send_header(**header)
        late.expect("HEADER")
        assert xmpp.stream_error(late.expect("ELEMENT")) == "internal-server-error"
        late.close()
    assert len(backend.sessions) == 1
    alice.ping()


def test_a_gate_is_ready_when_it_can_serve_a_domain(backend, make_gate):
    """Until it has been told one, whoever came would be turned away."""
    backend.greeting = hello()
    gate = make_gate(backends(f"unix:{backend.path}"), ready=False)
    gate.wait_log(r"metrics\.listening")
    gates.wait_until(lambda: gate.metrics()["stanzagate_links_up"] == 1, what="link up")
    status, why = gate.page("/readyz")
    assert status == 503 and "domains" in why and "gate.ready" not in gate.log()
    backend.links[-1].send(domain())
    gate.wait_ready()
    assert gate.page("/readyz")[0] == 200
    assert login(gate).ping() is not None


def test_no_session_server_at_all(tmp_path, make_gate):
    gate = make_gate(backends(f"unix:{tmp_path}/nobody"), ready=False)
    gate.wait_log(r"link\.failed")
    gate.wait_log(r"metrics\.listening")
    gates.wait_until(lambda: gate.page("/readyz")[0] == 503, what="not ready")
    assert gate.page("/healthz")[0] == 200
    gate.signal(signal.SIGTERM)
    assert gate.wait_exit() == 0
