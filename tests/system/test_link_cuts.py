"""Links that are cut: the sessions go on with the next one, and nothing is lost or doubled or out of order."""
import random
import re
import socket
import threading
import time

import fakebackend as fake
import gate as gates
import pytest
import xmppwire as xmpp
from fakebackend import Backend
from linkproxy import Proxy

MESSAGES = 400


@pytest.fixture
def backend(tmp_path):
    with Backend(tmp_path / "link") as backend:
        yield backend


@pytest.fixture
def proxy(backend):
    proxy = Proxy(backend.path)
    yield proxy
    proxy.close()


@pytest.fixture
def make_cut_gate(proxy, make_gate):
    def make(**link):
        backends = [{"name": "session-1", "address": proxy.address}]
        return make_gate({"workers": 1, "backends": backends, "link": {"silence_ms_max": 1500, **link}})

    return make


def login(gate, user):
    client = xmpp.Client(gate.starttls, False, gate.authority)
    client.login(user, "whatever", mechanism="PLAIN")
    return client


def number_of(xml):
    return int(re.search(r"id=['\"](\d+)['\"]", xml)[1])


def traffic(client, session):
    """Sends MESSAGES each way, for some seconds; answers a function that says what came to the client."""
    heard = []

    def up():
        for number in range(MESSAGES):
            client.send(f"<message id='{number}'><body>{'x' * random.randint(0, 3000)}</body></message>")
            time.sleep(0.005)

    def down():
        for number in range(MESSAGES):
            session.send(f"<message id='{number}'><body>{'y' * random.randint(0, 3000)}</body></message>")
            time.sleep(0.005)

    def hear():
        while len(heard) < MESSAGES:
            heard.append(int(client.expect("ELEMENT").get("id")))

    threads = [threading.Thread(target=work, daemon=True) for work in (up, down, hear)]
    for thread in threads:
        thread.start()

    def finish():
        for thread in threads:
            thread.join(60)
        return heard

    return finish


@pytest.mark.parametrize("cut", ["reset", "silence"])
def test_a_session_goes_on_with_another_link(cut, backend, proxy, make_cut_gate):
    gate = make_cut_gate(silence_ms_max=3000 if cut == "silence" else 1500)
    seen = {}
    backend.on_element = lambda session, xml: seen.setdefault(session.jid, []).append(number_of(xml))
    clients = [login(gate, user) for user in ("alice", "bob", "carol")]
    finishes = [traffic(client, backend.bound(client.jid)) for client in clients]
    for again in range(4 if cut == "reset" else 1):
        time.sleep(random.uniform(0.1, 0.5))
        getattr(proxy, cut)()
        links = again + 2
        gates.wait_until(lambda: len(proxy.links) >= links, what="another link")
        gates.wait_until(lambda: gate.metrics()["stanzagate_sessions_orphaned"] == 0, what="sessions are attached")
    for client, finish in zip(clients, finishes):
        heard = finish()
        assert heard == list(range(MESSAGES)), "each once and in order, to the client"
        gates.wait_until(lambda: len(seen[client.jid]) >= MESSAGES, what="all have come to the session server")
        assert seen[client.jid] == list(range(MESSAGES)), "each once and in order, from the client"
    metrics = gate.metrics()
    assert metrics["stanzagate_sessions_reattached_total"] >= len(clients) * (4 if cut == "reset" else 1)
    assert metrics["stanzagate_sessions_lost_total"] == 0
    for client in clients:
        client.close()


def expect_reset(client):
    while (element := client.expect("ELEMENT")) is not None:
        if condition := xmpp.stream_error(element):
            break
    assert condition == "reset"
    client.expect("FOOTER")


def test_what_the_session_server_has_forgotten_is_told_to_come_again(backend, proxy, make_cut_gate):
    gate = make_cut_gate()
    alice = login(gate, "alice")
    backend.forgets = True
    proxy.reset()
    expect_reset(alice)
    assert gate.metrics()["stanzagate_sessions_lost_total"] == 1
    login(gate, "bob").logout()


def test_a_session_server_with_another_epoch_is_not_asked_for_what_it_had(backend, proxy, make_cut_gate):
    gate = make_cut_gate()
    alice = login(gate, "alice")
    backend.forgets = True
    backend.greeting = fake.hello() + fake.domain()
    proxy.reset()
    expect_reset(alice)
    assert fake.REATTACH not in backend.kinds() and fake.ADOPT in backend.kinds()


def test_patience_ends(backend, proxy, make_cut_gate):
    gate = make_cut_gate(patience_ms=1000)
    alice = login(gate, "alice")
    proxy.listener.shutdown(socket.SHUT_RDWR)
    proxy.listener.close()
    proxy.reset()
    expect_reset(alice)


def test_a_client_that_goes_says_its_last_words(backend, proxy, make_cut_gate):
    """The link is cut with them on it: they and CLOSE come over the next one."""
    gate = make_cut_gate(silence_ms_max=3000)
    alice = login(gate, "alice")
    seen = []
    backend.on_element = lambda session, xml: seen.append(xml)
    proxy.silence()
    alice.send("<message id='last'/></stream:stream>")
    alice.expect("FOOTER")
    gates.wait_until(lambda: len(proxy.links) >= 2, what="another link")
    gates.wait_until(lambda: fake.CLOSE in backend.kinds(), what="CLOSE")
    assert len(seen) == 1 and "last" in seen[0]
    claims = [fake.read_fields(payload) for kind, _, payload in backend.frames if kind == fake.REATTACH]
    assert len(claims) == 1 and fake.RECEIVED not in claims[0]
    gates.wait_until(lambda: gate.metrics()["stanzagate_sessions_orphaned"] == 0, what="nobody is left")


def test_a_session_server_that_does_not_answer_loses_the_link_and_the_sessions(backend, proxy, make_cut_gate, monkeypatch):
    monkeypatch.setattr(fake.Link, "reattach", lambda *_: None)
    gate = make_cut_gate(patience_ms=2000)
    alice = login(gate, "alice")
    began = time.monotonic()
    proxy.reset()
    expect_reset(alice)
    assert time.monotonic() - began >= 5, "the link is cut before there was time for an answer"
    gate.wait_log("no answer came")
    gates.wait_until(lambda: len(proxy.links) >= 3 and gate.metrics()["stanzagate_links_up"] == 1, what="another link")
    gate.wait_ready()
    login(gate, "bob").logout()
