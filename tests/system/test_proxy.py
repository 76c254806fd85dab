"""PROXY headers as load balancers send them: who is believed, what the session server is told, and what is dropped."""
import socket
import struct
import time

import fakebackend as fake
import gate as gates
import pytest
import xmppwire as xmpp
from fakebackend import Backend

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LINE = b"PROXY TCP4 192.0.2.77 198.51.100.1 40001 5222\r\n"
LINE_6 = b"PROXY TCP6 2001:db8::77 2001:db8::1 40002 5223\r\n"


def binary(host, port, tlvs=b"", command=1):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    block = socket.inet_pton(family, host) * 2 + struct.pack(">HH", port, 5222) + tlvs
    return SIGNATURE + struct.pack(">BBH", 0x20 | command, 0x21 if ":" in host else 0x11, len(block)) + block


def proxied(version="any", trusted=("127.0.0.0/8",)):
    listeners = [{"address": "127.0.0.1:0", "tls": tls, "proxy": version} for tls in ("starttls", "direct")]
    return {"workers": 1, "listeners": listeners, "proxy": {"trusted": list(trusted)}}


@pytest.fixture
def backend(tmp_path):
    with Backend(tmp_path / "link") as backend:
        yield backend


def led(backend, config):
    return config | {"backends": [{"name": "session-1", "address": f"unix:{backend.path}"}]}


def connect(gate, header, direct=False, step=None):
    client = xmpp.Client(gate.direct if direct else gate.starttls, direct, gate.authority)
    for at in range(0, len(header), step or len(header)):
        client.wire.send_raw(header[at : at + (step or len(header))])
    return client


def where(backend):
    facts = backend.sessions[-1].facts
    return facts[fake.ADDRESS].decode(), struct.unpack(">H", facts[fake.PORT])[0]


@pytest.mark.parametrize("direct", [False, True], ids=["starttls", "direct"])
@pytest.mark.parametrize("step", [None, 1], ids=["whole", "split"])
@pytest.mark.parametrize("header, host, port", [
    (LINE, "192.0.2.77", 40001),
    (LINE_6, "2001:db8::77", 40002),
    (binary("192.0.2.78", 40003), "192.0.2.78", 40003),
    (binary("2001:db8::78", 40004, b"\4\0\3abc"), "2001:db8::78", 40004),
], ids=["line4", "line6", "binary4", "binary6"])
def test_the_client_s_own_address_is_told(backend, make_gate, header, host, port, step, direct):
    gate = make_gate(led(backend, proxied() | {"log": {"level": "debug"}}))
    client = connect(gate, header, direct, step)
    client.login("alice", "whatever", mechanism="PLAIN")
    assert where(backend) == (host, port)
    assert client.logout()
    gate.wait_log(rf"client.closed .*address=\"?{host}\"? port={port} ")


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", binary("192.0.2.1", 1, command=0), SIGNATURE + b"\x21\0\0\0"],
                         ids=["unknown", "local", "unspecified"])
def test_headers_that_name_nobody(backend, make_gate, header):
    gate = make_gate(led(backend, proxied()))
    client = connect(gate, header)
    own = client.wire.socket.getsockname()
    client.login("alice", "whatever", mechanism="PLAIN")
    assert where(backend) == own
    client.close()


def dropped(gate, data, direct=False, timeout=xmpp.TIMEOUT_S):
    """Whether the gate ends the connection without a byte."""
    with socket.create_connection(gate.direct if direct else gate.starttls, timeout=timeout) as wire:
        try:
            if data:
                wire.sendall(data)
            return wire.recv(1) == b""
        except ConnectionError:
            return True


HEADER = f"<stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='{xmpp.STREAM_NS}'>".encode()


@pytest.mark.parametrize("direct", [False, True], ids=["starttls", "direct"])
@pytest.mark.parametrize("version, data", [
    ("v1", HEADER),
    ("v1", b"\x16\x03\x01\x00\x05hello"),
    ("v1", binary("192.0.2.1", 1)),
    ("v2", LINE),
    ("any", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n" + HEADER),
    ("any", b"PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n" + HEADER),
    ("any", SIGNATURE + b"\x22\x11\0\x0c" + bytes(12)),
    ("any", binary("192.0.2.1", 1, b"\4\xff\xff")),
    ("any", binary("192.0.2.1", 1, b"\3\0\4\0\0\0\0")),
], ids=["XML", "TLS", "v2 for v1", "v1 for v2", "LF", "zero", "command", "TLV", "sum"])
def test_dropped_without_a_byte(gate_of, version, data, direct):
    gate = gate_of(proxied(version))
    before = gate.metrics()['stanzagate_clients_closed_total{reason="proxy"}']
    assert dropped(gate, data, direct)
    assert gate.metrics()['stanzagate_clients_closed_total{reason="proxy"}'] == before + 1


@pytest.fixture
def gate_of():
    from fixtures import POOL

    return POOL.get


@pytest.mark.parametrize("data", [b"", LINE[:-1], binary("192.0.2.1", 1)[:-1]], ids=["nothing", "half a line", "half a block"])
def test_the_header_has_a_deadline(gate_of, data):
    """At least 3 s (2 of the specification), and long before that of a login."""
    gate, slow = gate_of(proxied()), 'stanzagate_clients_closed_total{reason="proxy_slow"}'
    before, began = gate.metrics()[slow], time.monotonic()
    assert dropped(gate, data)
    assert 2.9 < time.monotonic() - began < 20
    assert gate.metrics()[slow] == before + 1


def test_a_second_header_is_the_client_s(gate_of):
    """A client that sends one itself is not believed: it is but XML that is none."""
    gate = gate_of(proxied())
    client = connect(gate, LINE + LINE_6)
    client.expect("HEADER")
    assert xmpp.stream_error(client.expect("ELEMENT")) == "not-well-formed"
    client.close()


def test_untrusted(gate_of):
    gate = gate_of(proxied(trusted=("192.0.2.0/24", "::1")))
    assert dropped(gate, LINE + HEADER) and dropped(gate, None) and dropped(gate, binary("192.0.2.1", 1), True)
    assert gate.metrics()["stanzagate_proxy_untrusted_total"] == 3
    gate.wait_log(r"proxy.untrusted .*address=\"?127\.0\.0\.1")


def test_a_header_where_none_is_asked_for(gate):
    assert not dropped(gate, LINE)  # an error that is said: on this listener it is a client's XML
    client = connect(gate, LINE)
    client.expect("HEADER")
    assert xmpp.stream_error(client.expect("ELEMENT")) == "not-well-formed"
    client.close()
