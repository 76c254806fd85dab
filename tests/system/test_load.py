"""The load generator as a client: every mechanism over every kind of TLS, with nothing lost; and it says so when it is."""
import json
import subprocess

import gate as gates
import pytest

LOAD = gates.BUILD / "bench" / "stanzagate-load"
PASSWORD = "one for all"


@pytest.fixture
def crowd(make_gate):
    """A gate with accounts u0 to u3."""
    home = gates.new_folder("crowd")
    for number in range(4):
        gates.add_account(home / "accounts.db", f"u{number}", PASSWORD)
    return make_gate(home=home)


def load(gate, *options, direct=False, password=PASSWORD):
    host, port = gate.direct if direct else gate.starttls
    command = [LOAD, "--host", host, "--port", port, "--ca", gate.authority, "--password", password, "--users", 4, "--quiet"]
    command += ["--direct" if direct else "--starttls", *options]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60)
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"])
def test_every_mechanism(crowd, mechanism):
    for version in ["1.2", "1.3"]:
        for direct in [False, True]:
            code, report = load(
                crowd, "--mechanism", mechanism, "--tls", version, "--clients", 8, "--seconds", 1, "--window", 2, direct=direct
            )
            assert code == 0, report
            assert (report["online"], report["lost"], report["errors"]) == (8, 0, 0)
            assert report["tls"][version] == 8
            assert report["messages_received"] == report["messages_sent"] > 8


def test_a_wrong_password_is_a_failed_login(crowd):
    code, report = load(crowd, "--mechanism", "SCRAM-SHA-256", "--clients", 2, "--seconds", 1, password="another")
    assert code == 1
    assert (report["online"], report["login_failures"]) == (0, 2)


def test_what_it_measures_of_the_server(crowd):
    code, report = load(crowd, "--mechanism", "PLAIN", "--clients", 4, "--seconds", 1, "--window", 2, "--pid", crowd.pid, direct=True)
    assert code == 0, report
    assert report["cpu_us_per_stanza_user"] + report["cpu_us_per_stanza_system"] > 0
    assert report["rss_bytes_baseline"] > 0
