"""More clients than the process may have descriptors."""
import json
import re
import resource
import subprocess

import gate as gates
import pytest

LOAD = gates.BUILD / "bench" / "stanzagate-load"
PASSWORD = "one for all"
LIMIT, WORKERS, CLIENTS = 64, 4, 100
PATIENT = {"limits": {"login_ms_max": 120000}, "tls": {"handshake_ms_max": 60000}}  # all log in at once


def few_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))


@pytest.fixture
def start(make_gate):
    def start(direct_descriptors):
        home = gates.new_folder("descriptors")
        for number in range(3):
            gates.add_account(home / "accounts.db", f"u{number}", PASSWORD)
        return make_gate(
            config={"workers": WORKERS, "io": {"direct_descriptors": direct_descriptors}, **PATIENT}, home=home, preexec=few_descriptors
        )

    return start


def load(gate, *options):
    host, port = gate.direct
    command = [LOAD, "--host", host, "--port", port, "--ca", gate.authority, "--password", PASSWORD, "--users", 3, "--quiet", "--direct"]
    command += ["--mechanism", "PLAIN", "--clients", CLIENTS, "--login-timeout", 120, *options]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300)
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("direct_descriptors", ["auto", "on"])
def test_more_clients_than_descriptors(start, direct_descriptors):
    gate = start(direct_descriptors)
    if "worker.descriptors" in gate.log():
        pytest.skip("this kernel has no direct descriptors of use")
    assert re.search(rf"direct_descriptors={LIMIT}\b", gate.log())
    code, report = load(gate, "--seconds", 1, "--window", 1)
    assert code == 0, report
    assert (report["online"], report["lost"]) == (CLIENTS, 0)
    gates.wait_until(lambda: gate.metrics()["stanzagate_direct_descriptors"] == 0, what="all places are free again")
    code, report = load(gate, "--seconds", 0)
    assert code == 0, "what was closed serves again"


def test_without_them_the_limit_is_named(start):
    gate = start("off")
    assert re.search(rf"gate.descriptors limit={LIMIT} clients_max=\d+ advice=.*LimitNOFILE", gate.log())
    assert gate.metrics()["stanzagate_direct_descriptors"] == 0
    code, report = load(gate, "--seconds", 0, "--login-timeout", 3)
    assert code == 1
    assert 0 < report["online"] < LIMIT
    assert re.search(rf"worker.descriptors_spent why=.* limit={LIMIT} clients=\d+ advice=.*LimitNOFILE", gate.log())
