"""What a running gate has given up: its user, system calls, and what the service manager hears."""
import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import socket

import gate as gates
import pytest
import xmppwire as xmpp


def tasks(pid):
    """For each thread what /proc says of it."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the kernel's own workers come and go
            yield dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)


@pytest.mark.skipif(gates.is_sanitized(), reason="sanitizers need more")
def test_every_thread_has_the_filter(make_gate):
    gate = make_gate()
    gate.wait_log(r"gate\.confined")
    found = list(tasks(gate.pid))
    assert len(found) >= 4, "workers, the pages, the bundled session server"
    assert {(one["Seccomp"].strip(), one["NoNewPrivs"].strip()) for one in found} == {("2", "1")}
    alice = xmpp.Client(gate.starttls, False, gate.authority)
    alice.login("alice", gates.PASSWORDS["alice"])
    alice.ping()
    gate.write_config({"limits": {"depth_max": 5}})
    gate.signal(signal.SIGHUP)  # reads files again
    gate.wait_log(r"reload\.done")
    assert alice.logout()


def test_without_the_filter(make_gate):
    gate = make_gate({"sandbox": False})
    gate.wait_log(r"gate\.unconfined why=\"sandbox: no\"")
    assert {one["Seccomp"].strip() for one in tasks(gate.pid)} == {"0"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another")
def test_root_becomes_another_user(make_gate):
    nobody = pwd.getpwnam("nobody")
    home = gates.new_folder("user")
    certificate, key = gates.certificate()
    for file in (certificate, key, gates.accounts()):
        shutil.copy(file, home / file.name)
    for path in (home, *home.iterdir()):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    for folder in (gates.run_folder(),):
        os.chmod(folder, 0o755)
    # A port that only root may have, at an address that is this test's alone.
    gate = make_gate({"user": "nobody", "control": {"socket": str(home / "control.sock")}, "sessiond": {"database": str(home / "accounts.db")},
                      "tls": {"certificate": str(home / certificate.name), "key": str(home / key.name)},
                      "listeners": [{"address": "127.0.0.1:0", "tls": "starttls"}, {"address": f"127.1.{os.getpid() >> 8 & 255}.{os.getpid() & 255}:843", "tls": "direct"}]})
    for one in tasks(gate.pid):
        assert one["Uid"].split() == [str(nobody.pw_uid)] * 4 and one["Gid"].split() == [str(nobody.pw_gid)] * 4
        assert int(one["CapEff"], 16) == int(one["CapPrm"], 16) == 0
    assert (home / "control.sock").stat().st_uid == nobody.pw_uid
    alice = xmpp.Client(gate.direct, True, gate.authority)
    alice.login("alice", gates.PASSWORDS["alice"])
    assert alice.logout()
    assert "gate.root" not in gate.log()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another")
def test_a_key_that_only_root_may_read(tmp_path):
    """Better at start than when it is renewed."""
    gates.make_certificate(tmp_path, "localhost")
    gate = gates.Gate({"user": "nobody", "tls": {"certificate": str(tmp_path / "certificate.pem"), "key": str(tmp_path / "key.pem")}}, ready=False)
    assert gate.wait_exit() == 1
    assert "gate.failed" in gate.log() and "ermission denied" in gate.log()


def test_the_service_manager_is_told(make_gate, tmp_path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(60)
        # Heard from the beginning: a manager that does not listen is waited for.
        gate = make_gate(env={**os.environ, "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"}, ready=False)

        def next_but(word):
            while (heard := manager.recv(100)) == word:
                pass
            return heard

        assert next_but(b"WATCHDOG=1") == b"READY=1"
        assert [manager.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        gate.signal(signal.SIGTERM)
        assert next_but(b"WATCHDOG=1") == b"STOPPING=1"
        assert gate.wait_exit() == 0
