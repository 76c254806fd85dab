"""The command line and the configuration."""
import json
import pathlib
import re
import signal
import socket
import subprocess

import gate as gates
import pytest
import xmppwire as xmpp


def stanzagate(*words):
    return subprocess.run([str(gates.GATE), *map(str, words)], capture_output=True, text=True, timeout=gates.PATIENCE_S)


def good():
    certificate, key = gates.certificate()
    return {"listeners": [{"address": "127.0.0.1:0", "tls": "starttls"}], "tls": {"certificate": str(certificate), "key": str(key)},
            "metrics": {"address": "off"}}


def test_version_and_help():
    assert re.fullmatch(r"stanzagate \d+\.\d+\.\d+\n", stanzagate("--version").stdout)
    done = stanzagate("--help")
    assert done.returncode == 0 and "run" in done.stdout and "check" in done.stdout
    for wrong, told in WRONG_WORDS.items():
        done = stanzagate(*wrong)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"stanzagate: {told}; see stanzagate --help\n"), wrong


COMMANDS = "allowed run, check, ctl, example, reference or metrics"
WRONG_WORDS = {
    (): f"command: found none, {COMMANDS}",
    ("sing",): f'command: found "sing", {COMMANDS}',
    ("run",): "run: found no --config, allowed --config FILE",
    ("run", "-c"): "--config: found no value, allowed one",
    ("run", "now"): 'run: found "now" behind it, allowed options',
    ("example", "-c", "file"): "example: found --config, allowed none",
    ("--nonsense",): "--nonsense: found an unknown option, allowed --config, --help, --version",
}


def test_the_bundled_server_hashes_passwords_alike_in_the_gate_and_alone():
    alone = subprocess.run([str(gates.SESSIOND), "--help"], capture_output=True, text=True, check=True, timeout=gates.PATIENCE_S).stdout
    [rounds] = re.findall(r"--iterations N +of SCRAM .*\((\d+)\)", alone)
    assert f"| `sessiond.iterations` | `{rounds}` |" in stanzagate("reference").stdout


def test_a_good_configuration(tmp_path):
    file = tmp_path / "gate.yaml"
    file.write_text(json.dumps(good()))
    done = stanzagate("check", "-c", file)
    assert (done.returncode, done.stderr) == (0, "")


FAULTS = {
    "an unknown key": ("listener: []\n", r":1: listener: found .*allowed.*listeners"),
    "a number too high": ("limits: {depth_max: 257}\n", r":1: limits\.depth_max: found .*257.*allowed 4 to 256"),
    "a number too low": ("limits:\n  depth_max: 3\n", r":2: limits\.depth_max: found .*3.*allowed 4 to 256"),
    "no number": ("drain_ms_max: soon\n", r":1: drain_ms_max: found .*soon.*allowed 0 to 600000"),
    "a word that is none": ("log: {level: loud}\n", r":1: log\.level: found .*loud.*allowed .*error.*warning.*info.*debug"),
    "a key twice": ("workers: 1\nworkers: 2\n", r":2: workers: found"),
    "no YAML": ("workers: [1\n", r":\d+: .*found"),
    "an address that is none": ("metrics: {address: nowhere}\n", r":1: metrics\.address: found .*nowhere"),
    "a link over the network": ("backends: [{name: a, address: 'tcp:192.0.2.1:5'}]\n", r":1: backends\[0\]\.address: found .*192\.0\.2\.1.*allowed"),
    "a list that is none": ("listeners: 5222\n", r":1: listeners: found .*5222"),
    "a file that is not there": ("tls: {certificate: /nowhere.pem}\n", r":1: tls\.certificate: found .*/nowhere\.pem"),
}


@pytest.mark.parametrize("text, pattern", FAULTS.values(), ids=FAULTS.keys())
def test_faults_name_file_line_key_found_and_allowed(text, pattern, tmp_path):
    file = tmp_path / "gate.yaml"
    file.write_text(text)
    done = stanzagate("check", "-c", file)
    assert done.returncode == 1
    assert re.search(re.escape(str(file)) + pattern, done.stderr), done.stderr
    run = stanzagate("run", "-c", file)
    assert run.returncode != 0 and run.stderr


NO_GOOD_FILES = {
    "a secret that is short": ("link", "secret", "short.key", r"\(a shared key has 32 to 1024 bytes\), allowed a file of 32 to 1024 bytes"),
    "authorities that are none": ("link", "ca", "empty.pem", r"\(no certificates of authorities \(.*\)\), allowed a PEM file of the authorities"),
    "a key for a certificate": ("tls", "certificate", "key.pem", r"\(no start line\), allowed a PEM file of the certificate and its chain"),
    "a certificate for a key": ("tls", "key", "certificate.pem", r"\(.*\), allowed a PEM file of the certificate's private key"),
    "ticket keys that are none": ("tls", "ticket_keys", "short.key", r"\(not three keys of 80 bytes\), allowed a file of ticket keys"),
    "a further certificate": ("certificates", "key", "short.key", r"\(.*\), allowed a PEM file of its private key"),
}


@pytest.mark.parametrize("group, key, name, reason", NO_GOOD_FILES.values(), ids=NO_GOOD_FILES.keys())
def test_files_that_cannot_be_used_are_told_before_the_gate_runs(group, key, name, reason, tmp_path):
    """By check, and in the same words by run."""
    for other, text in {"short.key": "short\n", "empty.pem": ""}.items():
        (tmp_path / other).write_text(text)
    certificate, secret = gates.certificate()
    (tmp_path / "key.pem").write_bytes(pathlib.Path(secret).read_bytes())
    (tmp_path / "certificate.pem").write_bytes(pathlib.Path(certificate).read_bytes())
    config = {"tls": {"certificate": "certificate.pem", "key": "key.pem", "tickets": True}, "link": {}, "certificates": []}
    if group == "certificates":
        config["certificates"] = [{"certificate": "certificate.pem", key: name}]
    else:
        config[group][key] = name
    text = json.dumps(config, indent=1)
    file = tmp_path / "gate.yaml"
    file.write_text(text[:-2] + ',\n "listeners": [{"address": "127.0.0.1:0"}], "metrics": {"address": "off"}, "sandbox": no, "sessiond": {"database": ":memory:"}\n}\n')
    line = next(number for number, line in enumerate(file.read_text().splitlines(), 1) if f'"{key}": "{name}"' in line)
    told = rf"{re.escape(str(file))}:{line}: {group}(\[0\])?\.{key}: found \\?\"{re.escape(str(tmp_path))}/{name}\\?\" {reason}"
    done = stanzagate("check", "-c", file)
    assert done.returncode == 1 and re.match(told, done.stderr) and done.stderr.count("\n") == 1, done.stderr
    run = stanzagate("run", "-c", file)
    assert run.returncode == 1 and re.search(r'gate\.failed what=configuration why=".*' + told, run.stderr), run.stderr


@pytest.mark.parametrize("certificate, key, wrong, reason", [("certificate.pem: old", "key.pem", "certificate", "no start line"),
                                                             ("other.pem", "key.pem", "key", "no private key of the certificate")],
                         ids=["a path that another one begins with", "a path that another key has"])
def test_a_file_that_cannot_be_used_is_told_at_the_key_that_names_it(certificate, key, wrong, reason, tmp_path):
    gates.make_certificate(tmp_path, "other.example")
    (tmp_path / "certificate.pem").rename(tmp_path / "other.pem")
    good_certificate, secret = gates.certificate()
    (tmp_path / "certificate.pem").write_bytes(pathlib.Path(good_certificate).read_bytes())
    (tmp_path / "key.pem").write_bytes(pathlib.Path(secret).read_bytes())
    (tmp_path / "certificate.pem: old").write_text("")
    config = good() | {"tls": {"certificate": "certificate.pem", "key": "key.pem"}, "certificates": [{"certificate": certificate, "key": key}]}
    file = tmp_path / "gate.yaml"
    file.write_text(json.dumps(config))
    done = stanzagate("check", "-c", file)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert re.search(rf'certificates\[0\]\.{wrong}: found "{tmp_path}/{ {"certificate": certificate, "key": key}[wrong] }" \({reason}', done.stderr), done.stderr


def test_what_is_hardly_meant_is_told_and_good(tmp_path):
    config = good()
    config["backends"] = [{"name": "a", "address": "file:/nowhere/list", "pool": "p"}]
    config["pools"] = [{"name": "p"}, {"name": "q", "domains": "a.example"}]
    file = tmp_path / "gate.yaml"
    file.write_text(json.dumps(config, indent=1))
    lines = file.read_text().splitlines()
    done = stanzagate("check", "-c", file)
    assert (done.returncode, done.stdout) == (0, f"{file}: good\n")
    address, name = (number for number, line in enumerate(lines, 1) if "/nowhere" in line or '"q"' in line)
    assert done.stderr.splitlines() == [
        f'warning: {file}:{address}: backends[0].address: found "file:/nowhere/list" (No such file or directory), '
        "allowed a file that can be read, sooner or later",
        f'warning: {file}:{name}: pools[1].name: found "q", which no backend is in, '
        "allowed a pool that backends name; users of its domains have no session server"]


def test_no_file(tmp_path):
    done = stanzagate("check", "-c", tmp_path / "none.yaml")
    assert done.returncode == 1 and "none.yaml" in done.stderr


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gate = gates.Gate({"listeners": [{"address": f"127.0.0.1:{port}", "tls": "starttls"}]}, ready=False)
        try:
            assert gate.wait_exit() != 0
            assert f":{port}" in gate.log() and "in use" in gate.log(), gate.log()
        finally:
            if gate.running():
                gate.kill()


def test_a_key_that_does_not_fit_the_certificate(tmp_path):
    gates.make_certificate(tmp_path, "localhost")
    other = gates.Gate({"tls": {"key": str(tmp_path / "key.pem")}}, ready=False)
    try:
        assert other.wait_exit() != 0
        assert "key" in other.log()
    finally:
        if other.running():
            other.kill()


def reload(gate, result):
    before = gate.metrics()[f'stanzagate_reloads_total{{result="{result}"}}']
    gate.signal(signal.SIGHUP)
    gates.wait_until(lambda: gate.metrics()[f'stanzagate_reloads_total{{result="{result}"}}'] == before + 1, what="the reload")


def peer_certificate(gate):
    client = xmpp.Client(gate.direct, True, None)
    client.secure()
    found = client.wire.tls.getpeercert(True)
    client.close()
    return found


def test_sighup_takes_a_new_certificate_and_new_limits(make_gate, tmp_path):
    gate = make_gate({"workers": 1})
    alice = xmpp.Client(gate.starttls, False, gate.authority)
    alice.login("alice", gates.PASSWORDS["alice"])
    before = peer_certificate(gate)
    gates.make_certificate(tmp_path, "localhost")
    gate.write_config({"tls": {"certificate": str(tmp_path / "certificate.pem"), "key": str(tmp_path / "key.pem")},
                       "limits": {"depth_max": 4}})
    reload(gate, "taken")
    # The worker takes it up in its next turn, after main has counted it.
    gates.wait_until(lambda: peer_certificate(gate) != before, what="the new certificate")
    alice.ping()
    gate.authority = str(tmp_path / "certificate.pem")
    bob = xmpp.Client(gate.starttls, False, gate.authority)
    bob.login("bob", gates.PASSWORDS["bob"])
    bob.send("<message><a><b><c><d/></c></b></a></message>")
    assert xmpp.stream_error(bob.expect("ELEMENT")) == "policy-violation"
    assert alice.logout()


@pytest.mark.parametrize("change", [{"limits": {"depth_max": 1}}, {"workers": 1}, {"tls": {"certificate": "/nowhere.pem"}}],
                         ids=["a fault", "what cannot be reloaded", "no certificate"])
def test_sighup_with_a_fault_changes_nothing(change, make_gate):
    gate = make_gate()
    before = peer_certificate(gate)
    gate.write_config(change)
    reload(gate, "failed")
    assert peer_certificate(gate) == before
    alice = xmpp.Client(gate.starttls, False, gate.authority)
    alice.login("alice", gates.PASSWORDS["alice"])
    assert alice.logout()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_gate_ends_although_a_client_does_not(number, make_gate):
    """A client that never answers cannot hold it up for longer than drain_ms_max."""
    gate = make_gate({"drain_ms_max": 500})
    alice = xmpp.Client(gate.starttls, False, gate.authority)
    alice.login("alice", gates.PASSWORDS["alice"])
    gate.signal(number)
    assert gate.wait_exit() == 0
    assert xmpp.stream_error(alice.expect("ELEMENT")) == "system-shutdown"
