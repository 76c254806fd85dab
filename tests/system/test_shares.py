"""How many users each session server gets: by weights, by the load that they tell, and slowly when one has come back."""
import math
import struct
import time

import gate as gates
import pytest
import xmppwire as xmpp
from fakebackend import LOAD, PING, PONG, frame
from test_pools import entry, fall_silent, links, login, servers  # noqa: F401

CHANCE_MAX = 1e-6  # that a right gate is outside of the bounds
LOADED = struct.Struct(">BHIBHH")  # the fields SESSIONS and LOAD
FREE = {"connects_per_second": 0, "handshakes_per_second": 0}


def bounds(count, share):
    """Between which a number of `count` users lies, each with the chance `share`: outside with a chance of less than CHANCE_MAX."""
    chances = [math.comb(count, n) * share**n * (1 - share) ** (count - n) for n in range(count + 1)]
    least = next(n for n in range(count + 1) if sum(chances[: n + 1]) > CHANCE_MAX / 2)
    most = next(n for n in range(count, -1, -1) if sum(chances[n:]) > CHANCE_MAX / 2)
    return least, most


def shares(gate, two, count, prefix):
    """How many of new users each got; each logs in and leaves."""
    before = [len(server.sessions) for server in two]
    for number in range(count):
        login(gate, f"{prefix}{number}").close()
    return [len(server.sessions) - had for server, had in zip(two, before)]


def tell(server, load):
    """Each worker of the gate has taken it when it has answered what comes behind it."""
    for link in server.links:
        before = server.kinds().count(PONG)
        link.send(frame(LOAD, 0, LOADED.pack(0x50, 4, 7, 0x51, 2, load)) + frame(PING, 0, b"taken?"))
        gates.wait_until(lambda: server.kinds().count(PONG) > before, what="the answer behind the load")


def test_bounds():
    assert bounds(10, 0.5) == (0, 10)
    assert bounds(200, 0.5) == (66, 134)


@pytest.mark.parametrize("policy", ["user", "least-loaded"])
def test_users_are_spread_by_weight(servers, make_gate, policy):  # noqa: F811
    two = servers(2)
    backends = [entry(server, weight=weight, pool="all") for server, weight in zip(two, (300, 100))]
    gate = make_gate({"workers": 2, "addresses": FREE, "pools": [{"name": "all", "policy": policy}], "backends": backends})
    links(gate, 4)
    if policy == "least-loaded":
        for server in two:
            tell(server, 500)
    least, most = bounds(160, 0.75)
    got = shares(gate, two, 160, policy)
    assert sum(got) == 160 and least <= got[0] <= most, f"{got}, where the first one should have from {least} to {most}"
    assert least > bounds(160, 0.5)[0] and not bounds(160, 0.25)[0] <= got[0] <= bounds(160, 0.25)[1]


def test_users_go_where_less_load_is(servers, make_gate):  # noqa: F811
    two = servers(2)
    pools = [{"name": "all", "policy": "least-loaded"}]
    gate = make_gate({"workers": 2, "addresses": FREE, "pools": pools, "backends": [entry(server, pool="all") for server in two]})
    links(gate, 4)
    for loads, wanted in (((900, 100), [0, 40]), ((100, 900), [40, 0])):
        for server, load in zip(two, loads):
            tell(server, load)
        assert shares(gate, two, 40, "u") == wanted, loads
    # Where it makes little difference, users stay where they are at home.
    for server, load in zip(two, (540, 450)):
        tell(server, load)
    least, most = bounds(60, 0.5)
    got = shares(gate, two, 60, "v")
    assert least <= got[0] <= most, got
    # Those who do not ask for that are not moved by load.
    for server, load in zip(two, (900, 100)):
        tell(server, load)
    other = make_gate({"workers": 1, "addresses": FREE, "backends": [entry(server) for server in two]})
    links(other, 2)
    for server, load in zip(two, (900, 100)):
        tell(server, load)
    assert shares(other, two, 60, "v") == got


def test_a_server_that_has_come_back_gets_logins_slowly(servers, make_gate):  # noqa: F811
    """Of 80 a second at first an eighth, and all after four seconds: the 24th login comes after 1.1 s; after 0.3 s it would at the full rate."""
    first = servers(1)[0]
    link = {"logins_per_s": 80, "slow_start_ms": 4000, "wait_ms_max": 60000}
    gate = make_gate({"workers": 1, "addresses": FREE, "backends": [entry(first)], "link": link, "pools": [{"name": "all", "failover": False}]})
    links(gate, 1)
    clients = [xmpp.Client(gate.starttls, False, gate.authority) for _ in range(24)]
    for client in clients:
        client.secure()
    begin_again = fall_silent(gate, first)
    for number, client in enumerate(clients):
        client.send(f"<auth xmlns='{xmpp.SASL_NS}' mechanism='PLAIN'>{xmpp.plain_response(f'u{number}', 'x')}</auth>")
    gates.wait_until(lambda: gate.metrics()["stanzagate_clients_waiting"] == len(clients), what="those who wait")
    greet, greeted = first.greet, []
    first.greet = lambda link: (greeted.append(time.monotonic()), greet(link))
    begin_again()
    for client in clients:
        assert client.expect("ELEMENT").tag == f"{{{xmpp.SASL_NS}}}success"
        client.close()
    assert time.monotonic() - greeted[-1] > 0.9
