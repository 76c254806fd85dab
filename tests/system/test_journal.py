"""The log in systemd's journal: the real one, in a place of its own."""
import ctypes
import json
import os
import pathlib
import subprocess

import gate as gates
import pytest
import xmppwire as xmpp

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a journal a place of its own")
CLONE_NEWNS = 0x00020000
LIBC = ctypes.CDLL(None, use_errno=True)
SCRIPT = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && exec /lib/systemd/systemd-journald"


class Journal(gates.Program):
    """systemd-journald with a /run that only it has, and those who enter."""

    def __init__(self):
        super().__init__(["unshare", "--mount", "bash", "-c", SCRIPT], gates.new_folder("journal"))
        there = pathlib.Path(f"/proc/{self.pid}/root/run/systemd/journal/socket")
        try:
            gates.wait_until(lambda: there.is_socket() or not self.running(), what="the journal")
        except TimeoutError:
            self.kill()
        if not self.running():
            pytest.skip(f"no journal can be had here: {self.log_tail()}")

    def enter(self):
        place = os.open(f"/proc/{self.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        if LIBC.setns(place, CLONE_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def find(self, *fields):
        """Entries that have all of these."""
        command = ["journalctl", "--no-pager", "-o", "json", *fields]
        done = subprocess.run(command, preexec_fn=self.enter, capture_output=True, text=True, timeout=gates.PATIENCE_S)
        return [json.loads(line) for line in done.stdout.splitlines()]


def login(address, authority):
    client = xmpp.Client(address, True, authority)
    client.login("alice", gates.PASSWORDS["alice"])
    return client


def test_events_and_their_fields(make_gate):
    journal = Journal()
    try:
        address = ("127.0.0.1", gates.free_port())
        gate = make_gate({"log": {"to": "journal", "level": "debug"}, "listeners": [{"address": "%s:%d" % address, "tls": "direct"}]},
                         preexec=journal.enter, ready=False)
        gates.wait_until(lambda: journal.find("STANZAGATE_EVENT=gate.ready"), what="the gate")
        alice = login(address, gate.authority)
        assert alice.logout()
        of_alice = gates.wait_until(lambda: len(found := journal.find(f"STANZAGATE_JID={alice.jid}")) >= 2 and found, what="alice's end")
        assert [entry["STANZAGATE_EVENT"] for entry in of_alice] == ["client.bound", "client.closed"]
        for entry in of_alice:
            assert (entry["SYSLOG_IDENTIFIER"], entry["PRIORITY"], entry["STANZAGATE_ADDRESS"], entry["_PID"]) == ("stanzagate", "7", "127.0.0.1", str(gate.pid))
        [session] = {entry["STANZAGATE_SESSION"] for entry in of_alice}
        assert of_alice[1]["MESSAGE"].startswith(f"client.closed session={session} ") and of_alice[1]["STANZAGATE_REASON"] == "client_end"
        assert gate.log() == "", "nothing is told twice"
    finally:
        journal.kill()
    # And where it is gone: not in silence.
    again = login(address, gate.authority)
    gate.wait_log(rf"debug client\.bound .*jid={again.jid}")
    assert again.logout()
