"""The examples for two gates before two Prosodys (deploy/prosody), with other addresses and places, started together."""
import subprocess

import gate as gates
import prosody
import pytest
import xmppwire as xmpp
from examples import ExampleGate, replaced
from test_link_security import Authority

pytestmark = pytest.mark.skipif(not prosody.is_there(), reason="there is no Prosody")
EXAMPLES = gates.ROOT / "deploy" / "prosody"
# What a test needs besides: all of it is the package's own choice on a real machine.
MORE = """
run_as_root = true
pidfile = "{home}/prosody.pid"
data_path = "{home}/data"
c2s_ports = {{ {port} }}
modules_disabled = {{ "s2s" }}
http_ports = {{}}
https_ports = {{}}
log = {{ info = "{home}/prosody.log" }}
ssl = {{ key = "{key}", certificate = "{certificate}" }}
"""


class Example(prosody.Prosody):
    def __init__(self, number, domain, authority):
        home = gates.new_folder("prosody")
        (home / "data").mkdir()
        self.direct, self.link = ("127.0.0.1", gates.free_port()), ("127.0.0.1", gates.free_port())
        self.places = [self.direct, self.link]
        certificate, key = authority.issue(f"prosody-{number}.internal")
        example = (EXAMPLES / "prosody.cfg.lua").read_text().split("\n", 2)[2]
        example = example.replace("prosody-1", f"prosody-{number}").replace("example.org", domain).replace("192.0.2.11", "127.0.0.1")
        places = {
            "/usr/local/lib/prosody/modules": gates.ROOT / "backends" / "prosody",
            "{ 5291 }": f"{{ {self.link[1]} }}",
            f"/etc/prosody/certs/prosody-{number}.internal.crt": certificate,
            f"/etc/prosody/certs/prosody-{number}.internal.key": key,
            "/etc/prosody/certs/links-ca.pem": authority.file,
        }
        self.config = home / "prosody.cfg.lua"
        more = MORE.format(home=home, port=self.direct[1], key=key, certificate=certificate)
        self.config.write_text(more + replaced(example, places))
        command = [prosody.program("prosodyctl"), "--config", self.config, "register", "alice", domain, "password"]
        subprocess.run(command, check=True, capture_output=True, timeout=gates.PATIENCE_S)
        self.start(home)


def ports(servers):
    return {f"192.0.2.1{number}:5291": server.link for number, server in enumerate(servers, 1)}


def test_two_gates_before_two_prosodys(tmp_path):
    """Each user is at home with one Prosody, by way of either gate, whose certificate is that of the user's domain."""
    links, public = Authority(tmp_path / "links"), Authority(tmp_path / "public")
    certificates = {domain: public.issue(domain) for domain in ("example.org", "example.net")}
    running = []
    try:
        running += [Example(1, "example.org", links)]
        running += [Example(2, "example.net", links)]
        running += [ExampleGate(EXAMPLES / "gate.yaml", number, ports(running[:2]), links, certificates) for number in (1, 2)]
        clients = {}
        for gate in running[2:]:
            for domain in certificates:
                client = xmpp.Client(gate.direct, True, str(public.file), domain=domain)
                clients[gate, domain] = client
                assert client.login("alice", "password").startswith(f"alice@{domain}/")
        for domain in certificates:
            one, other = (clients[gate, domain] for gate in running[2:])
            one.send(f"<message to='{other.jid}' type='chat'><body>over there</body></message>")
            assert other.wait_message("over there").get("from") == one.jid
        for client in clients.values():
            assert client.logout()
    finally:
        problems = [program.stop() for program in reversed(running)]
    assert not any(problems), problems
