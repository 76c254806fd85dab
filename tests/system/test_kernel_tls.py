"""
The kernel's record engine, forced on, off, and by itself, on whatever kernel this is: where it has no TLS, everything goes on
without. tests/run-ktls runs these on a kernel that has it.
"""
import os
import socket
import struct

import gate as gates
import pytest
import xmppwire as xmpp
from test_load import PASSWORD, load
from test_tls import Typing

SUITES = {
    ("1.2", "AES_128_GCM"): ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"],
    ("1.2", "AES_256_GCM"): ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"],
    ("1.2", "CHACHA20_POLY1305"): ["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"],
    ("1.3", "AES_128_GCM"): ["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"],
    ("1.3", "AES_256_GCM"): ["-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"],
    ("1.3", "CHACHA20_POLY1305"): ["-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"],
}


def kernel_has_tls():
    """As any program finds out: a connected socket takes the upper layer protocol, or not."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        try:
            client.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
            return True
        except OSError:
            return False


TCP_ULP = 31
USES = ["on", "off", "auto"]
if not kernel_has_tls():  # then one is like the other
    USES = ["on"]
    SUITES = dict(list(SUITES.items())[2:4])
SLOW, QUICK = 10**12, 1000  # bytes in a second: never, and at once


def make(make_gate, use, rate=QUICK, **more):
    return make_gate({"tls": {"kernel": use, "kernel_bytes_per_s": rate}, "log": {"level": "debug"}}, **more)


def connections(metrics):
    """How many there are by engine."""
    engines = ["user", "kernel_send", "kernel"]
    return {e: n for e in engines if (n := metrics[f'stanzagate_tls_connections{{engine="{e}"}}'])}


def wait_engine(gate, engine):
    gates.wait_until(lambda: connections(gate.metrics()) == {engine: 1}, what=f"one connection by {engine}")


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("version, cipher", SUITES)
def test_the_engine_and_how_it_ends(make_gate, version, cipher, use):
    """Every suite; the client ends its stream, and both sides their TLS (s_client says 0 when that was in order)."""
    gate = make(make_gate, use)
    engine = gate.engine(version, cipher)
    client = Typing(gate, *SUITES[version, cipher])
    try:
        client.login("alice")
        for number in range(3):
            client.ping(f"p{number}" + 1000 * "x")
        wait_engine(gate, engine)
        client.ping("again")
        assert client.end() == 0
    finally:
        client.process.kill()
    gate.wait_log(rf" client\.closed .*tls={engine} reason=client_end")
    gates.wait_until(lambda: connections(gate.metrics()) == {}, what="nobody left")
    metrics = gate.metrics()
    assert metrics["stanzagate_tls_kernel_failures_total"] == 0
    assert metrics['stanzagate_tls_kernel_promotions_total{direction="send"}'] == (engine != "user")
    assert metrics['stanzagate_tls_kernel_promotions_total{direction="receive"}'] == (engine == "kernel")


def test_the_log_says_what_the_kernel_can(make_gate):
    gate = make(make_gate, "auto")
    [line] = gate.wait_log(r" tls\.kernel send=.*")
    can = gate.kernel_can("1.3", "CHACHA20_POLY1305", "send")
    assert ("1.3/CHACHA20_POLY1305" in line.group()) == can
    assert ('why_not=""' in line.group()) == can
    if os.environ.get("STANZAGATE_TEST_GUEST"):
        assert can, "the guest has a kernel with TLS"


def test_off_asks_the_kernel_nothing(make_gate):
    gate = make(make_gate, "off")
    assert " tls.kernel " not in gate.log()
    assert not any(n for name, n in gate.metrics().items() if "kernel_capability" in name)


def test_a_reload_changes_it(make_gate):
    gate = make(make_gate, "off")
    before = gate.log().count("fleet.taken")
    gate.write_config({"tls": {"kernel": "on"}})
    gate.signal(gates.signal.SIGHUP)
    gate.wait_log(r"fleet\.taken", count=before + gate.config["workers"])  # behind the rest of the configuration
    client = xmpp.Client(gate.direct, True, gate.authority, "1.2")
    client.login("alice", gates.PASSWORDS["alice"])
    wait_engine(gate, gate.engine("1.2", "AES_256_GCM"))
    assert client.logout()


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_records_in_pieces_and_large_ones(make_gate, version, use):
    """Half a record, the rest later; records of 16 KiB in; and as large ones back."""
    gate = make(make_gate, use)
    client = xmpp.Client(gate.direct, True, gate.authority, version)
    client.login("alice", gates.PASSWORDS["alice"])
    for turn in range(3):
        body = f"{turn}" + "".join(chr(0x4E00 + n % 1000) for n in range(20000))
        text = f"<message to='{client.jid}' type='chat'><body>{body}</body></message>".encode()
        records = [client.wire.encrypt(text[at : at + 16384]) for at in range(0, len(text), 16384)]
        client.wire.send_raw(records[0][:10])
        before = gate.metrics()["stanzagate_ticks_total"]
        gates.wait_until(lambda: gate.metrics()["stanzagate_ticks_total"] > before + 2)
        client.wire.send_raw(records[0][10:])
        for record in records[1:]:
            half = len(record) // 2
            client.wire.send_raw(record[:half])
            client.wire.send_raw(record[half:])
        client.wait_message(body)
        client.ping()
    assert client.logout()


def test_a_slow_one_is_left_alone(make_gate):
    gate = make(make_gate, "auto", SLOW)
    client = xmpp.Client(gate.direct, True, gate.authority, "1.2")
    client.login("alice", gates.PASSWORDS["alice"])
    client.ping()
    wait_engine(gate, "user")
    assert client.logout()


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_load_with_every_message_checked(make_gate, version, use):
    home = gates.new_folder("crowd")
    for number in range(4):
        gates.add_account(home / "accounts.db", f"u{number}", PASSWORD)
    gate = make(make_gate, use, home=home)
    code, report = load(gate, "--mechanism", "PLAIN", "--tls", version, "--clients", 8, "--seconds", 2, "--window", 4, direct=True)
    assert code == 0, report
    assert (report["online"], report["lost"], report["errors"]) == (8, 0, 0)
    assert report["messages_received"] == report["messages_sent"] > 100
    metrics = gate.metrics()
    promoted = gate.engine(version, "AES_256_GCM") != "user"
    assert metrics['stanzagate_tls_kernel_promotions_total{direction="send"}'] == (8 if promoted else 0)
    assert metrics["stanzagate_tls_kernel_failures_total"] == 0


def test_a_request_for_our_key_where_it_stays(make_gate):
    """RFC 8446, 4.6.3: no text may follow before our KeyUpdate, which is not to be had. The client sees a clean end of TLS."""
    gate = make(make_gate, "on")
    if gate.engine("1.3", "AES_128_GCM") != "kernel_send":
        pytest.skip("a matter of kernels that have TLS but take no new keys")
    client = Typing(gate, *SUITES["1.3", "AES_128_GCM"])
    try:
        client.login("alice")
        client.ping("p")
        client.type("K")
        client.wait(rb"KEYUPDATE")
        client.wait(rb"closed")
        assert client.process.wait(gates.PATIENCE_S) == 0
    finally:
        client.process.kill()
    assert gate.metrics()['stanzagate_clients_closed_total{reason="tls_rekey"}'] == 1


@pytest.mark.parametrize("use", ["on", "off"])
def test_a_client_that_is_gone(make_gate, use):
    """A reset, and an end without close_notify: the gate goes on."""
    gate = make(make_gate, use)
    for reset in (True, False):
        client = xmpp.Client(gate.direct, True, gate.authority, "1.2")
        client.login("alice", gates.PASSWORDS["alice"])
        if reset:
            client.wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.wire.socket.close()
    gates.wait_until(lambda: connections(gate.metrics()) == {}, what="nobody left")
    gates.wait_until(lambda: gate.metrics()['stanzagate_clients_closed_total{reason="client_lost"}'] == 2, what="the counter")
