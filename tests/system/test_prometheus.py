"""Prometheus and what is made of it: Debian's scrapes a gate, its rules fire when they should, and Grafana's queries find something."""
import json
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import gate as gates
import pytest
import xmppwire as xmpp

DEPLOY = gates.ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yml"
NAME = re.compile(r"\b(?:stanzagate|process)_\w+\b")


def alerts():
    return re.findall(r"^\s+- alert: (\w+)\n\s+expr: (.*)$", RULES.read_text(), re.M)


def dashboard_queries():
    board = json.loads((DEPLOY / "grafana" / "stanzagate.json").read_text())
    return [(panel["title"], target["expr"]) for panel in board["panels"] for target in panel["targets"]]


def test_rules_fire_when_they_should():
    for words in (["check", "config", "prometheus.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run(["promtool", *words], cwd=RULES.parent, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
    tested = re.findall(r"^  - name: (\w+)$", (RULES.parent / "alerts_test.yml").read_text(), re.M)
    assert tested == [name for name, _ in alerts()], "each alert has its test"


def test_every_alert_is_explained():
    text = (gates.ROOT / "docs" / "operating.md").read_text()
    for name, _ in alerts():
        assert f"| `{name}` |" in text, name


class Prometheus(gates.Program):
    """Debian's, with our configuration but for where gates are and how often it looks."""

    def __init__(self, target):
        home = gates.new_folder("prometheus")
        config = (RULES.parent / "prometheus.yml").read_text().replace("127.0.0.1:9109", target).replace("15s", "200ms")
        (home / "prometheus.yml").write_text(config)
        (home / "alerts.yml").write_text(RULES.read_text())
        self.address = f"127.0.0.1:{gates.free_port()}"
        words = ["prometheus", "--config.file=prometheus.yml", f"--storage.tsdb.path={home}/data", f"--web.listen-address={self.address}"]
        super().__init__(words, home)

    def get(self, path, **query):
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=gates.PATIENCE_S) as answer:
                return json.loads(answer.read())["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:
                return None  # it has just begun
            raise AssertionError(f"{query}: {error.read().decode()}") from None
        except OSError:
            return None

    def query(self, expression):
        data = self.get("query", query=expression)
        return data and data["result"]


@pytest.fixture(scope="module")
def prometheus():
    gate = gates.Gate()
    alice = xmpp.Client(gate.direct, True, gate.authority)
    alice.login("alice", gates.PASSWORDS["alice"])
    alice.ping()
    watcher = Prometheus(gate.metrics_address)
    gates.wait_until(lambda: watcher.query('up{job="stanzagate"} == 1'), what="the first look")
    # Rates need two.
    gates.wait_until(lambda: watcher.query("rate(stanzagate_ticks_total[1m])"), what="the second look")
    yield watcher
    watcher.kill()
    assert alice.logout()
    assert gate.stop() == ""


def test_every_metric_arrives(prometheus):
    arrived = set(prometheus.get("label/__name__/values"))
    documented = set(re.findall(r"^\| `(\w+)` \| (?:counter|gauge)", (gates.ROOT / "docs" / "metrics.md").read_text(), re.M))
    missing = documented - arrived
    assert missing <= {"stanzagate_tls_staple_expiry"}, "there is no staple here"
    assert prometheus.query('stanzagate_clients{state="bound"}')[0]["value"][1] == "1"


def test_every_query_finds_something(prometheus):
    """Of dashboard and rules: each metric is there, and each query is answered, with data where it is no comparison."""
    arrived = set(prometheus.get("label/__name__/values")) | {"stanzagate_tls_staple_expiry"}
    queries = dashboard_queries() + alerts()
    assert len(queries) > 40
    for title, expression in queries:
        named = NAME.findall(re.sub(r'"[^"]*"', '""', expression))
        assert set(named) <= arrived and (named or title == "StanzagateDown"), (title, expression)
        plain = expression.replace("$__rate_interval", "1m").replace("$gate", ".*")
        assert "$" not in plain, (title, expression)
        result = prometheus.query(plain)
        assert result or re.search(r" [<>=]+ ", plain), (title, expression)


def test_no_alert_of_a_gate_that_is_well(prometheus):
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert len(rules) == len(alerts()) and all(rule["health"] in ("ok", "unknown") for rule in rules), rules
    assert [rule["name"] for rule in rules if rule["state"] == "firing"] == []
