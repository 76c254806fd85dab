"""
Secrets with marks on them: after the clients have gone, none is in what the gate has written and said, nor in its memory; and
those of a client that lives are not in a core dump, where one is made at all.
"""
import base64
import os
import resource
import signal
import subprocess

import gate as gates
import pytest
import xmppwire as xmpp
from fixtures import clients

PASSWORD = "marked-password-7d1f0c6a9e"
needs_core = pytest.mark.skipif("ASAN_OPTIONS" in os.environ, reason="a sanitizer's process cannot be dumped")


def allow_core():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def abort(gate):
    """Whether a core dump was made, by the kernel's word."""
    gate.asked = True
    gate.process.send_signal(signal.SIGABRT)
    told = os.waitid(os.P_PID, gate.pid, os.WEXITED | os.WNOWAIT)
    gate.process.wait()
    return told.si_code == os.CLD_DUMPED


@pytest.mark.parametrize("program", [gates.GATE, gates.SESSIOND], ids=["gate", "sessiond"])
def test_calls_are_bound_before_there_are_secrets(program):
    """Bound when it is first made, a call leaves the vector registers on the stack, with the keys that are in them."""
    assert "BIND_NOW" in subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True).stdout


@needs_core
def test_no_core_is_dumped(make_gate):
    gate = make_gate({"workers": 1}, preexec=allow_core)
    assert not abort(gate)
    assert not list(gate.home.glob("core*"))


def secrets_of(client):
    """The traffic secrets of its connection, and the keys made of them; TLS 1.2: the master secret."""
    with open(client.keylog.name) as lines:
        found = {line.split()[0]: bytes.fromhex(line.split()[2]) for line in lines if not line.startswith("#")}
    wanted = {name: value for name, value in found.items() if name.startswith(("CLIENT_RANDOM", "CLIENT_TRAFFIC", "SERVER_TRAFFIC", "EXPORTER"))}
    name, _, bits = client.wire.tls.cipher()
    algorithm = "sha384" if "SHA384" in name else "sha256"
    keys = {
        f"key of {label}": xmpp.hkdf_expand_label(secret, b"key", b"", bits // 8, algorithm)
        for label, secret in wanted.items()
        if "TRAFFIC" in label
    }
    return wanted | keys


def memory_of(pid):
    """All that the process may write to, as it is now."""
    found = b""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            begin, end = (int(text, 16) for text in line.split()[0].split("-"))
            if "w" in line.split()[1] and "[v" not in line:
                memory.seek(begin)
                try:
                    found += memory.read(end - begin)
                except OSError:  # a ring's pages, which only the kernel reads
                    pass
    return found


def login_in_pieces(client, pieces):
    """PLAIN, in as many records, so that it is a part of an element for a while."""
    client.secure()
    text = f"<auth xmlns='{xmpp.SASL_NS}' mechanism='PLAIN'>{xmpp.plain_response('marked', PASSWORD)}</auth>".encode()
    step = -(-len(text) // pieces)
    for at in range(0, len(text), step):
        client.send(text[at : at + step])
    assert client.expect("ELEMENT").tag == f"{{{xmpp.SASL_NS}}}success"
    client.restart()
    client.greet()
    client.bind()
    client.ping()


def password_marks():
    """As it is, and in base64; of that also a part, in case that the rest was overwritten."""
    whole = base64.b64encode(f"\0marked\0{PASSWORD}".encode())
    return {"the password": PASSWORD.encode(), "its message": whole, "a part of its message": whole[12:32]}


@needs_core
def test_nothing_is_left_of_those_who_have_gone(make_gate, request):
    home = gates.new_folder("sessiond")
    gates.add_account(home / "accounts.db", "marked", PASSWORD)
    server = gates.Sessiond(f"unix:{home}/link", home)
    request.addfinalizer(lambda: server.running() and server.kill())
    link = [{"name": "session-1", "address": f"unix:{home}/link"}]
    gate = make_gate({"workers": 1, "core_dumps": True, "log": {"level": "debug"}, "backends": link}, preexec=allow_core)
    marks = password_marks()
    # The first, so that what the others leave behind is not overwritten by it.
    alive = xmpp.Client(gate.direct, True, gate.authority, "1.3")
    alive.login("marked", PASSWORD)
    for number, (version, direct) in enumerate([("1.2", True), ("1.2", False), ("1.3", True), ("1.3", False)]):
        for pieces in (1, 7, 200):
            client = xmpp.Client(gate.direct if direct else gate.starttls, direct, gate.authority, version)
            login_in_pieces(client, pieces)
            marks |= {f"{name}, {version}, {number}.{pieces}": value for name, value in secrets_of(client).items()}
            if pieces == 7:
                client.close()  # without a word
            else:
                assert client.logout()
    # Whose stream has ended is still there until the kernel has given back his connection: the one that lives is the only one left.
    gates.wait_until(lambda: clients(gate) == 1, what="the others are gone")
    turns = gate.metrics()["stanzagate_ticks_total"]
    gates.wait_until(lambda: gate.metrics()["stanzagate_ticks_total"] > turns + 1, what="the end of the turn in which they went")
    told = gate.log() + gate.page()[1] + server.log()
    living = secrets_of(alive)
    memory = memory_of(gate.pid)
    assert living["CLIENT_TRAFFIC_SECRET_0"] in memory, "what is there must be found"
    assert not [name for name, mark in marks.items() if mark in memory]
    assert abort(gate)
    assert server.stop() == ""
    (core,) = gate.home.glob("core*")
    dumped = core.read_bytes()
    core.unlink()
    assert gate.metrics_address.encode() in dumped, "what is there must be found"
    assert not [name for name, mark in (marks | living).items() if mark in dumped]
    assert not [name for name, mark in marks.items() if mark.hex() in told or mark.decode("latin-1") in told]
