"""Session servers that die: their sessions go on, at another one or at the same one started anew, and no client is told."""
import contextlib
import json
import re
import subprocess
import threading
import time

import fakebackend as fake
import gate as gates
import pytest
import xmppwire as xmpp
from fakebackend import Backend

LOAD = gates.BUILD / "bench" / "stanzagate-load"
USERS = [f"user{number}" for number in range(12)]


@pytest.fixture
def servers(tmp_path):
    """servers(2): session servers s0, s1."""
    with contextlib.ExitStack() as stack:
        yield lambda count: [stack.enter_context(Backend(tmp_path / f"s{number}", f"s{number}")) for number in range(count)]


@pytest.fixture
def make_pool_gate(make_gate):
    def make(servers, clients_max=100, **link):
        backends = [{"name": server.name, "address": f"unix:{server.path}"} for server in servers]
        gate = make_gate({"workers": 1, "backends": backends, "limits": {"clients_max": clients_max}, "link": {"adopt_after_ms": 100, **link}})
        gates.wait_until(lambda: gate.metrics()["stanzagate_links_up"] == len(servers), what="links")
        return gate

    return make


def login(gate, user):
    client = xmpp.Client(gate.starttls, False, gate.authority)
    client.login(user, "whatever", mechanism="PLAIN")
    return client


def adopted(gate, count):
    gates.wait_until(lambda: gate.metrics()["stanzagate_sessions_adopted_total"] == count, what=f"{count} adopted")
    gates.wait_until(lambda: gate.metrics()["stanzagate_sessions_orphaned"] == 0, what="none without a server")


def asked(server):
    return [fake.read_fields(payload) for kind, _, payload in list(server.frames) if kind == fake.ADOPT]


def number_of(xml):
    return int(re.search(r"id=['\"](\d+)['\"]", xml)[1])


def test_traffic_goes_on_when_the_server_is_started_anew(servers, make_pool_gate):
    """What it has handled and acknowledged before it died is not sent again; all else is, in order."""
    (server,) = servers(1)
    gate = make_pool_gate([server])
    seen = {}
    server.on_element = lambda session, xml: seen.setdefault(session.jid, []).append(number_of(xml))
    clients = [login(gate, user) for user in USERS[:4]]
    rounds = 3

    def talk(client):
        for number in range(rounds * 100):
            client.send(f"<message id='{number}'/>")
            time.sleep(0.003)

    threads = [threading.Thread(target=talk, args=(client,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    for again in range(1, rounds):
        gates.wait_until(lambda: len(seen.get(clients[-1].jid, [])) >= again * 60, what="some have come")
        server.restart()
        adopted(gate, again * len(clients))
    for thread in threads:
        thread.join(gates.PATIENCE_S)
    for client in clients:
        gates.wait_until(lambda: len(seen[client.jid]) >= rounds * 100, what="all have come")
        assert seen[client.jid] == list(range(rounds * 100)), "each once and in order"
        server.bound(client.jid).send("<message id='at last'/>")
        assert client.expect("ELEMENT").get("id") == "at last"
        client.close()
    assert gate.metrics()["stanzagate_sessions_lost_total"] == 0


def test_another_server_takes_all_sessions_of_a_user(servers, make_pool_gate):
    three = servers(3)
    gate = make_pool_gate(three)
    clients = [login(gate, user) for user in USERS for _ in range(2)]
    victim = max(three, key=lambda server: len(server.sessions))
    before = {server.name: len(server.sessions) for server in three}
    victim.die()
    adopted(gate, before[victim.name])
    others = [server for server in three if server is not victim]
    assert sum(len(server.sessions) for server in others) == len(clients)
    assert all(len(server.sessions) > before[server.name] for server in others), "each gets its share"
    for client in clients:
        client.send("<message id='still'/>")
        assert client.expect("ELEMENT").get("id") == "still"
        # Whoever comes now goes where the others of the same user have gone.
    for user in USERS:
        clients.append(login(gate, user))
        homes = {server.name for server in others if any(session.jid.startswith(f"{user}@") for session in server.sessions)}
        assert len(homes) == 1
    for client in clients:
        client.close()


def test_where_there_is_no_failover_nobody_else_is_asked(servers, make_gate):
    two = servers(2)
    backends = [{"name": server.name, "address": f"unix:{server.path}"} for server in two]
    gate = make_gate({"workers": 1, "pools": [{"name": "all", "failover": False}], "backends": backends, "link": {"adopt_after_ms": 0}})
    gates.wait_until(lambda: gate.metrics()["stanzagate_links_up"] == 2, what="links")
    clients = [login(gate, user) for user in USERS]
    count = len(two[0].sessions)
    assert 0 < count < len(clients)
    two[0].restart()
    adopted(gate, count)
    assert not asked(two[1]) and len(asked(two[0])) == count
    for client in clients:
        client.close()


def test_what_was_to_be_kept_comes_back(servers, make_pool_gate):
    (server,) = servers(1)
    gate = make_pool_gate([server])
    kept = bytes(range(256)) * 4
    client = xmpp.Client(gate.direct, True, gate.authority)
    client.login("alice", "whatever", mechanism="PLAIN")
    client.send("<presence id='p'><show>dnd</show></presence><message id='1'/>")
    assert [client.expect("ELEMENT").get("id") for _ in range(2)] == ["p", "1"]
    server.bound(client.jid).frame(fake.KEEP, kept)
    server.bound(client.jid).send("<message id='kept'/>")
    assert client.expect("ELEMENT").get("id") == "kept"
    server.restart()
    adopted(gate, 1)
    (facts,) = asked(server)
    # Out: the result of binding, the two that came back, "kept"; KEEP is a frame and no stanza.
    numbers = {fake.STANZAS_IN: 2, fake.STANZAS_OUT: 4, fake.RECEIVED: 5, fake.ACKED: 2}
    assert {key: int.from_bytes(facts[key], "big") for key in numbers} == numbers
    assert facts[fake.KEPT] == kept
    assert facts[fake.PRESENCE].decode() == f"<presence from='{client.jid}' xml:lang='en'><show>dnd</show></presence>"
    assert (facts[fake.DOMAIN_NAME], facts[fake.JID], facts[fake.ADDRESS]) == (b"localhost", client.jid.encode(), b"127.0.0.1")
    client.close()


def test_a_storm_is_paced(servers, make_pool_gate, tmp_path):
    """Twice 300 sessions at 200 in a second: the bucket is full at first, and so 200 are asked for at once, and the other 400 in two seconds."""
    (server,) = servers(1)
    count, rate = 300, 200
    gate = make_pool_gate([server], clients_max=2 * count, adopt_per_s=rate, logins_per_s=0)
    host, port = gate.direct
    command = [LOAD, "--host", host, "--port", port, "--ca", gate.authority, "--mechanism", "PLAIN", "--direct", "--quiet", "--idle"]
    command += ["--users", 100, "--clients", count, "--seconds", 0, "--hold", 600, "--login-timeout", 60]
    with subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True) as load:
        assert json.loads(load.stdout.readline())["online"] == count
        began = time.monotonic()
        server.restart()
        adopted(gate, count)
        server.restart()
        adopted(gate, 2 * count)
        took = time.monotonic() - began
        load.terminate()
    assert took > 0.95 * (2 * count - rate) / rate, "no faster than it is told to"
    assert gate.metrics()["stanzagate_sessions_lost_total"] == 0
