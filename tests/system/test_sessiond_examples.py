"""deploy/sessiond: what the installation puts where, and its examples for two gates before two processes on one database, started together."""
import re
import shlex
import subprocess

import gate as gates
import pytest
from examples import Crowd, ExampleGate, replaced
from test_link_security import Authority

EXAMPLES = gates.ROOT / "deploy" / "sessiond"
USERS = [f"user{number}" for number in range(6)]


def install(into):
    command = [EXAMPLES / "install", "--build", gates.BUILD, "--root", into]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=gates.PATIENCE_S).stdout


@pytest.fixture(scope="module")
def installed():
    into = gates.new_folder("installed")
    install(into)
    return into


def command_of(unit, places):
    """What systemd would start."""
    [words] = re.findall(r"^ExecStart=(.*)$", unit, re.M)
    return shlex.split(replaced(words, places))


def test_what_is_installed(installed):
    found = sorted(str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file())
    assert found == [
        "etc/stanzagate/sessiond.env", "etc/systemd/system/stanzagate-sessiond.service", "etc/systemd/system/stanzagate-sessiond@.service",
        "usr/local/bin/stanzagate-sessiond",
    ]
    for name in found[1:3]:
        unit = (installed / name).read_text()
        program = command_of(unit, {})[0]
        done = subprocess.run([f"{installed}{program}", "--version"], capture_output=True, text=True, timeout=gates.PATIENCE_S)
        assert done.stdout.startswith("stanzagate-sessiond "), done
        assert (installed / name).stat().st_mode & 0o777 == 0o644
    assert (installed / "etc/stanzagate-sessiond").stat().st_mode & 0o777 == 0o750


def test_a_second_installation_leaves_the_configuration(installed):
    config = installed / "etc/stanzagate/sessiond.env"
    config.write_text("ARGUMENTS=mine")
    assert "systemctl enable --now stanzagate-sessiond" in install(installed)
    assert config.read_text() == "ARGUMENTS=mine"


class Example(gates.Program):
    """One of the two, as its service would start it."""

    def __init__(self, installed, number, home, authority, certificate, key):
        self.link = ("127.0.0.1", gates.free_port())
        places = {
            "192.0.2.11:5291": f"127.0.0.1:{self.link[1]}",
            "/etc/stanzagate-sessiond/sessiond.pem": certificate,
            "/etc/stanzagate-sessiond/sessiond.key": key,
            "/etc/stanzagate-sessiond/links-ca.pem": authority.file,
        }
        config = home / f"sessiond-{number}.env"
        config.write_text(replaced((EXAMPLES / "sessiond-1.env").read_text(), places))
        words = subprocess.run(["sh", "-c", f'. {config}; printf %s "$ARGUMENTS"'], check=True, capture_output=True, text=True).stdout
        unit = (installed / "etc/systemd/system/stanzagate-sessiond@.service").read_text()
        places = {"/usr/local/bin": installed / "usr/local/bin", "/var/lib/stanzagate-sessiond": home, "%i": number, "$ARGUMENTS": words}
        folder = home / str(number)
        folder.mkdir()
        super().__init__(command_of(unit, places), folder)


def test_two_gates_before_two_processes_of_which_one_dies(installed, tmp_path):
    """Users of both gates write to each other, before and after one session server is killed; nobody is disconnected."""
    links, public = Authority(tmp_path / "links"), Authority(tmp_path / "public")
    for user in USERS:
        gates.add_account_at(tmp_path / "sessiond.db", "example.org", user, "password")
    pair, servers, running = links.issue("sessiond.internal"), [], []
    try:
        for number in (1, 2):
            servers.append(Example(installed, number, tmp_path, links, *pair))
        places = {f"192.0.2.11:529{number}": server.link for number, server in enumerate(servers, 1)}
        certificates = {"example.org": public.issue("example.org")}
        for number in (1, 2):
            running.append(ExampleGate(EXAMPLES / "gate.yaml", number, places, links, certificates))
        Crowd(running, "example.org", public, USERS).check_goes_on_without(servers[0])
    finally:
        problems = [program.stop() for program in reversed(servers[1:] + running)]
        if servers and servers[0].running():
            servers[0].kill()
    assert not any(problems), problems
