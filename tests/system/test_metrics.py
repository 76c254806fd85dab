"""What Prometheus sees."""
import pathlib
import re
import shutil
import subprocess
import urllib.error
import urllib.request

import gate as gates
import pytest
import xmppwire as xmpp


def test_promtool(gate):
    client = xmpp.Client(gate.starttls, False, gate.authority)
    client.login("alice", gates.PASSWORDS["alice"])
    client.ping()
    assert shutil.which("promtool"), "promtool is not installed"
    done = subprocess.run(["promtool", "check", "metrics"], input=gate.page()[1], capture_output=True, text=True, timeout=gates.PATIENCE_S)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    client.close()


def test_every_reason_and_every_counter_is_there(gate):
    tables = pathlib.Path(gates.ROOT / "cm" / "base")
    samples = gate.metrics()
    for name in re.findall(r"^CLOSE\((\w+)", (tables / "close.def").read_text(), re.M):
        assert f'stanzagate_clients_closed_total{{reason="{name.lower()}"}}' in samples, name
    for metric in re.findall(r"^COUNTER\(\w+,\s*\w, \"(\w+)\"", (tables / "counters.def").read_text(), re.M):
        assert any(sample.split("{")[0] == metric for sample in samples), metric


AEADS = {"AES128-GCM": "AES_128_GCM", "AES_128_GCM": "AES_128_GCM", "AES256-GCM": "AES_256_GCM", "AES_256_GCM": "AES_256_GCM",
         "CHACHA20": "CHACHA20_POLY1305"}


@pytest.mark.parametrize("direct, version, cipher", [
    (False, "1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"), (True, "1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (True, "1.2", "ECDHE-ECDSA-CHACHA20-POLY1305"), (True, "1.3", None)])
def test_what_one_client_counts(make_gate, direct, version, cipher):
    gate = make_gate()
    client = xmpp.Client(gate.direct if direct else gate.starttls, direct, gate.authority, version)
    if cipher:
        client.context.set_ciphers(cipher)
    client.login("alice", gates.PASSWORDS["alice"])
    client.send("<presence/>")
    client.send("<message to='nobody@localhost'/>")
    client.ping()
    # Bytes are counted when the kernel has said that it took them, which the client may see earlier.
    out = 'stanzagate_client_bytes_total{direction="out"}'
    gates.wait_until(lambda: gate.metrics()[out] >= client.wire.raw_in, what="all bytes to the client")
    at = gate.metrics()
    transport = "direct" if direct else "starttls"
    assert at[f'stanzagate_connections_accepted_total{{transport="{transport}"}}'] == 1
    assert at[f'stanzagate_clients_by_transport{{transport="{transport}"}}'] == 1
    assert at['stanzagate_clients{state="bound"}'] == 1
    aead = next(label for part, label in AEADS.items() if part in client.wire.tls.cipher()[0])
    assert at[f'stanzagate_tls_handshakes_total{{version="{version}",cipher="{aead}"}}'] == 1
    assert at["stanzagate_logins_total"] == 1
    assert at['stanzagate_stanzas_total{direction="in",kind="presence"}'] == 1
    assert at['stanzagate_stanzas_total{direction="in",kind="message"}'] == 1
    assert at['stanzagate_stanzas_total{direction="in",kind="iq"}'] >= 1
    assert at[out] == client.wire.raw_in, "bytes as on the wire"
    assert at["stanzagate_links_up"] == 2
    assert client.logout()
    gates.wait_until(lambda: gate.metrics()['stanzagate_clients{state="bound"}'] == 0, what="no client")
    assert gate.metrics()['stanzagate_clients_closed_total{reason="client_end"}'] == 1


def test_other_pages(gate):
    assert gate.page("/healthz")[0] == 200
    assert gate.page("/readyz")[0] == 200
    assert gate.page("/nothing")[0] == 404
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://{gate.metrics_address}/metrics", data=b"x", timeout=gates.PATIENCE_S)
    assert refused.value.code in (400, 404, 405)
