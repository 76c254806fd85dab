"""The load generator as a client: every mechanism over every kind of TLS, with nothing lost; and it says so when it is."""
import base64
import html.parser
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import fakebackend
import gate as gates
import pytest
import xmppwire as xmpp
from fakebackend import Backend

LOAD = gates.BUILD / "bench" / "stanzagate-load"
PASSWORD = "one for all"
# Guards, no measures: for what is under way at the end of a run, and for a run with all that it waits for.
DRAIN, LIMIT_S = ["--drain", "60"], 300


@pytest.fixture
def crowd(make_gate):
    """A gate with accounts u0 to u3."""
    home = gates.new_folder("crowd")
    make_users("sessiond", home / "accounts.db", 4)
    return make_gate({"tls": {"tickets": True}}, home=home)


def make_users(server, to, count):
    command = [LOAD, "users", "--server", server, "--to", to, "--users", str(count), "--password", PASSWORD]
    subprocess.run(command, check=True, capture_output=True, timeout=gates.PATIENCE_S)


def run(gate, *options, direct=False, password=PASSWORD):
    host, port = gate.direct if direct else gate.starttls
    command = [LOAD, "--host", host, "--port", port, "--ca", gate.authority, "--password", password, "--users", 4, "--quiet"]
    command += ["--direct" if direct else "--starttls", *DRAIN, *options]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=LIMIT_S)


def load(gate, *options, **more):
    done = run(gate, *options, **more)
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


def test_how_it_goes_is_told_where_no_terminal_is(crowd):
    host, port = crowd.direct
    command = [LOAD, "--host", host, "--port", port, "--ca", crowd.authority, "--password", PASSWORD, "--users", "4", "--quiet", "--direct"]
    command += ["--clients", "4", "--window", "1", *DRAIN]
    more = (["--seconds", "1"], ["--seconds", "5", "--progress", "1"])
    silent, told = (subprocess.run([*map(str, command), *words], capture_output=True, text=True, timeout=LIMIT_S) for words in more)
    assert silent.stderr == ""
    assert len(re.findall(r"^run +\d+ s  online 4  \d+ stanzas/s .* errors 0$", told.stderr, re.MULTILINE)) >= 2, told.stderr


def test_clients_of_startalk(make_gate):
    home = gates.new_folder("crowd")
    make_users("sessiond", home / "accounts.db", 4)
    gate = make_gate({"listeners": [{"address": "127.0.0.1:0", "protocol": "startalk"}]}, home=home)
    host, port = gate.startalk
    command = [LOAD, "--host", host, "--port", port, "--ca", gate.authority, "--password", PASSWORD, "--users", 4, "--quiet"]
    command += ["--scenario", "startalk", "--clients", 20, "--seconds", 1, *DRAIN]
    for options in [["--window", 2], ["--messages-per-second", 300, "--size", "10-4000", "--mix", "chat=80,ping=20", "--churn", 5]]:
        done = subprocess.run([str(word) for word in command + options], capture_output=True, text=True, timeout=LIMIT_S)
        report = json.loads(done.stdout)
        assert done.returncode == 0, report
        assert (report["online"], report["lost"], report["errors"]) == (20, 0, 0)
        assert report["messages_acknowledged"] == report["messages_received"] == report["messages_sent"] > 8
    assert report["pings_answered"] == report["pings_sent"] > 20


# What is given in vain: words, and what is said of them.
REFUSED = [
    ("--watch gate=4194303", "--watch, --pid: there is no process 4194303"),
    ("--report /nonexistent/page.html", "--report: /nonexistent/page.html: No such file or directory"),
    ("--ca /nonexistent", "--ca: /nonexistent: no certificates could be read"),
    ("--clients 3 --window 1", "--clients: an even number"),
    ("--slow 5 --clients 8 --messages-per-second 9", "--slow: at most half of the --clients, those of --churn not counted: 4 here"),
    ("--resources 10 --clients 15 --messages-per-second 9", "--clients: with --room-size or --resources a multiple of it, here of 10"),
    ("--scenario mixed --clients 8", "--churn beside messages is of each 10th client"),
    ("--scenario login --churn 1", "--storm has no measured phase"),
    ("--forgive-overload", "--forgive-overload wants --storm"),
    ("--rate-logins x", '--rate-logins: found "x", allowed 0 to 1000000'),
    ("--scenario startalk --mechanism SCRAM-SHA-1", "--protocol startalk wants --mechanism PLAIN"),
    ("users --to x --server ejabberd --users 0", 'users: --users: found "0", allowed 1 to 100000000'),
    ("users --to x --server ejabberd --users many", 'users: --users: found "many", allowed 1 to 100000000'),
    ("users --to x --server ejabberd --iterations 1", 'users: --iterations: found "1", allowed 4096 to'),
    ("users --to x --server ejabberd --password &", 'users: --password: found "&", allowed 1 to 127 bytes without'),
    ("users --to x --server jabberd", 'users: --server: found "jabberd", allowed sessiond, prosody or ejabberd'),
    ("users --server ejabberd", "users: found no --to, allowed options"),
    ("users --to x --server ejabberd more", "users: found more, allowed options"),
]


@pytest.mark.parametrize("words, said", REFUSED)
def test_what_cannot_be_done_is_refused_at_once_with_the_reason(words, said, tmp_path):
    done = subprocess.run([LOAD, *words.split()], capture_output=True, text=True, timeout=gates.PATIENCE_S, cwd=tmp_path)
    assert done.returncode == 2 and not done.stdout
    assert said in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text, said",
    [
        ("# a storm\nstorms 1\n", "{}:2: storms: no such option"),
        ("\n\nclients none\n", '{}:3: clients: found "none", allowed 1 to 1000000'),
        ("quiet\nclients\n", "{}:2: clients: wants a value"),
        ("clients 3\nwindow 1\n", "--clients: an even number, since messages go between pairs (or --echo) (clients: {}:1)"),
        ("direct\n\nstarttls", "--starttls and --direct exclude each other (starttls: {0}:3) (direct: {0}:1)"),
    ],
)
def test_a_file_of_options_is_named_with_the_line(text, said, tmp_path):
    (tmp_path / "options.load").write_text(text)
    done = subprocess.run([LOAD, "--file", tmp_path / "options.load"], capture_output=True, text=True, timeout=gates.PATIENCE_S)
    assert (done.returncode, done.stderr) == (2, said.format(tmp_path / "options.load") + "\n")


def test_every_scenario_is_one_that_can_be_run():
    told = subprocess.run([LOAD, "--help"], capture_output=True, text=True, timeout=gates.PATIENCE_S, check=True).stdout
    names = re.findall(r"^  (\w+) ", told.split("Scenarios:\n")[1].split("\nOptions:")[0], re.M)
    assert {"login", "idle", "chat", "startalk", "rooms", "presence", "mixed", "churn", "slow"} == set(names)
    for name in names:
        done = subprocess.run([LOAD, "--scenario", name, "--host", "no host"], capture_output=True, text=True, timeout=gates.PATIENCE_S)
        assert (done.returncode, done.stderr.split(":")[0]) == (2, "no host"), done.stderr
    for more in ("idle --mix ping=1 --messages-per-second 1", "chat --messages-per-second 1"):
        done = subprocess.run([LOAD, "--scenario", *more.split(), "--host", "no host"], capture_output=True, text=True, timeout=gates.PATIENCE_S)
        assert (done.returncode, done.stderr.split(":")[0]) == (2, "no host"), done.stderr


def test_accounts_for_prosody_and_ejabberd(tmp_path):
    make_users("prosody", tmp_path / "data", 2)
    assert f'["password"] = "{PASSWORD}"' in (tmp_path / "data" / "localhost" / "accounts" / "u1.dat").read_text()
    make_users("ejabberd", tmp_path / "users.xml", 2)
    assert f"<user name='u1' password='{PASSWORD}'/>" in (tmp_path / "users.xml").read_text()


@pytest.mark.parametrize("processes", [1, 2])
def test_a_mixed_day(crowd, processes):
    options = ["--scenario", "mixed", "--clients", 40, "--seconds", 1, "--messages-per-second", 300, "--churn", 10]
    code, report = load(crowd, *options, "--processes", processes)
    assert code == 0, report
    assert (report["online"], report["lost"], report["errors"], report["processes"]) == (40, 0, 0, processes)
    assert report["messages_received"] == report["messages_expected"] > 100
    assert report["pings_answered"] == report["pings_sent"] > 20
    assert report["returned"] > 3


def test_presence_reaches_every_client_of_the_account(crowd):
    code, report = load(crowd, "--scenario", "presence", "--clients", 12, "--resources", 3, "--seconds", 1, "--messages-per-second", 60)
    assert code == 0, report
    assert report["messages_received"] == 2 * report["messages_sent"] > 50


def test_those_who_come_back_resume(crowd):
    for options, resumed in [([], False), (["--resume"], True)]:
        code, report = load(crowd, "--scenario", "churn", "--clients", 8, "--churn", 20, "--seconds", 1, *options)
        assert code == 0, report
        assert report["returned"] > 5
        # A ticket is good for one return, and another comes with a whole handshake alone.
        assert (report["tls_resumed"] > report["returned"] / 4) if resumed else (report["tls_resumed"] == 0)


def test_that_nobody_resumed_is_said(make_gate):
    home = gates.new_folder("crowd")
    make_users("sessiond", home / "accounts.db", 4)
    done = run(make_gate({"tls": {"tickets": False}}, home=home), "--scenario", "churn", "--seconds", 1, "--resume")
    report = json.loads(done.stdout)
    assert (done.returncode, report["tls_resumed"]) == (0, 0) and report["returned"] > 5
    assert done.stderr == "--resume: no TLS session was resumed: nobody came back, or the server gives no tickets\n"


def test_those_who_come_back_resume_their_streams(crowd):
    done = run(crowd, "--scenario", "churn", "--presence", "--churn", 40, "--seconds", 4, "--resume-streams", direct=True)
    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert report["streams_resumed"] == report["returned"] > 50 and report["streams_refused"] == 0
    assert not done.stderr

    def closed(*reasons):
        return sum(crowd.metrics()[f'stanzagate_clients_closed_total{{reason="{reason}"}}'] for reason in reasons)

    # If the session server hears of the new connection first, it is by its word that the old one goes.
    gates.wait_until(lambda: closed("client_lost", "server_said") == report["returned"], what="the ends of those who came back")
    assert closed("client_end") == 20, "who resumes a stream has not ended it"
    _, report = load(crowd, "--scenario", "churn", "--seconds", 1, "--resume-streams", "--resume")
    assert report["streams_resumed"] == report["returned"] and report["tls_resumed"] > 5


class Forgetful(Backend):
    """Promises that streams can be resumed."""

    def element(self, session, payload):
        if b"<enable " in payload:
            session.send("<enabled xmlns='urn:xmpp:sm:3' id='a-stream' resume='true'/>")
        elif b"<resume " in payload:
            session.send("<failed xmlns='urn:xmpp:sm:3'/>")
        else:
            super().element(session, payload)


def test_streams_that_are_not_there_any_more_are_counted(make_gate, tmp_path, monkeypatch):
    monkeypatch.setattr(fakebackend, "BIND", fakebackend.BIND + "<sm xmlns='urn:xmpp:sm:3'/>")
    with Forgetful(tmp_path / "link") as backend:
        gate = make_gate({"workers": 1, "backends": [{"name": "session-1", "address": f"unix:{backend.path}"}]})
        done = run(gate, "--scenario", "churn", "--mechanism", "PLAIN", "--seconds", 1, "--resume-streams")
    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert report["streams_refused"] == report["returned"] > 5 and report["streams_resumed"] == 0
    assert done.stderr == "--resume-streams: no stream was resumed: nobody came back, or the server refused it\n"


def test_clients_that_do_not_read_are_given_enough_to_be_paused(crowd):
    host, port = crowd.direct
    command = [LOAD, "--host", host, "--port", port, "--direct", "--insecure", "--password", PASSWORD, "--quiet", "--scenario", "slow"]
    with subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE) as slow:
        gates.wait_until(lambda: crowd.metrics()["stanzagate_sessions_paused"] == 2, what="sessions that are paused")
        slow.terminate()


def test_clients_that_do_not_read_find_all_when_they_do(crowd):
    code, report = load(crowd, "--scenario", "slow", "--messages-per-second", 800, "--seconds", 2)
    assert code == 0, json.dumps(report)
    assert report["slow_received"] == report["slow_sent"] > 100
    assert report["slow_cut_off"] == 0 and report["messages_received"] == report["messages_expected"] > 1000


def test_clients_that_do_not_read_may_be_cut_off(crowd):
    options = ["--scenario", "slow", "--slow-size", 60000, "--messages-per-second", 600, "--seconds", 4]
    code, report = load(crowd, *options, "--users", 4, direct=True)
    assert code == 0, json.dumps(report)
    assert report["slow_cut_off"] == 2 and report["online"] == 18
    assert report["slow_received"] < report["slow_sent"]
    assert report["messages_received"] == report["messages_expected"] > 1000


def test_what_clients_that_do_not_read_are_compared_with(crowd):
    options = ["--scenario", "slow", "--clients", 8, "--slow", 2, "--messages-per-second", 100, "--size", "10", "--slow-size", "50000"]
    code, report = load(crowd, *options, "--slow-reads", "--seconds", 1)
    assert code == 0, report
    assert report["slow_received"] == report["slow_sent"] > 5
    assert report["messages_received"] == report["messages_expected"] > 50
    went = crowd.metrics()['stanzagate_client_bytes_total{direction="out"}']
    assert 1 < went / (50000 * report["slow_sent"]) < 1.2, "long messages are for those alone"


def test_a_storm_by_a_file(crowd, tmp_path):
    (tmp_path / "storm.load").write_text("# a storm\nscenario login\nstorm 2  # seconds\nparallel 8\nclients 8\n\n")
    code, report = load(crowd, "--file", tmp_path / "storm.load")
    assert code == 0, report
    assert report["logins_in_time"] > 8


def test_a_storm_leaves_out_what_it_cannot_begin_in_time(crowd):
    """However long all else takes here: each step waits for what the one before has brought about."""
    host, port = crowd.starttls
    command = [LOAD, "--host", host, "--port", port, "--insecure", "--password", PASSWORD, "--users", 4, "--quiet"]
    places = 50  # as many may be under way while it is stopped
    command += ["--storm", 300, "--rate-logins", 100, "--clients", places]

    def logins():
        return crowd.metrics()["stanzagate_logins_total"]

    with subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as storm:
        gates.wait_until(lambda: logins() > 10, what="logins")
        clients = int(pathlib.Path(f"/proc/{storm.pid}/task/{storm.pid}/children").read_text())
        os.kill(clients, signal.SIGSTOP)
        time.sleep(1)  # in which a hundred are due, at most the last 25 of them in time
        before = logins()
        os.kill(clients, signal.SIGCONT)
        gates.wait_until(lambda: logins() > before + places, what="logins again")
        storm.terminate()
        report = json.loads(storm.communicate(timeout=gates.PATIENCE_S)[0])
    assert report["logins_left_out"] > 50
    assert report["logins_in_time"] > 10
    assert report["logins_in_time"] + report["logins_without_a_place"] + report["logins_left_out"] <= report["logins_begun"]


def test_a_storm_of_logins_that_are_refused_has_failed(crowd, tmp_path):
    for more in ([], ["--forgive-overload"]):
        page = tmp_path / "page.html"
        done = run(crowd, "--scenario", "login", "--storm", 1, "--rate-logins", 20, "--report", page, *more, password="another")
        report = json.loads(done.stdout)
        assert done.returncode == 1, report
        assert report["error_counts"]["login"] == report["login_failures"] > 5
        assert report["logins_failed_by_overload"] == 0
        assert "u1@localhost/r10000: login was refused: <failure/> not-authorized" in done.stderr
        assert "The run has failed: 0 logins succeeded" in page.read_text() and "class=\"good\"" not in page.read_text()


class Choosy(Backend):
    """Everybody may log in but u1, who is told why not."""

    def __init__(self, path, condition):
        super().__init__(path)
        self.condition = condition

    def element(self, session, payload):
        if "<auth" in payload.decode() and "\0u1\0" in base64.b64decode(re.search(rb">(.*)<", payload)[1]).decode():
            session.send(f"<failure xmlns='{xmpp.SASL_NS}'><{self.condition}/></failure>")
        else:
            super().element(session, payload)


@pytest.mark.parametrize("condition, forgiven", [("temporary-auth-failure", True), ("not-authorized", False)])
def test_a_storm_forgives_overload_alone_and_only_when_asked_to(condition, forgiven, make_gate, tmp_path):
    page = tmp_path / "page.html"
    options = ["--scenario", "login", "--storm", 3, "--rate-logins", 20, "--mechanism", "PLAIN", "--report", page]
    with Choosy(tmp_path / "link", condition) as backend:
        gate = make_gate({"workers": 1, "backends": [{"name": "session-1", "address": f"unix:{backend.path}"}]})
        for more in ([], ["--forgive-overload"]):
            code, report = load(gate, *options, *more)
            assert report["logins_in_time"] > 2 * report["login_failures"] > 10, report
            assert report["logins_failed_by_overload"] == (report["login_failures"] if forgiven else 0)
            assert code == (0 if more and forgiven else 1)
            assert f", {report['login_failures']} failed, " in page.read_text()
            assert ("The run has failed" in page.read_text()) == (code == 1)


def test_a_storm_in_which_all_log_in(crowd, tmp_path):
    page = tmp_path / "page.html"
    code, report = load(crowd, "--scenario", "login", "--storm", 1, "--rate-logins", 40, "--report", page)
    assert code == 0, report
    assert "<span class=\"good\">" in page.read_text() and " logins succeeded, none failed.</span>" in page.read_text()
    assert "arrived" not in page.read_text()


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.titles, self.links, self.in_caption = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.in_caption |= tag == "figcaption"
        self.links += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        if self.in_caption:
            self.titles.append(data.strip())
        self.in_caption = False


def test_the_page(crowd, tmp_path):
    options = ["--clients", 8, "--window", 2, "--seconds", 2, "--watch", f"gate={crowd.pid}", "--report", tmp_path / "page.html"]
    code, report = load(crowd, *options, "--title", "A <test>")
    assert code == 0, report
    assert report["watched"]["gate"]["cpu_us_per_stanza_user"] >= 0
    text = (tmp_path / "page.html").read_text()
    page = Page(text)
    assert {"Latency by percentile", "Clients online", "Rates", "Processor time", "Resident memory"} <= set(page.titles)
    assert text.count('</i>gate</span>') == 2, "a process is named, also when it is the only one"
    assert not page.links and "<title>A &lt;test></title>" in text
    assert json.loads(re.search(r"<pre>(.*?)</pre>", text, re.S)[1])["online"] == 8


class Post:
    """Carries messages between the clients of a session server that behaves, but for the fifth."""

    def __init__(self, backend, fault):
        self.backend, self.fault, self.count, self.kept = backend, fault, 0, None
        backend.on_element = self.carry

    def deliver(self, session, xml):
        self.backend.bound(re.search(r" to='(.*?)'", xml)[1]).send(xml)

    def carry(self, session, xml):
        if not xml.startswith("<message"):
            return
        self.count += 1
        if self.count == 5:
            self.fault(self, session, xml)
        else:
            self.deliver(session, xml)
        if self.kept and self.count > 5 and self.kept[0] is session:
            self.deliver(*self.kept)
            self.kept = None


def lose(post, session, xml):
    pass


def double(post, session, xml):
    post.deliver(session, xml)
    post.deliver(session, xml)


def hold_back(post, session, xml):
    post.kept = session, xml


def misdeliver(post, session, xml):
    session.send(xml)
    post.deliver(session, xml)


def refuse(post, session, xml):
    session.send(re.sub(r" to='.*?'", "", xml).replace("'chat'", "'error'"))
    post.deliver(session, xml)


FAULTS = {"lost": lose, "duplicate": double, "order": hold_back, "stray": misdeliver, "stanza_error": refuse}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_goes_wrong_fails_the_run(fault, make_gate, tmp_path):
    with Backend(tmp_path / "link") as backend:
        gate = make_gate({"workers": 1, "backends": [{"name": "session-1", "address": f"unix:{backend.path}"}]})
        post = Post(backend, FAULTS[fault])
        options = ["--mechanism", "PLAIN", "--clients", 2, "--messages-per-second", 40, "--seconds", 1]
        options += ["--drain", 5] if fault == "lost" else []  # what is waited for does not come
        code, report = load(gate, *options)
    assert post.count > 10
    assert code == 1, report
    if fault == "lost":
        assert (report["lost"], report["errors"]) == (1, 0)
    else:
        assert (report["lost"], report["error_counts"]) == (0, {fault: 1})
