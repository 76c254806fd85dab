"""Who may be at the other end of a link: TLS with pinned names, and users of Unix sockets."""
import os
import re
import socket
import subprocess
import sys
import threading

import fakebackend as fake
import gate as gates
import pytest
import xmppwire as xmpp

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may start processes of other users")


class Authority:
    """Certificates of one authority; each is (certificate, key)."""

    def __init__(self, home):
        self.home = home
        home.mkdir(exist_ok=True)
        self.file, self.key = home / "ca.pem", home / "ca-key.pem"
        self.openssl("req", "-x509", *self.new_key(self.key), "-subj", f"/CN={home.parent.name} {home.name}", "-days", "30", "-out", self.file)

    def openssl(self, *words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)

    def new_key(self, file):
        return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", file

    def issue(self, name, file=None, subject="x"):
        """name: None for a certificate that has a subject alone."""
        names = ["-addext", f"subjectAltName=DNS:{name}"] if name else []
        certificate, key = self.home / f"{file or name}.pem", self.home / f"{file or name}-key.pem"
        request = self.home / "request.pem"
        self.openssl("req", *self.new_key(key), "-subj", f"/CN={subject}", *names, "-out", request)
        fresh = self.home / "fresh.pem"
        self.openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.key, "-days", "30", "-copy_extensions", "copy", "-out", fresh)
        os.replace(fresh, certificate)
        return certificate, key


@pytest.fixture(scope="module")
def authority():
    return Authority(gates.new_folder("authority"))


@pytest.fixture
def start(tmp_path, make_gate):
    """start(server=(certificate, key), ...): a sessiond with TLS, and a gate that links to it."""
    started = []

    def begin(authority, server, gate, gate_name="gate.example", server_names="server.example", gate_ca=None, scheme="tls", ready=True):
        port = gates.free_port()
        more = ["--tls-certificate", server[0], "--tls-key", server[1], "--tls-ca", authority.file, "--tls-gate", gate_name]
        started.append(gates.Sessiond(f"tls:127.0.0.1:{port}", tmp_path, more=more))
        link = {"ca": str(gate_ca or authority.file)}
        if gate:
            link |= {"certificate": str(gate[0]), "key": str(gate[1])}
        backend = {"name": "session-1", "address": f"{scheme}:127.0.0.1:{port}"} | ({"certificate_names": server_names} if scheme == "tls" else {})
        return make_gate({"workers": 1, "backends": [backend], "link": link}, ready=ready), started[0]

    yield begin
    for sessiond in started:
        problem = sessiond.stop()
        assert not problem, problem


def refused(gate, why):
    """The link fails with this line, again and again, never at once, and never comes up."""
    gate.wait_log(rf"link\.failed backend=\"?session-1\"? why=\"{why}\"", count=2)
    assert "link.up" not in gate.log()
    tries = [float(seconds) for seconds in re.findall(r"^\S+T\d+:\d+:([\d.]+)\S* .*link\.failed", gate.log(), re.M)]
    assert len(tries) >= 2 and (tries[1] - tries[0]) % 60 >= 0.2, gate.log()


def test_two_right_certificates(authority, start):
    gate, sessiond = start(authority, authority.issue("server.example"), authority.issue("gate.example"))
    gate.wait_log(r'link\.up .*security="?tls')
    alice, bob = (xmpp.Client(gate.starttls, False, gate.authority) for _ in range(2))
    alice.login("alice", gates.PASSWORDS["alice"])
    bob.login("bob", gates.PASSWORDS["bob"])
    for size in (1, 16384, 100000):
        alice.send(f"<message to='{bob.jid}' type='chat'><body>{'ы' * size}</body></message>")
        assert bob.wait_message("ы" * size).get("from") == alice.jid
    assert alice.logout() and bob.logout()


def test_a_certificate_of_another_server(authority, start):
    gate, _ = start(authority, authority.issue("other.example"), authority.issue("gate.example"), ready=False)
    refused(gate, "TLS: the peer's certificate: hostname mismatch")


def test_one_of_several_names_is_enough(authority, start):
    gate, _ = start(authority, authority.issue("b.example"), authority.issue("gate.example"), server_names="a.example b.example")
    gate.wait_log(r"link\.up")


def test_a_wildcard_is_no_name(authority, start):
    gate, _ = start(authority, authority.issue("*.example", "wild"), authority.issue("gate.example"), ready=False)
    refused(gate, "TLS: the peer's certificate: hostname mismatch")


def test_a_server_of_another_authority(authority, start, tmp_path):
    other = Authority(tmp_path / "other")
    gate, _ = start(authority, authority.issue("server.example"), authority.issue("gate.example"), gate_ca=other.file, ready=False)
    refused(gate, "TLS: the peer's certificate: self-signed certificate in certificate chain")


def test_a_gate_of_another_authority(authority, start, tmp_path):
    other = Authority(tmp_path / "other")
    gate, sessiond = start(authority, authority.issue("server.example"), other.issue("gate.example"), ready=False)
    refused(gate, "TLS: unknown CA")
    sessiond.wait_log("closed: TLS: the gate's certificate: unable to get local issuer certificate")


def test_a_gate_of_another_name(authority, start):
    gate, sessiond = start(authority, authority.issue("server.example"), authority.issue("stranger.example"), ready=False)
    refused(gate, "TLS: bad certificate")
    sessiond.wait_log("closed: TLS: the gate's certificate: hostname mismatch")


def test_a_gate_without_a_certificate(authority, start):
    gate, sessiond = start(authority, authority.issue("server.example"), None, ready=False)
    refused(gate, "TLS: .*certificate required")
    sessiond.wait_log("closed: TLS: peer did not return a certificate")


def test_a_plain_gate_at_a_port_with_tls(authority, start):
    gate, sessiond = start(authority, authority.issue("server.example"), None, scheme="tcp", ready=False)
    gate.wait_log(r"link\.failed", count=2)
    sessiond.wait_log("closed: TLS: wrong version number")
    assert "link.up" not in gate.log()


def test_a_plain_server_behind_a_tls_address(authority, make_gate):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            while True:
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                connection.sendall(fake.hello() + fake.domain())

        threading.Thread(target=serve, daemon=True).start()
        certificate, key = authority.issue("gate.example")
        link = {"ca": str(authority.file), "certificate": str(certificate), "key": str(key)}
        address = f"tls:127.0.0.1:{listener.getsockname()[1]}"
        gate = make_gate({"workers": 1, "backends": [{"name": "session-1", "address": address}], "link": link}, ready=False)
        refused(gate, "TLS: wrong version number")
        listener.shutdown(socket.SHUT_RDWR)


def test_a_server_that_never_speaks(authority, make_gate):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link = {"ca": str(authority.file)}
        address = f"tls:127.0.0.1:{listener.getsockname()[1]}"
        gate = make_gate({"workers": 1, "backends": [{"name": "session-1", "address": address}], "link": link}, ready=False)
        gate.wait_log(r'link\.failed .*why="connecting has taken too long"')


@pytest.mark.parametrize("whose", ["gate", "server"])
def test_a_certificate_that_is_replaced(authority, start, whose):
    names = {"gate": "gate.example", "server": "server.example"}
    files = {end: authority.issue("wrong.example" if end == whose else name, f"replaced-{whose}-{end}") for end, name in names.items()}
    gate, _ = start(authority, files["server"], files["gate"], ready=False)
    gate.wait_log(r"link\.failed")
    authority.issue(names[whose], f"replaced-{whose}-{whose}")
    gate.wait_log(r"link\.up")


def test_a_loopback_link_says_that_it_is_not_authenticated(tmp_path, make_gate):
    address = f"tcp:127.0.0.1:{gates.free_port()}"
    sessiond = gates.Sessiond(address, tmp_path)
    gate = make_gate({"workers": 1, "backends": [{"name": "session-1", "address": address}]})
    gate.wait_log(r"link\.up .*security=\"?none")
    gate.wait_log(r"link\.unauthenticated")
    sessiond.wait_log(f"warning: links at {address} are not authenticated: whoever is on this machine may be a gate")
    assert not sessiond.stop()


@pytest.fixture
def secret(tmp_path):
    """secret("name", byte): the file of a shared key."""

    def make(name, byte=b"s"):
        file = tmp_path / name
        file.write_bytes(byte * 32)
        return file

    return make


def linked(tmp_path, make_gate, server_key, gate_key):
    """A sessiond and a gate at a loopback address, with these keys."""
    address = f"tcp:127.0.0.1:{gates.free_port()}"
    sessiond = gates.Sessiond(address, tmp_path, more=["--secret", server_key] if server_key else [])
    link = {"secret": str(gate_key)} if gate_key else {}
    return sessiond, make_gate({"workers": 1, "backends": [{"name": "session-1", "address": address}], "link": link}, ready=False)


def test_a_shared_key(tmp_path, secret, make_gate):
    sessiond, gate = linked(tmp_path, make_gate, secret("one"), secret("other"))
    gate.wait_ready()
    gate.wait_log(r"link\.up .*security=\"?key")
    assert "link.unauthenticated" not in gate.log() and "not authenticated" not in sessiond.log()
    client = xmpp.Client(gate.starttls, False, gate.authority)
    client.login("alice", gates.PASSWORDS["alice"])
    assert client.logout()
    assert not sessiond.stop()


@pytest.mark.parametrize("server, gate", [(b"s", b"t"), (b"s", None), (None, b"s")])
def test_keys_that_are_not_shared(server, gate, tmp_path, secret, make_gate):
    sessiond, gate = linked(tmp_path, make_gate, server and secret("one", server), gate and secret("other", gate))
    gate.wait_log(r"link\.failed", count=2)
    assert "link.up" not in gate.log() and "is up" not in sessiond.log()
    assert "no proof of the shared key" in gate.log() + sessiond.log()
    assert not sessiond.stop()


def test_a_shared_key_over_tls_needs_no_certificate_of_the_gate(authority, tmp_path, secret, make_gate):
    certificate, key = authority.issue("server.example")
    port = gates.free_port()
    more = ["--tls-certificate", certificate, "--tls-key", key, "--secret", secret("one")]
    sessiond = gates.Sessiond(f"tls:127.0.0.1:{port}", tmp_path, more=more)
    backend = {"name": "session-1", "address": f"tls:127.0.0.1:{port}", "certificate_names": "server.example"}
    link = {"ca": str(authority.file), "secret": str(secret("other"))}
    gate = make_gate({"workers": 1, "backends": [backend], "link": link})
    client = xmpp.Client(gate.starttls, False, gate.authority)
    client.login("alice", gates.PASSWORDS["alice"])
    assert client.logout()
    stranger = make_gate({"workers": 1, "backends": [backend], "link": {"ca": str(authority.file)}}, ready=False)
    stranger.wait_log(r"link\.failed", count=2)
    assert "link.up" not in stranger.log()
    assert not sessiond.stop()


def test_a_key_that_changes(tmp_path, secret, make_gate):
    sessiond, gate = linked(tmp_path, make_gate, secret("one"), secret("other", b"t"))
    gate.wait_log(r"link\.failed")
    secret("fresh").rename(tmp_path / "other")
    gate.wait_log(r"link\.up")
    assert not sessiond.stop()


def python(code, *arguments, user, group=None):
    """A child of another user that does `code`, and says a line when it has begun."""
    child = subprocess.Popen([sys.executable, "-c", code, *arguments], user=user, group=group or user, extra_groups=[], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return child, child.stdout.readline().strip()


LISTEN = """
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("listening", flush=True)
sys.stdin.read()
"""
CONNECT = """
import socket, sys
client = socket.socket(socket.AF_UNIX)
client.settimeout(60)
try:
    client.connect(sys.argv[1])
    print(len(client.recv(1)), flush=True)
except OSError as error:
    print(error.strerror, flush=True)
"""


@pytest.fixture
def public():
    """A folder in which anybody may make a socket."""
    folder = gates.new_folder("public")
    folder.chmod(0o777)
    folder.parent.chmod(0o711)
    return folder


@as_root
def test_the_socket_of_a_stranger(public, make_gate):
    child, said = python(LISTEN, str(public / "link"), user=NOBODY)
    try:
        assert said == "listening"
        config = {"workers": 1, "backends": [{"name": "session-1", "address": f"unix:{public}/link"}]}
        gate = make_gate(config, ready=False)
        refused(gate, f"the socket belongs to user {NOBODY}, who is not in link.users")
        friend = make_gate(config | {"link": {"users": [NOBODY]}}, ready=False)
        # Now it says HELLO, and nobody answers.
        friend.wait_log(r"link\.failed .*why=\"the peer has been silent")
    finally:
        child.kill()
        child.communicate()


@as_root
@pytest.mark.parametrize("allowed, answer", [(None, "Permission denied"), ("1", "0"), (str(NOBODY), "1")])
def test_a_gate_of_another_user(public, allowed, answer):
    sessiond = gates.Sessiond(f"unix:{public}/link", more=["--user", allowed] if allowed else [])
    child, said = python(CONNECT, f"{public}/link", user=NOBODY)
    child.communicate()
    assert said == answer
    if answer == "0":
        sessiond.wait_log(f"link refused: user {NOBODY} may not be a gate")
    assert not sessiond.stop()
