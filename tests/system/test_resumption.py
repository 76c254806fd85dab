"""Tickets as openssl s_client uses them, and clients' certificates on their way to the session server."""
import re
import subprocess

import fakebackend as fake
import gate as gates
import pytest
import xmppwire as xmpp
from fakebackend import Backend


def s_client(address, *options, starttls=False):
    command = ["openssl", "s_client", "-connect", "%s:%d" % address, *options]
    if starttls:
        command += ["-starttls", "xmpp", "-xmpphost", "localhost"]
    return subprocess.run(command, input="", capture_output=True, text=True, timeout=gates.PATIENCE_S)


def resumed(gate, version, path, starttls=False):
    """A session, and another that is offered it; whether it was taken."""
    address = gate.starttls if starttls else gate.direct
    if not path.exists():
        keep_session(address, version, path, starttls)
    done = s_client(address, version, "-sess_in", str(path), starttls=starttls)
    assert re.search(r"^(New|Reused), TLSv1", done.stdout, re.M), done.stdout + done.stderr
    return "Reused, TLSv1" in done.stdout


def keep_session(address, version, path, starttls=False, more=()):
    """In TLS 1.3 the ticket comes behind the handshake: something must be read for it."""
    command = ["openssl", "s_client", "-connect", "%s:%d" % address, version, "-sess_out", str(path), "-ign_eof", *more]
    command += ["-starttls", "xmpp", "-xmpphost", "localhost"] if starttls else []
    stream = f"<stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='{xmpp.STREAM_NS}'></stream:stream>"
    done = subprocess.run(command, input=stream, capture_output=True, text=True, timeout=gates.PATIENCE_S)
    assert path.exists()
    return done.stdout


VERSIONS = ["-tls1_2", "-tls1_3"]


@pytest.mark.parametrize("starttls", [True, False], ids=["starttls", "direct"])
@pytest.mark.parametrize("version", VERSIONS)
def test_s_client_resumes(make_gate, tmp_path, version, starttls):
    gate = make_gate({"workers": 2, "tls": {"tickets": True}})
    assert resumed(gate, version, tmp_path / "session", starttls)
    # The client's last message of the handshake is still to be read when the client has gone.
    gates.wait_until(lambda: gate.metrics()["stanzagate_tls_resumptions_total"] == 1, what="the counter")


def test_each_resumption_gives_a_ticket_for_the_next(make_gate, tmp_path):
    """RFC 8446, C.4: a ticket is for one use."""
    gate = make_gate({"workers": 1, "tls": {"tickets": True}})
    sessions = [tmp_path / f"session-{number}" for number in range(4)]
    keep_session(gate.direct, "-tls1_3", sessions[0])
    for used, new in zip(sessions, sessions[1:]):
        assert "Reused, TLSv1.3" in keep_session(gate.direct, "-tls1_3", new, more=["-sess_in", str(used)])
    assert len({session.read_bytes() for session in sessions}) == len(sessions)


@pytest.mark.parametrize("version", VERSIONS)
def test_no_tickets_by_default(gate, tmp_path, version):
    done = s_client(gate.direct, version, "-sess_out", str(tmp_path / "session"))
    assert "TLS session ticket:" not in done.stdout
    assert not (tmp_path / "session").exists() or not resumed(gate, version, tmp_path / "session")


def keys(*letters):
    return b"".join(letter.encode() * 80 for letter in letters)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_fleet_and_its_keys(make_gate, tmp_path, version):
    path = tmp_path / "tickets"
    path.write_bytes(keys("n", "c", "o"))
    config = {"workers": 1, "tls": {"tickets": True, "ticket_keys": str(path)}}
    one, two = make_gate(config), make_gate(config)
    session = tmp_path / "session"
    assert resumed(one, version, session) and resumed(two, version, session)
    for letters, good in (("mnc", True), ("lmn", False)):
        path.write_bytes(keys(*letters))
        for count, gate in enumerate((one, two)):
            gate.wait_log("certificate.renewed", count=1 if letters == "mnc" else 2)
            gates.wait_until(lambda gate=gate: resumed(gate, version, session) == good)
    path.write_bytes(keys("l", "m"))
    one.wait_log("certificate.refused .*not three keys")
    session.unlink()
    assert resumed(one, version, session)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_resumed_client_logs_in(make_gate, version):
    """The records go on where the handshake ended."""
    gate = make_gate({"workers": 1, "tls": {"tickets": True}})
    first = xmpp.Client(gate.direct, True, gate.authority, version)
    first.login("alice", gates.PASSWORDS["alice"])
    session = first.wire.tls.session
    assert first.logout()
    again = xmpp.Client(gate.direct, True, gate.authority, version)
    again.context, start = first.context, first.context.wrap_bio
    again.context.wrap_bio = lambda *a, **k: start(*a, **(k | {"session": session}))
    again.login("alice", gates.PASSWORDS["alice"], mechanism="SCRAM-SHA-256")
    assert again.wire.tls.session_reused
    assert again.logout()


def certificate_for(home, *names):
    home.mkdir()
    text = ",".join(f"otherName:1.3.6.1.5.5.7.8.5;UTF8:{name}" if "@" in name else f"DNS:{name}" for name in names)
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=x"]
    command += ["-addext", f"subjectAltName={text}", "-keyout", home / "key.pem", "-out", home / "certificate.pem"]
    subprocess.run(command, check=True, capture_output=True)
    return home / "certificate.pem", home / "key.pem"


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_client_s_certificate_is_told(make_gate, tmp_path, version, direct):
    certificate, key = certificate_for(tmp_path / "client", "alice@localhost", "a@other.example", "host.example")
    tls = {"client_certificates": "request", "client_ca": str(certificate)}
    with Backend(tmp_path / "link") as backend:
        gate = make_gate({"workers": 1, "tls": tls, "backends": [{"name": "session-1", "address": f"unix:{backend.path}"}]})
        for shown in (True, False):
            client = xmpp.Client(gate.direct if direct else gate.starttls, direct, gate.authority, version)
            if shown:
                client.context.load_cert_chain(certificate, key)
            client.login("alice", "whatever", mechanism="PLAIN")
            facts = backend.sessions[-1].facts
            assert facts.get(fake.CLIENT_CERT_XMPP_ADDR) == (b"alice@localhost\na@other.example" if shown else None)
            assert facts.get(fake.CLIENT_CERT_NAMES) == (b"dns:host.example" if shown else None)
            assert client.logout()


@pytest.mark.parametrize("mode, shown", [("require", None), ("require", "stranger"), ("request", "stranger")])
def test_bad_certificates_are_refused(make_gate, tmp_path, mode, shown):
    authority, _ = certificate_for(tmp_path / "client", "alice@localhost")
    gate = make_gate({"workers": 1, "tls": {"client_certificates": mode, "client_ca": str(authority)}})
    options = []
    if shown:
        certificate, key = certificate_for(tmp_path / shown, "alice@localhost")
        options = ["-cert", certificate, "-key", key]
    for version, alert in (("-tls1_2", "handshake failure|unknown ca"), ("-tls1_3", "certificate required|unknown ca")):
        done = s_client(gate.direct, version, "-ign_eof", *options)
        assert re.search(alert, done.stderr), done.stderr
    gates.wait_until(lambda: gate.metrics()["stanzagate_tls_handshakes_failed_total"] == 2, what="the counter")


def external(client, message="="):
    client.send(f"<auth xmlns='{xmpp.SASL_NS}' mechanism='EXTERNAL'>{message}</auth>")
    return client.expect("ELEMENT")


def show(gate, pair, version, direct):
    """A client that has shown its certificate, if any, up to the features."""
    client = xmpp.Client(gate.direct if direct else gate.starttls, direct, gate.authority, version)
    if pair:
        client.context.load_cert_chain(*pair)
    client.secure()
    return client


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_client_logs_in_by_its_certificate(make_gate, tmp_path, version, direct):
    """XEP-0178: offered to those whose certificate names a user of the domain, and to nobody else."""
    alice = certificate_for(tmp_path / "alice", "alice@localhost", "alice@other.example")
    both = certificate_for(tmp_path / "both", "alice@localhost", "bob@localhost")
    other = certificate_for(tmp_path / "other", "alice@other.example", "localhost")
    authorities = tmp_path / "authorities"
    authorities.write_bytes(b"".join(pair[0].read_bytes() for pair in (alice, both, other)))
    gate = make_gate({"workers": 1, "tls": {"client_certificates": "request", "client_ca": str(authorities)}})
    for pair in (None, other):
        client = show(gate, pair, version, direct)
        assert "EXTERNAL" not in client.mechanisms() and "PLAIN" in client.mechanisms()
        assert external(client).find(f"{{{xmpp.SASL_NS}}}invalid-mechanism") is not None
        client.close()
    client = show(gate, both, version, direct)
    assert client.mechanisms()[0] == "EXTERNAL"
    assert external(client).find(f"{{{xmpp.SASL_NS}}}invalid-authzid") is not None
    assert external(client, xmpp.b64(b"carol@localhost")).find(f"{{{xmpp.SASL_NS}}}invalid-authzid") is not None
    client.close()
    for pair, message, who in ((alice, "=", "alice"), (both, xmpp.b64(b"bob@localhost"), "bob")):
        client = show(gate, pair, version, direct)
        assert external(client, message).tag == f"{{{xmpp.SASL_NS}}}success"
        client.restart()
        client.greet()
        assert client.bind().startswith(f"{who}@localhost/")
        assert client.logout()


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_resumed_client_is_who_it_was(make_gate, tmp_path, version):
    """The certificate is in the session that is resumed; no other client's comes with it (CVE-2025-23419)."""
    alice = certificate_for(tmp_path / "alice", "alice@localhost")
    gate = make_gate({"workers": 1, "tls": {"tickets": True, "client_certificates": "request", "client_ca": str(alice[0])}})
    first = show(gate, alice, version, True)
    session = first.wire.tls.session
    first.close()
    again = xmpp.Client(gate.direct, True, gate.authority, version)
    again.context, start = first.context, first.context.wrap_bio
    again.context.wrap_bio = lambda *a, **k: start(*a, **(k | {"session": session}))
    again.secure()
    assert again.wire.tls.session_reused and external(again).tag == f"{{{xmpp.SASL_NS}}}success"
    again.close()
