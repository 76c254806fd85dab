"""The examples for two gates before a cluster of two nodes of ejabberd (deploy/ejabberd), with other addresses and places, started together."""
import ejabberd
import gate as gates
import pytest
from examples import Crowd, ExampleGate, replaced
from test_link_security import Authority

pytestmark = pytest.mark.skipif(not ejabberd.is_there(), reason="there is no ejabberd")
EXAMPLES = gates.ROOT / "deploy" / "ejabberd"
USERS = [f"user{number}" for number in range(4)]


class Example(ejabberd.Ejabberd):
    def __init__(self, number, authority, certificate, join=None):
        home, self.join, self.path, self.users = gates.new_folder("ejabberd"), join, ejabberd.beams(), 0
        self.ip = f"127.0.0.{number}"
        self.direct, self.link = ("127.0.0.1", gates.free_port()), (self.ip, gates.free_port())
        self.places = [self.direct, self.link]
        (home / "server.pem").write_text("".join(path.read_text() for path in certificate))
        (home / "link.pem").write_text("".join(path.read_text() for path in authority.issue(f"ejabberd-{number}.internal")))
        places = {
            "port: 5222": f"port: {self.direct[1]}",
            "port: 5291": f"port: {self.link[1]}",
            "192.0.2.11": self.ip,
            "/etc/ejabberd/ejabberd.pem": home / "server.pem",
            f"/etc/ejabberd/ejabberd-{number}.internal.pem": home / "link.pem",
            "/etc/ejabberd/links-ca.pem": authority.file,
        }
        self.config = home / "ejabberd.yml"
        example = (EXAMPLES / "ejabberd.yml").read_text().split("\n", 1)[1].replace("ejabberd-1", f"ejabberd-{number}")
        self.config.write_text(replaced(example, places))
        self.cluster_port = join.cluster_port if join else gates.free_port()
        self.node = f"ejabberd{number}@{self.ip}"
        self.start(home)

    def first_steps(self):
        if self.join:
            return super().first_steps()
        return [f'ejabberd_auth:try_register(<<"{user}">>, <<"example.org">>, <<"password">>)' for user in USERS]


def test_two_gates_before_a_cluster_of_which_a_node_dies(tmp_path):
    """Users of both gates write to each other, before and after a node is killed; nobody is disconnected."""
    links, public = Authority(tmp_path / "links"), Authority(tmp_path / "public")
    certificate = public.issue("example.org")
    nodes, running = [], []
    try:
        nodes.append(Example(1, links, certificate))
        nodes.append(Example(2, links, certificate, join=nodes[0]))
        places = {f"192.0.2.1{number}:5291": node.link for number, node in enumerate(nodes, 1)}
        for number in (1, 2):
            running.append(ExampleGate(EXAMPLES / "gate.yaml", number, places, links, {"example.org": certificate}))
        Crowd(running, "example.org", public, USERS).check_goes_on_without(nodes[1])
    finally:
        problems = [program.stop() for program in reversed(nodes[:1] + running)]
        if nodes[1:] and nodes[1].running():
            nodes[1].kill()
    assert not any(problems), problems
