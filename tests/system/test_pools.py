"""Pools of session servers: who gets a user, who may serve a domain, and what a reload of the list does."""
import contextlib
import re
import signal
import time

import gate as gates
import pytest
import xmppwire as xmpp
from fakebackend import DOMAIN_NAME, Backend, domain, hello

USERS = [f"user{number}" for number in range(24)]


@pytest.fixture
def servers(tmp_path):
    """servers(2, domains=...): session servers s0, s1 that behave."""
    with contextlib.ExitStack() as stack:

        def make(count, domains=("localhost",), first=0):
            made = []
            for number in range(first, first + count):
                backend = Backend(tmp_path / f"s{number}")
                backend.greeting = hello(f"s{number}") + b"".join(map(domain, domains))
                made.append(stack.enter_context(backend))
            return made

        yield make


def entry(backend, **more):
    return {"name": backend.path.rsplit("/", 1)[1], "address": f"unix:{backend.path}"} | more


def login(gate, user):
    client = xmpp.Client(gate.starttls, False, gate.authority)
    client.login(user, "whatever", mechanism="PLAIN")
    return client


def links(gate, count):
    gates.wait_until(lambda: gate.metrics()["stanzagate_links_up"] == count, what=f"{count} links")


def where(servers, user):
    """The servers that have had sessions of the user."""
    return [number for number, server in enumerate(servers) if any((session.jid or "").startswith(f"{user}@") for session in server.sessions)]


def reload(gate, config):
    gate.write_config(config)
    before = len(re.findall(r"fleet\.taken", gate.log()))
    gate.signal(signal.SIGHUP)
    gate.wait_log(r"fleet\.taken", count=before + gate.config["workers"])


def test_the_resources_of_a_user_are_on_one_server(servers, make_gate):
    three = servers(3)
    gate = make_gate({"workers": 2, "backends": [entry(server) for server in three]})
    links(gate, 6)
    clients = [login(gate, user) for user in USERS[:12] for _ in range(2)]
    places = [where(three, user) for user in USERS[:12]]
    assert all(len(place) == 1 for place in places)
    assert len({place[0] for place in places}) > 1
    for client in clients:
        client.close()


def test_by_domain_all_users_are_on_one_server(servers, make_gate):
    three = servers(3)
    pools = [{"name": "one", "policy": "domain"}]
    gate = make_gate({"workers": 1, "pools": pools, "backends": [entry(server, pool="one") for server in three]})
    links(gate, 3)
    for user in USERS[:8]:
        login(gate, user).close()
    assert len({where(three, user)[0] for user in USERS[:8]}) == 1


def test_a_server_is_not_believed_for_the_domains_of_others(servers, make_gate):
    good, bad = servers(1)[0], servers(1, ["bank.example", "localhost", "other.example"], 1)[0]
    pools = [{"name": "good", "domains": "localhost"}, {"name": "bad", "domains": "bank.example"}]
    gate = make_gate({"workers": 1, "pools": pools, "backends": [entry(good, pool="good"), entry(bad, pool="bad")]})
    links(gate, 2)
    gates.wait_until(lambda: gate.metrics()["stanzagate_link_domains_refused_total"] == 2, what="two claims refused")
    assert len(re.findall(r"link\.domain_not_its backend=\"?s1\"? domain=\"?localhost", gate.log())) == 1
    assert "other.example" not in gate.log()
    for user in USERS[:8]:
        login(gate, user).close()
    assert not bad.sessions
    # The operator's mind may change, without a new link.
    reload(gate, {"pools": [{"name": "good", "domains": "x.example"}, {"name": "bad", "domains": "bank.example localhost"}]})
    login(gate, "alice").close()
    assert [session.facts[DOMAIN_NAME] for session in bad.sessions] == [b"localhost"]


def test_a_domain_is_unknown_when_all_servers_of_its_pool_have_spoken(servers, make_gate, tmp_path):
    one = servers(1)[0]
    pools = [{"name": "here", "domains": "localhost typo.example"}, {"name": "away", "domains": "away.example"}]
    absent = {"name": "absent", "address": f"unix:{tmp_path}/nobody", "pool": "away"}
    gate = make_gate({"workers": 1, "pools": pools, "backends": [entry(one, pool="here"), absent]})
    login(gate, "alice").close()
    for domain, error in (("typo.example", "host-unknown"), ("no-pool.example", "host-unknown"), ("away.example", "internal-server-error")):
        client = xmpp.Client(gate.starttls, False, gate.authority)
        client.send_header(to=domain)
        client.expect("HEADER")
        assert xmpp.stream_error(client.expect("ELEMENT")) == error, domain
        client.close()


def test_whose_server_is_down_waits_where_there_is_no_failover(servers, make_gate):
    two = servers(2)
    pools = [{"name": "all", "failover": False}]
    gate = make_gate({"workers": 1, "pools": pools, "backends": [entry(server) for server in two], "link": {"wait_ms_max": 500}})
    links(gate, 2)
    for user in USERS[:8]:
        login(gate, user).close()
    homes = {user: where(two, user)[0] for user in USERS[:8]}
    lost = next(user for user, home in homes.items() if home == 1)
    kept = next(user for user, home in homes.items() if home == 0)
    two[1].listener.shutdown(2)
    for link in two[1].links:
        link.close()
    links(gate, 1)
    login(gate, kept).close()
    client = xmpp.Client(gate.starttls, False, gate.authority)
    client.secure()
    client.send(f"<auth xmlns='{xmpp.SASL_NS}' mechanism='PLAIN'>{xmpp.plain_response(lost, 'x')}</auth>")
    assert client.expect("ELEMENT").find(f"{{{xmpp.SASL_NS}}}temporary-auth-failure") is not None
    client.close()
    assert where(two, lost) == [1]


def test_a_server_that_drains_keeps_its_sessions(servers, make_gate):
    two = servers(2)
    gate = make_gate({"workers": 1, "backends": [entry(server) for server in two]})
    links(gate, 2)
    clients = {user: login(gate, user) for user in USERS[:8]}
    stays = next(user for user in clients if where(two, user) == [1])
    before = len(two[1].sessions)
    reload(gate, {"backends": [entry(two[0]), entry(two[1], drain=True)]})
    for user in USERS[8:16]:
        login(gate, user).close()
    assert len(two[1].sessions) == before
    clients[stays].send("<message id='still'/>")
    assert clients[stays].expect("ELEMENT").get("id") == "still"
    reload(gate, {"backends": [entry(two[0]), entry(two[1])]})
    for user in USERS[8:]:
        login(gate, user).close()
    assert len(two[1].sessions) > before
    for client in clients.values():
        client.close()


def test_servers_come_and_go_by_a_reload(servers, make_gate):
    first, second = servers(2)
    gate = make_gate({"workers": 1, "backends": [entry(first)]})
    alice = login(gate, "alice")
    reload(gate, {"backends": [entry(second)]})
    gate.wait_log(r"link\.retired backend=\"?s0")
    login(gate, "bob").close()
    assert where([first, second], "bob") == [1]
    alice.send("<message id='still'/>")
    assert alice.expect("ELEMENT").get("id") == "still"
    assert alice.logout()
    links(gate, 1)
    gates.wait_until(lambda: first.links[0].ended, what="the end of the link")
    # It comes back, to the place that is free.
    reload(gate, {"backends": [entry(first), entry(second)]})
    links(gate, 2)
    for user in USERS:
        login(gate, user).close()
    assert {tuple(where([first, second], user)) for user in USERS} == {(0,), (1,)}


def fall_silent(gate, server):
    """Its link ends, and no other one comes up until what is answered is called."""
    greeting, server.greeting = server.greeting, b""
    server.links[0].close()
    links(gate, 0)

    def begin_again():
        server.greeting = greeting
        for link in list(server.links):
            link.close()  # those that wait for a greeting; the next one gets it

    return begin_again


def test_a_login_waits_for_a_server_that_comes(servers, make_gate):
    first = servers(1)[0]
    config = {"workers": 1, "backends": [entry(first)], "pools": [{"name": "all", "failover": False}]}
    gate = make_gate(config | {"link": {"wait_ms_max": 30000}})
    client = xmpp.Client(gate.starttls, False, gate.authority)
    client.secure()
    begin_again = fall_silent(gate, first)
    client.send(f"<auth xmlns='{xmpp.SASL_NS}' mechanism='PLAIN'>{xmpp.plain_response('alice', 'x')}</auth>")
    gates.wait_until(lambda: gate.metrics()["stanzagate_clients_waiting"] == 1, what="the one who waits")
    begin_again()
    assert client.expect("ELEMENT").tag == f"{{{xmpp.SASL_NS}}}success"
    client.restart()
    client.greet()
    client.bind()
    assert client.logout()
    assert gate.metrics()["stanzagate_logins_postponed_total"] == 0


def test_who_is_told_to_try_later_may_do_so_in_the_same_stream(servers, make_gate):
    first = servers(1)[0]
    gate = make_gate({"workers": 1, "backends": [entry(first)], "link": {"wait_ms_max": 100}})
    client = xmpp.Client(gate.starttls, False, gate.authority)
    client.secure()
    begin_again = fall_silent(gate, first)
    client.send(f"<auth xmlns='{xmpp.SASL_NS}' mechanism='PLAIN'>{xmpp.plain_response('alice', 'x')}</auth>")
    assert client.expect("ELEMENT").find(f"{{{xmpp.SASL_NS}}}temporary-auth-failure") is not None
    begin_again()
    links(gate, 1)
    client.authenticate("alice", "whatever", "PLAIN")
    client.greet()
    client.bind()
    assert client.logout()


def test_logins_come_at_a_pace(servers, make_gate):
    """At first a slow one, so that there is time to look at those who wait; never more than four at once, and then four a second."""
    first = servers(1)[0]
    gate = make_gate({"workers": 1, "backends": [entry(first)], "link": {"logins_per_s": 1, "wait_ms_max": 30000}})
    clients = [xmpp.Client(gate.starttls, False, gate.authority) for _ in range(8)]
    for client in clients:
        client.secure()
    auth = f"<auth xmlns='{xmpp.SASL_NS}' mechanism='PLAIN'>{xmpp.plain_response('alice', 'x')}</auth>"
    began = time.monotonic()
    for client in clients:
        client.send(auth)
    gates.wait_until(lambda: gate.metrics()["stanzagate_clients_waiting"] > 0, what="some that wait")
    reload(gate, {"link": {"logins_per_s": 4}})
    for client in clients:
        assert client.expect("ELEMENT").tag == f"{{{xmpp.SASL_NS}}}success"
        client.close()
    assert time.monotonic() - began > 0.95, "the last one has waited for four turns of a quarter of a second"
    assert gate.metrics()["stanzagate_clients_waiting"] == 0


def test_who_makes_too_many_faults_gets_no_new_sessions(servers, make_gate):
    """For five seconds; faults are forgotten as fast. So all are made at once, and few logins tell."""
    two = servers(2)
    gate = make_gate({"workers": 1, "backends": [entry(server) for server in two]})
    links(gate, 2)
    ill = two[0]
    clients = [login(gate, user) for user in USERS]
    at_home = [user for user in USERS if where(two, user) == [0]]
    assert len(at_home) >= 8
    ill.on_element = lambda session, xml: session.send("<this is no XML")
    for client in clients:
        client.send("<message id='still'/>")

    def avoided():
        return gate.metrics()["stanzagate_links_avoided"]

    gate.wait_log(r"link\.avoided backend=\"?s0")
    gates.wait_until(lambda: avoided() == 1, what="it is seen")
    before, told = len(ill.sessions), 0
    for user in at_home[:4]:
        login(gate, user).close()
        if avoided():
            assert len(ill.sessions) == before, "of who is at home there"
            told += 1
    assert told, "a login takes longer than a server is avoided"
    for client in clients:
        client.close()
