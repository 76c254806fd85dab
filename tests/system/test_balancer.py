"""Two gates and two session servers behind HAProxy, each in a network of its own: who is where, and what becomes of clients when a
gate is drained or dies."""
import re
import signal
import socket
import subprocess

import gate as gates
import namespaces
import pytest
import xmppwire as xmpp

pytestmark = pytest.mark.skipif(not namespaces.possible(), reason="no network namespaces can be made here")

BALANCER = "10.9.0.2"
GATES = {"one": "10.9.0.11", "two": "10.9.0.12"}
CLIENTS = [f"10.9.0.{number}" for number in range(101, 109)]
USERS = ["alice", "bob", "carol"]


class Service:
    def __init__(self, network):
        self.network = network
        names = ("north", "south")  # by which the three users are spread over both
        self.servers = [gates.Sessiond(f"unix:{gates.new_folder('link')}/socket", more=("--name", name)) for name in names]
        self.backends = [{"name": f"s{number}", "address": server.listen} for number, server in enumerate(self.servers)]
        # The first one's notice ends when it is told to, the other's by itself.
        self.gates = {"one": self.make("one", 60000), "two": self.make("two")}
        home = gates.new_folder("haproxy")
        config = (gates.ROOT / "deploy" / "haproxy" / "haproxy.cfg").read_text()
        config = re.sub(r"^\tstats socket.*\n", "", config, flags=re.M).replace("192.0.2.", "10.9.0.")
        # A look may take its time on a busy machine: only what is said counts. (To connect it has as long as lies between two.)
        config = config.replace("maxconn 200000", "maxconn 1000").replace("inter 1s", "inter 2s downinter 200ms")
        config = config.replace("connect 5s", "connect 20s\n\ttimeout check 20s")
        (home / "haproxy.cfg").write_text(config)
        self.haproxy = gates.Program(["haproxy", "-f", home / "haproxy.cfg", "-db"], home, preexec=network.enter("balancer"))
        gates.wait_until(self.reachable, what="HAProxy")

    def make(self, name, notice_ms=100):
        home = gates.new_folder(name)
        # As everywhere beside: the ports that the example of HAProxy's configuration names.
        config = {"workers": 1, "backends": self.backends, "sessiond": None, "proxy": {"trusted": [f"{BALANCER}/32"]},
                  "listeners": [{"address": f"{GATES[name]}:5222", "tls": "starttls", "proxy": "v2"},
                                {"address": f"{GATES[name]}:5223", "tls": "direct", "proxy": "v2"}],
                  "metrics": {"address": f"{GATES[name]}:9109"}, "drain_notice_ms": notice_ms}
        gate = gates.Gate(config, home=home, preexec=self.network.enter(name))
        gate.metrics_address = f"{GATES[name]}:9109"
        return gate

    def reachable(self):
        with self.network.inside("client"):
            try:
                socket.create_connection((BALANCER, 5223), 1).close()
                return True
            except OSError:
                return False

    def login(self, number):
        """The client of the number, from its own address, through the balancer."""
        make = socket.create_connection

        def from_there(address, timeout=None, **_):
            return make(address, timeout, source_address=(CLIENTS[number], 0))

        with self.network.inside("client"), pytest.MonkeyPatch.context() as patch:
            patch.setattr(xmpp.socket, "create_connection", from_there)
            client = xmpp.Client((BALANCER, 5223), True, self.gates["one"].authority)
        user = USERS[number % len(USERS)]
        client.login(user, gates.PASSWORDS[user])
        return client

    def bound(self, name):
        with self.network.inside(name):
            return self.gates[name].metrics()['stanzagate_clients{state="bound"}']

    def is_ready(self, name):
        with self.network.inside(name):
            return self.gates[name].page("/readyz")[0] == 200

    def has_told_all(self, name):
        """Its clients; it may have ended since."""
        try:
            return self.bound(name) == 0
        except OSError:
            return True

    def said(self, gate, state):
        """How often the balancer has."""
        return self.haproxy.log().count(f"xmpps_gates/{gate} is {state}")

    def stop(self):
        problems = [gate.stop() for gate in self.gates.values()]
        self.haproxy.kill()
        return [problem for problem in problems + [server.stop() for server in self.servers] if problem]


@pytest.fixture
def service():
    places = {"client": ["10.9.0.1", *CLIENTS], "balancer": [BALANCER], **{name: [address] for name, address in GATES.items()}}
    with namespaces.Network(places) as network:
        made = Service(network)
        yield made
        assert made.stop() == []


def is_cut(client):
    """Its gate has gone without a word."""
    try:
        client.ping()
        return False
    except (OSError, xmpp.Closed, EOFError):
        return True


def test_spread_drained_and_killed(service):
    clients = {number: service.login(number) for number in range(len(CLIENTS))}
    assert service.bound("one") == service.bound("two") == len(CLIENTS) / 2, "spread"
    logs = "\n".join(server.log() for server in service.servers)
    for number in clients:
        assert re.search(rf"{USERS[number % 3]}@localhost has logged in from {re.escape(CLIENTS[number])}\b", logs), "addresses are the clients' own"
    assert all("has logged in" in server.log() for server in service.servers), "both have users"

    # Drained: told, not cut; and whoever comes meanwhile or comes again is served at once.
    assert service.said("one", "DOWN") == 0
    service.gates["one"].signal(signal.SIGTERM)
    gates.wait_until(lambda: not service.is_ready("one"), what="its notice")
    gates.wait_until(lambda: service.said("one", "DOWN"), what="the balancer's notice")
    late = service.login(0)
    assert service.bound("one") == len(CLIENTS) / 2, "nobody has been told yet"
    service.gates["one"].signal(signal.SIGTERM)
    gates.wait_until(lambda: service.has_told_all("one"), what="its word to everybody")
    told = []
    for number, client in list(clients.items()):
        element = None
        try:
            client.ping()
        except xmpp.Closed as end:
            element = str(end)
        if element is not None:
            assert "system-shutdown" in element
            told.append(number)
            clients[number] = service.login(number)
            clients[number].ping()
    assert len(told) == len(CLIENTS) / 2
    assert service.gates["one"].wait_exit() == 0
    assert service.bound("two") == len(CLIENTS) + 1
    late.ping()

    # Back again, and the other one dies.
    assert service.said("one", "UP") == 0
    service.gates["one"] = service.make("one")
    gates.wait_until(lambda: service.said("one", "UP"), what="its return")
    service.gates["two"].kill()
    for number, client in clients.items():
        assert is_cut(client)
        clients[number] = service.login(number)
        clients[number].ping()
    assert service.bound("one") == len(CLIENTS)
    service.gates["two"] = service.make("two")
    for client in clients.values():
        assert client.logout()
