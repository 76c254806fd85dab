"""
TLS as others see it than OpenSSL's client: GnuTLS's, and scanners that look for what should not be there. tests/scan/run
is the long form of it, with testssl.sh.
"""
import re
import subprocess

import gate as gates
import pytest
import xmppwire as xmpp

HEADER = f"<stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='{xmpp.STREAM_NS}'>"
VERSIONS = ["1.2", "1.3"]


def gnutls(gate, starttls, version, *options, text=""):
    """What gnutls-cli says; it trusts nobody but the gate's authority."""
    address = gate.starttls if starttls else gate.direct
    command = ["gnutls-cli", "--x509cafile", gate.authority, "--priority", f"NORMAL:-VERS-ALL:+VERS-TLS{version}", *options]
    command += ["--starttls-proto=xmpp"] if starttls else ["--alpn", "xmpp-client"]
    done = subprocess.run([*command, "--port", str(address[1]), "localhost"], input=text, capture_output=True, text=True, timeout=gates.PATIENCE_S)
    return done.stdout + done.stderr


@pytest.fixture
def ticketing(make_gate):
    return make_gate({"workers": 1, "tls": {"tickets": True}})


@pytest.mark.parametrize("starttls", [True, False], ids=["starttls", "direct"])
@pytest.mark.parametrize("version", VERSIONS)
def test_gnutls_talks_and_resumes(ticketing, version, starttls):
    said = gnutls(ticketing, starttls, version, text=HEADER + "</stream:stream>\n")
    assert "The certificate is trusted" in said and f"(TLS{version}-X.509)" in said, said
    assert "<stream:features>" in said and "</stream:stream>" in said, said
    said = gnutls(ticketing, starttls, version, "--resume", "--waitresumption", text=HEADER + "</stream:stream>\n")
    assert "*** This is a resumed session" in said, said
    gates.wait_until(lambda: ticketing.metrics()["stanzagate_tls_resumptions_total"] == 1, what="the counter")


def test_gnutls_changes_its_key(ticketing):
    """It asks for ours too: what comes behind must be readable."""
    said = gnutls(ticketing, False, "1.3", "--inline-commands", text=f"{HEADER}\n^rekey^\n</stream:stream>\n")
    assert "</stream:stream>" in said, said
    assert ticketing.metrics()["stanzagate_tls_key_updates_total"] == 1


ACCEPTED = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
ACCEPTED |= {f"ECDHE-ECDSA-{cipher}" for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")}


def test_sslscan_finds_nothing(ticketing):
    command = ["sslscan", "--no-colour", "--sni-name=localhost", "--show-certificate", "%s:%d" % ticketing.direct]
    said = subprocess.run(command, capture_output=True, text=True, timeout=gates.PATIENCE_S).stdout
    versions = dict(re.findall(r"^(SSLv\d|TLSv1\.\d)\s+(enabled|disabled)$", said, re.M))
    # It offers no extended master secret, without which there is no TLS 1.2 here.
    assert versions == dict.fromkeys(["SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2"], "disabled") | {"TLSv1.3": "enabled"}, said
    assert set(re.findall(r"^(?:Preferred|Accepted)\s+\S+\s+\d+ bits\s+(\S+)", said, re.M)) <= ACCEPTED
    assert len(re.findall(r"^(?:Preferred|Accepted) ", said, re.M)) >= 3, said
    assert "Session renegotiation not supported" in said
    assert not re.search(r"vulnerable to heartbleed$", said.replace("not vulnerable", ""), re.M), said
    assert set(re.findall(r"^TLSv1\.3\s+\d+ bits\s+(\S+)", said, re.M)) == {"secp256r1", "x25519"}, said
