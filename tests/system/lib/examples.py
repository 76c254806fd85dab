"""The examples of deploy/ for two gates before two servers, with other addresses and places."""
import gate as gates
import xmppwire as xmpp


def replaced(text, places):
    """Each key is there: an example in which it is not is another one than its test knows."""
    for old, new in places.items():
        assert old in text, old
        text = text.replace(old, str(new))
    return text


class ExampleGate(gates.Gate):
    """links: address of a server in the example -> (host, port) here; authority: of links; certificates: domain -> (certificate, key)."""

    def __init__(self, example, number, links, authority, certificates):
        home, self.config, self.metrics_address = gates.new_folder("gate"), {"listeners": [0, 1]}, f"127.0.0.1:{gates.free_port()}"
        certificate, key = authority.issue(f"gate-{number}.internal")
        places = {
            "[::]:5222": "127.0.0.1:0",
            "[::]:5223": "127.0.0.1:0",
            "127.0.0.1:9109": self.metrics_address,
            "/run/stanzagate/control.sock": home / "control.sock",
            "\nlink:\n": "\nlink:\n  adopt_after_ms: 300\n",  # no test wants to wait for 5 seconds
            "/etc/stanzagate/links-ca.pem": authority.file,
            "/etc/stanzagate/gate-1.pem": certificate,
            "/etc/stanzagate/gate-1.key": key,
        }
        places |= {address: f"{host}:{port}" for address, (host, port) in links.items()}
        for domain, (of_domain, its_key) in certificates.items():
            places |= {f"/etc/stanzagate/{domain}.pem": of_domain, f"/etc/stanzagate/{domain}.key": its_key}
        config = home / "stanzagate.yaml"
        config.write_text(replaced(example.read_text(), places))
        gates.Program.__init__(self, [gates.GATE, "run", "-c", config], home)
        self.wait_ready()
        gates.wait_until(lambda: self.has_links(len(links)), what="a link of each worker to each server")

    def has_links(self, servers):
        now = self.metrics()
        return now["stanzagate_links_up"] == servers * now["stanzagate_workers"]


class Crowd:
    """Clients of one domain, at the gates by turns, whose session server dies."""

    def __init__(self, running, domain, authority, users):
        self.gates, self.clients = running, []
        for number, user in enumerate(users):
            self.clients.append(xmpp.Client(running[number % len(running)].direct, True, str(authority.file), domain=domain))
            assert self.clients[-1].login(user, "password").startswith(f"{user}@{domain}/")

    def check_all_reach_all(self, word):
        for one in self.clients:
            for other in self.clients:
                one.send(f"<message to='{other.jid}' type='chat'><body>{word} {one.jid}</body></message>")
        for other in self.clients:
            for one in self.clients:
                assert other.wait_message(f"{word} {one.jid}").get("from") == one.jid

    def sum(self, name):
        return sum(gate.metrics()[name] for gate in self.gates)

    def check_goes_on_without(self, server):
        """Some of them were its; nobody has to log in again."""
        self.check_all_reach_all("before")
        server.kill()
        gates.wait_until(lambda: self.sum("stanzagate_sessions_adopted_total") > 0, what="another server takes sessions over")
        gates.wait_until(lambda: self.sum("stanzagate_sessions_orphaned") == 0, what="all sessions are at home")
        self.check_all_reach_all("behind")
        assert self.sum("stanzagate_sessions_lost_total") == 0
        for client in self.clients:
            assert client.logout()
