"""Several session servers on one database, of which any may die at any moment: each stanza arrives once, and in its order."""
import contextlib
import itertools
import os
import random
import re
import signal
import threading
import time

import gate as gates
import pytest
import xmppwire as xmpp
from fakegate import ACKED, ADOPT, RECEIVED, SERIAL, STANZAS_IN, STANZAS_OUT, Link, Session, field, fields, frame

USERS, RESOURCES, MESSAGES = ("alice", "bob", "carol"), 4, 60
AHEAD = 100  # messages that may be on their way to each, so that a slow machine does not fall behind for minutes
# A node that is stopped within its transaction holds the others up: so long at most.
STOP_S = 0.5


class Node:
    def __init__(self, name, home):
        self.name, self.home = name, home
        self.port = gates.free_port()
        self.start()

    def start(self):
        listen = f"tcp:127.0.0.1:{self.port}"
        self.process = gates.Sessiond(listen, self.home, self.home / "accounts.db", ("--name", self.name))
        self.link = None


class Client:
    """A client as its gate knows it: what it has said since it was bound, and what it has heard."""

    def __init__(self, session, node):
        self.session, self.node, self.jid = session, node, session.jid
        self.said, self.heard, self.waiting = [], [], False
        self.watch()

    def watch(self):
        self.session.elements = self  # what is appended comes here

    def append(self, xml):
        self.heard.append(re.search(r"id='([^']*)'", xml)[1])

    def __iter__(self):
        return iter(())

    def say(self, xml):
        self.said.append(xml)
        if not self.waiting:
            self.put(xml)

    def put(self, xml):
        with contextlib.suppress(OSError):
            self.session.send(xml)


class Gate:
    """One worker: its links have one epoch."""

    def __init__(self):
        self.epoch = os.urandom(8)

    def dial(self, node):
        if node.link is None:
            node.link = Link(("127.0.0.1", node.port), self.epoch)
            node.link.until(lambda: "localhost" in node.link.domains, "DOMAIN")
        return node.link

    def adopt(self, client, node):
        link, old = self.dial(node), client.session
        session = Session(link, old.number, old.jid)
        session.stage, session.received = 2, old.received
        link.sessions[session.number] = session
        client.session, client.node, client.waiting = session, node, True
        client.watch()
        about = fields(domain_name="localhost", jid=client.jid, address="192.0.2.1")
        for key, value in ((RECEIVED, session.received), (ACKED, 0), (STANZAS_IN, 0), (STANZAS_OUT, 0)):
            about += field(key, value, ">I")
        link.send(frame(ADOPT, session.number, about + field(SERIAL, next(Link.serials), ">Q")))

    @staticmethod
    def go_on(client):
        """Behind ATTACHED: what has not been handled is said again."""
        if not client.waiting or client.session.attached is None:
            return
        client.waiting = False
        for xml in client.said[client.session.attached :]:
            client.put(xml)


@pytest.fixture
def nodes():
    home = gates.new_folder("nodes")
    made = []
    for name in ("one", "two", "three"):
        folder = home / name
        folder.mkdir()
        if made:
            os.symlink(home / "one" / "accounts.db", folder / "accounts.db")
        made.append(Node(name, folder))
    yield made
    for node in made:
        if node.link:
            node.link.connection.close()
    problems = [problem for node in made if (problem := node.process.stop())]
    assert not problems, "\n".join(problems)


def log_in(gate, nodes):
    clients = []
    places = itertools.product(range(RESOURCES), USERS)
    for (number, user), node in zip(places, itertools.cycle(nodes)):
        clients.append(Client(gate.dial(node).login(user, f"r{number}"), node))
    return clients


def listen(nodes, clients):
    for node in nodes:
        if node.link and not node.link.ended:
            node.link.read(0.002)
    for client in clients:
        Gate.go_on(client)


def fault(kind, gate, nodes, clients):
    """Ends or stops a node; its sessions go to whichever is there, or comes back."""
    node = random.choice(nodes)
    others = [other for other in nodes if other is not node]
    if kind == "stop":
        node.process.process.send_signal(signal.SIGSTOP)
        threading.Timer(STOP_S, node.process.process.send_signal, [signal.SIGCONT]).start()
    else:
        node.process.kill()
    link, node.link = node.link, None
    if link:
        link.acks = False
        while kind == "kill" and not link.ended:
            link.read(0.5)
        link.connection.close()
    if kind == "kill":
        node.start()
        others = nodes
    for client in clients:
        if client.node is node:
            gate.adopt(client, random.choice(others))


@pytest.mark.parametrize("kind,count", [("kill", 8), ("stop", 4)])
def test_each_stanza_arrives_once_and_in_order(kind, count, nodes):
    gate = Gate()
    clients = log_in(gate, nodes)
    pairs = list(zip(clients, clients[1:] + clients[:1]))
    faults = random.sample(range(2, MESSAGES), count)
    for number in range(MESSAGES):
        for client, other in pairs:
            client.say(f"<message from='{client.jid}' to='{other.jid}' id='{number}'><body>x</body></message>")
            if random.random() < 0.2:
                listen(nodes, clients)
        if number in faults:
            fault(kind, gate, nodes, clients)
    gates.wait_until(lambda: listen(nodes, clients) or all(len(client.heard) >= MESSAGES for client in clients), what="all are there")
    for _ in range(20):
        listen(nodes, clients)
    wanted = [str(number) for number in range(MESSAGES)]
    for client in clients:
        assert client.heard == wanted


@pytest.fixture
def pool_gate(nodes, make_gate):
    backends = [{"name": node.name, "address": f"tcp:127.0.0.1:{node.port}"} for node in nodes]
    return make_gate({"workers": 1, "backends": backends, "link": {"adopt_after_ms": 300}})


def chat(clients, pairs, stop):
    """Each sends numbers to another one until told, and hears those of a third; answers (sent, heard)."""
    sent, heard = {client.jid: 0 for client in clients}, {client.jid: [] for client in clients}

    def say(client, other):
        for number in itertools.count():
            if stop.is_set():
                break
            client.send(f"<message to='{other.jid}' id='{number}'><body>x</body></message>")
            sent[other.jid] = number + 1
            time.sleep(0.004)
            while sent[other.jid] - len(heard[other.jid]) > AHEAD and not stop.is_set():
                time.sleep(0.004)
        client.send(f"<message to='{other.jid}' id='end'><body>x</body></message>")

    def hear(client):
        while (name := client.expect("ELEMENT").get("id")) != "end":
            heard[client.jid].append(name)

    threads = [threading.Thread(target=say, args=pair, daemon=True) for pair in pairs]
    threads += [threading.Thread(target=hear, args=(client,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    return threads, sent, heard


@pytest.mark.parametrize("fault", ["kill", "leave"])
def test_no_client_notices_when_its_node_is_gone(fault, nodes, pool_gate):
    clients = []
    for user in USERS:
        for _ in range(2):
            clients.append(xmpp.Client(pool_gate.starttls, False, pool_gate.authority))
            clients[-1].login(user, gates.PASSWORDS[user], mechanism="PLAIN")
    stop = threading.Event()
    threads, sent, heard = chat(clients, list(zip(clients, clients[1:] + clients[:1])), stop)
    for number in range(6):
        gates.wait_until(lambda: all(count > 20 * (number + 1) for count in sent.values()), what="some messages")
        node = nodes[number % len(nodes)]
        if fault == "kill":
            node.process.kill()
        else:
            node.process.process.send_signal(signal.SIGTERM)
            assert node.process.wait_exit() == 0
        if number % 2:
            time.sleep(0.5)  # so that others take them
        node.start()
    gates.wait_until(lambda: pool_gate.metrics()["stanzagate_sessions_orphaned"] == 0, what="all are adopted")
    stop.set()
    for thread in threads:
        thread.join(gates.PATIENCE_S)
    for client in clients:
        assert heard[client.jid] == [str(number) for number in range(sent[client.jid])], "each once and in order"
        assert client.logout()
    metrics = pool_gate.metrics()
    assert metrics["stanzagate_sessions_lost_total"] == 0
    assert metrics["stanzagate_sessions_adopted_total"] > 0
