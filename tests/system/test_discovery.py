"""Session servers that are found by name or in a file, and come and go while the gate runs."""
import contextlib

import gate as gates
import pytest
import xmppwire as xmpp
from fakebackend import Backend, domain, hello
from nameserver import A, AAAA, SRV, NameServer


@pytest.fixture
def names():
    with NameServer() as server:
        yield server


@pytest.fixture
def serve():
    """serve("127.0.0.2", 4711): a session server there."""
    with contextlib.ExitStack() as stack:

        def make(host, port):
            backend = Backend((host, port))
            backend.greeting = hello(f"at-{host}-{port}") + domain()
            return stack.enter_context(backend)

        yield make


def links(gate, count):
    gates.wait_until(lambda: gate.metrics()["stanzagate_links_up"] == count, what=f"{count} links")


def login(gate, user="alice"):
    client = xmpp.Client(gate.starttls, False, gate.authority)
    client.login(user, "whatever", mechanism="PLAIN")
    return client


def config(address, names=None):
    server = {"dns_server": names.address} if names else {}
    return {"workers": 1, "backends": [{"name": "found", "address": address}], "discovery": {"interval_ms": 200} | server}


def test_addresses_of_a_host(names, serve, make_gate):
    port = gates.free_port()
    names.records["pods.example"] = [(A, "127.0.0.2"), (A, "127.0.0.3")]
    two, three = serve("127.0.0.2", port), serve("127.0.0.3", port)
    gate = make_gate(config(f"dns:tcp:pods.example:{port}", names))
    links(gate, 2)
    # Another one appears: it is dialled.
    four = serve("127.0.0.4", port)
    names.records["pods.example"] = [(A, "127.0.0.3"), (A, "127.0.0.2"), (A, "127.0.0.4")]
    links(gate, 3)
    clients = []
    while not all(server.sessions for server in (two, three, four)):
        assert len(clients) < 100  # whose is whose is a matter of the servers' names, and these of the port
        clients.append(login(gate, f"user{len(clients)}"))
    # One is not told any more: it keeps its sessions, gets no others, and its link ends with the last.
    names.records["pods.example"] = [(A, "127.0.0.3"), (A, "127.0.0.4")]
    gate.wait_log("link.retired backend=found/tcp:127.0.0.2")
    before = len(two.sessions)
    for number in range(12):
        login(gate, f"later{number}").close()
    assert len(two.sessions) == before
    for client in clients:
        client.send("<message id='still'/>")
        assert client.expect("ELEMENT").get("id") == "still"
    for client in clients:
        assert client.logout()
    links(gate, 2)


def test_name_servers_that_fail_change_nothing(names, serve, make_gate):
    port = gates.free_port()
    names.records["pods.example"] = [(A, "127.0.0.2")]
    serve("127.0.0.2", port)
    gate = make_gate(config(f"dns:tcp:pods.example:{port}", names))
    links(gate, 1)
    del names.records["pods.example"]
    gate.wait_log(r"discovery\.failed .*Domain name not found")
    names.records["pods.example"] = []
    asked = names.asked
    gates.wait_until(lambda: names.asked >= asked + 8, what="more questions")
    names.silent = True
    gate.wait_log(r"discovery\.failed", count=1)
    login(gate).close()
    assert "link.retired" not in gate.log()
    names.silent = False
    names.records["pods.example"] = [(A, "127.0.0.2"), (A, "127.0.0.3")]
    serve("127.0.0.3", port)
    links(gate, 2)


def test_services(names, serve, make_gate):
    ports = [gates.free_port() for _ in range(3)]
    names.records |= {
        "_link._tcp.example.org": [(SRV, (10, 100, ports[0], "a.example")), (SRV, (10, 300, ports[1], "b.example")), (SRV, (20, 1, ports[2], "c.example"))],
        "a.example": [(A, "127.0.0.2")],
        "b.example": [(A, "127.0.0.3"), (AAAA, "::1")],
        "c.example": [(A, "127.0.0.4")],
    }
    servers = serve("127.0.0.2", ports[0]), serve("127.0.0.3", ports[1]), serve("127.0.0.4", ports[2])
    gate = make_gate(config("srv:tcp:_link._tcp.example.org", names))
    links(gate, 2)
    gate.wait_log(rf"link\.failed backend=found/tcp:\[::1\]:{ports[1]}")
    login(gate).close()
    assert not servers[2].links


PLACES = "unix:/path, tls:address:port, or tcp:address:port on the loopback"
WRONG_LINES = [  # in which line, what, found, allowed
    (1, "tcp:192.0.2.1:5222", "tcp:192.0.2.1:5222", PLACES),
    (2, "tcp:127.0.0.1:5222 1001", "1001", "a weight of 1 to 1000 behind the address"),
    (3, "tcp:127.0.0.1:5222 much", "much", "a weight of 1 to 1000 behind the address"),
    (4, "tcp:127.0.0.1:5222 1 2", "2", "an address and perhaps a weight in each line"),
    (5, "tcp:127.0.0.1:5222\nlocalhost:5222\nelsewhere", "localhost:5222", PLACES),
]


def test_addresses_in_a_file(serve, make_gate, tmp_path):
    ports = [gates.free_port() for _ in range(2)]
    before = serve("127.0.0.1", ports[0])
    listed = tmp_path / "servers"

    def put(text):
        """At once: half a file may be read, too."""
        (tmp_path / "fresh").write_text(text)
        (tmp_path / "fresh").rename(listed)

    put(f"# session servers\n\ntcp:127.0.0.1:{ports[0]} 300\n")
    gate = make_gate(config(f"file:{listed}"))
    links(gate, 1)
    alice = login(gate)
    for number, text, found, allowed in WRONG_LINES:
        put("# session servers\n" * (number - 1 - text.count("\n") // 2) + text + "\n")
        why = f'{listed}:{number}: found \\"{found}\\", allowed {allowed}'
        gates.wait_until(lambda why=why: f'why="{why}' in gate.log(), what=why)
    listed.unlink()
    gate.wait_log(rf"discovery\.failed .*{listed}: found nothing \(No such file or directory\), allowed a file")
    put("what is this\n")
    put(f"tcp:127.0.0.1:{ports[1]}\n")
    # Who is to stand for it is not there yet: it gets the new users too.
    gate.wait_log(rf"link\.failed backend=found/tcp:127.0.0.1:{ports[1]}")
    bob = login(gate, "bob")
    assert len(before.sessions) == 2 and "link.retired" not in gate.log()
    after = serve("127.0.0.1", ports[1])
    gate.wait_log("link.retired")
    login(gate, "carol").close()
    assert (len(before.sessions), len(after.sessions)) == (2, 1)
    bob.close()
    alice.send("<message id='still'/>")
    assert alice.expect("ELEMENT").get("id") == "still"
    assert alice.logout()
    links(gate, 1)


def test_a_path_that_is_no_text_is_not_dialled(make_gate, tmp_path):
    """Whoever looks at session servers is shown their addresses."""
    listed = tmp_path / "servers"
    listed.write_bytes(b"unix:/tmp/l\xffnk\n")
    gate = make_gate(config(f"file:{listed}"), ready=False)
    gate.wait_log(r"discovery\.failed .*servers:1: found .*unix:/tmp/l.*nk.*, allowed unix:/path, tls:")
    gate.wait_log(r"metrics\.listening")
    assert gate.page("/status.json")[0] == 200
    assert "link." not in gate.log()


def test_a_server_of_plain_tcp_elsewhere_is_not_dialled(names, make_gate):
    names.records["far.example"] = [(A, "192.0.2.1")]
    gate = make_gate(config("dns:tcp:far.example:5222", names), ready=False)
    gate.wait_log(r"discovery\.failed .*why=.*found .*tcp:192.0.2.1:5222.*, allowed unix:/path, tls:address:port, or tcp:")
    assert "link." not in gate.log()
