"""TLS as OpenSSL's own client sees it."""
import re
import select
import socket
import ssl
import subprocess
import threading

import gate as gates
import pytest
import xmppwire as xmpp


def s_client(address, *options, starttls=False):
    command = ["openssl", "s_client", "-connect", "%s:%d" % address, "-brief", *options]
    if starttls:
        command += ["-starttls", "xmpp", "-xmpphost", "localhost"]
    return subprocess.run(command, input="", capture_output=True, text=True, timeout=gates.PATIENCE_S)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("starttls", [True, False], ids=["starttls", "direct"])
def test_s_client(gate, starttls, version):
    done = s_client(gate.starttls if starttls else gate.direct, "-tls" + version.replace(".", "_"), "-CAfile", gate.authority,
                    "-verify_return_error", "-verify_hostname", "localhost", starttls=starttls)
    assert f"Protocol version: TLSv{version}" in done.stderr, done.stderr
    assert "Verification: OK" in done.stderr, done.stderr


@pytest.mark.parametrize("cipher", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"])
def test_ciphers_13(gate, cipher):
    assert cipher in s_client(gate.direct, "-tls1_3", "-ciphersuites", cipher).stderr


@pytest.mark.parametrize("cipher", ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"])
def test_ciphers_12(gate, cipher):
    assert cipher in s_client(gate.direct, "-tls1_2", "-cipher", cipher).stderr


@pytest.mark.parametrize("options", [
    ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
    ["-tls1", "-cipher", "ALL:@SECLEVEL=0"],
    ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA:AES128-SHA"],  # not AEAD (RFC 9325, 4.2)
    ["-tls1_2", "-cipher", "AES128-GCM-SHA256"],  # no forward secrecy
    ["-alpn", "http/1.1,h2"],  # RFC 9325, 3.8: no protocol in common
], ids=["1.1", "1.0", "CBC", "RSA", "ALPN"])
def test_refused(gate, options):
    done = s_client(gate.direct, *options)
    assert "Protocol version" not in done.stderr, done.stderr
    assert "alert" in done.stderr, done.stderr
    if "-alpn" in options:
        assert "alert number 120" in done.stderr, done.stderr


def test_alpn_is_agreed_on(gate):
    done = subprocess.run(["openssl", "s_client", "-connect", "%s:%d" % gate.direct, "-alpn", "h2,xmpp-client"], input="",
                          capture_output=True, text=True, timeout=gates.PATIENCE_S)
    assert "ALPN protocol: xmpp-client" in done.stdout, done.stdout


class Typing:
    """s_client with a stream in it, driven line by line: its commands k and K send KeyUpdate."""

    def __init__(self, gate, *options):
        command = ["openssl", "s_client", "-connect", "%s:%d" % gate.direct, "-CAfile", gate.authority, *options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.seen = b""

    def type(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def wait(self, pattern, timeout=gates.PATIENCE_S):
        def found():
            match = re.search(pattern, self.seen)
            if not match:
                self.seen += self.process.stdout.read1(65536)
            return match

        match = gates.wait_until(found, timeout, f"{pattern} after {self.seen[-300:]}")
        self.seen = self.seen[match.end() :]
        return match

    def login(self, user):
        header = f"<stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='{xmpp.STREAM_NS}'>"
        self.type(header)
        self.wait(rb"</stream:features>")
        self.type(f"<auth xmlns='{xmpp.SASL_NS}' mechanism='PLAIN'>{xmpp.plain_response(user, gates.PASSWORDS[user])}</auth>")
        self.wait(rb"<success")
        self.type(header)
        self.wait(rb"</stream:features>")
        self.type(f"<iq type='set' id='b'><bind xmlns='{xmpp.BIND_NS}'/></iq>")
        self.wait(rb"<jid>.*</jid>")

    def ping(self, name):
        self.type(f"<iq type='get' id='{name}' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
        self.wait(rb"<iq [^>]*id=['\"]" + name.encode() + rb"['\"]")

    def end(self):
        self.type("</stream:stream>")
        self.wait(rb"</stream:stream>")
        self.process.stdin.close()
        self.process.stdout.read()
        return self.process.wait(gates.PATIENCE_S)


@pytest.mark.parametrize("cipher", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"])
def test_key_updates(gate, cipher):
    """k: the client changes its key. K: and asks the server to change its own (RFC 8446, 4.6.3)."""
    before = gate.metrics()["stanzagate_tls_key_updates_total"]
    commands = "kKkKK"
    if gate.engine("1.3", re.sub("^TLS_|_SHA...$", "", cipher)) == "kernel_send":
        commands = "kkkkk"  # a kernel that cannot change our key: what K leads to is in test_kernel_tls.py
    client = Typing(gate, "-tls1_3", "-ciphersuites", cipher)
    try:
        client.login("alice")
        for number, command in enumerate(commands):
            client.type(command)
            client.wait(rb"KEYUPDATE")
            client.ping(f"p{number}")
        assert gate.metrics()["stanzagate_tls_key_updates_total"] == before + 5
        assert client.end() == 0
    finally:
        client.process.kill()


def test_renegotiation_is_refused(gate):
    """RFC 6120, 5.3.5; CVE-2009-3555."""
    client = Typing(gate, "-tls1_2")
    try:
        client.login("alice")
        client.type("R")
        client.wait(rb"RENEGOTIATING")
        client.process.stdin.close()
        rest = client.process.stdout.read()
        assert b"no renegotiation" in rest or b"closed" in rest or client.process.wait(gates.PATIENCE_S) != 0, rest
    finally:
        client.process.kill()


def test_channel_binding_reaches_the_session_server(gate):
    for mechanism in ("SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"):
        for direct in (False, True):
            client = xmpp.Client(gate.direct if direct else gate.starttls, direct, gate.authority, "1.3")
            client.secure()
            assert mechanism in client.mechanisms()
            client.authenticate("alice", gates.PASSWORDS["alice"], mechanism)
            client.close()


def test_a_wrong_channel_binding_is_refused(gate):
    client = xmpp.Client(gate.direct, True, gate.authority, "1.3")
    client.secure()
    client.binding = lambda: ("tls-exporter", b"\0" * 32)
    with pytest.raises(xmpp.LoginFailed):
        client.authenticate("alice", gates.PASSWORDS["alice"], "SCRAM-SHA-256-PLUS")
    client.close()


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"])
@pytest.mark.parametrize("user", list(gates.PASSWORDS))
def test_every_mechanism(gate, version, mechanism, user):
    client = xmpp.Client(gate.starttls, False, gate.authority, version)
    client.login(user, gates.PASSWORDS[user], None, mechanism)
    assert client.logout()
    client = xmpp.Client(gate.starttls, False, gate.authority, version)
    with pytest.raises(xmpp.LoginFailed) as failed:
        client.login(user, "wrong", None, mechanism)
    assert str(failed.value) == "not-authorized"
    client.close()


@pytest.mark.parametrize("size", [1, 2, 100, 16384])
def test_records_of_every_size_and_cut(gate, size):
    """A message larger than a record, in records of `size` bytes, each sent in pieces."""
    client = xmpp.Client(gate.direct, True, gate.authority)
    client.login("alice", gates.PASSWORDS["alice"])
    body = "".join(chr(0x4E00 + n % 1000) for n in range(200 if size < 100 else 20000))
    text = f"<message to='{client.jid}' type='chat'><body>{body}</body></message>".encode()
    cipher = b"".join(client.wire.encrypt(text[at : at + size]) for at in range(0, len(text), size))
    for at in range(0, len(cipher), 997):
        client.wire.send_raw(cipher[at : at + 997])
    client.wait_message(body)
    assert client.logout()


class Middle(threading.Thread):
    """
    Somebody who ends TLS for the client, with a certificate that it believes, and speaks TLS of its own to the gate;
    what one says goes to the other as it is.
    """

    def __init__(self, gate):
        super().__init__(daemon=True)
        certificate, key = gates.certificate()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.gate, self.listener, self.passed = gate, socket.create_server(("127.0.0.1", 0)), 0
        self.address = self.listener.getsockname()
        self.start()

    def run(self):
        client = self.context.wrap_socket(self.listener.accept()[0], server_side=True)
        server = xmpp.tls_context(self.gate.authority).wrap_socket(socket.create_connection(self.gate.direct), server_hostname="localhost")
        other = {client: server, server: client}
        while True:
            ready = [side for side in other if side.pending()] or select.select(list(other), [], [], gates.PATIENCE_S)[0]
            for side in ready:
                data = side.recv(65536)
                if not data:
                    client.close()
                    server.close()
                    return
                other[side].sendall(data)
                self.passed += len(data)


def test_a_man_in_the_middle_is_found_out(gate):
    """
    RFC 5802, 6; RFC 9266: the client's binding is that of its own TLS, which is not the gate's. The same without a
    binding goes through, which shows that nothing else is in the way.
    """
    for mechanism, good in (("SCRAM-SHA-256", True), ("SCRAM-SHA-256-PLUS", False), ("SCRAM-SHA-1-PLUS", False)):
        middle = Middle(gate)
        client = xmpp.Client(middle.address, True, gate.authority, "1.3")
        client.secure()
        assert mechanism in client.mechanisms()
        if good:
            client.authenticate("alice", gates.PASSWORDS["alice"], mechanism)
        else:
            with pytest.raises(xmpp.LoginFailed) as failed:
                client.authenticate("alice", gates.PASSWORDS["alice"], mechanism)
            assert str(failed.value) == "not-authorized"
        assert middle.passed > 500
        client.close()
