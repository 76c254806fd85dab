"""An operator looks at the gate and steers it: stanzagate ctl."""
import contextlib
import fcntl
import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import termios

import gate as gates
import pytest
import xmppwire as xmpp


class Operator:
    def __init__(self, make_gate, more=None):
        self.home = gates.new_folder("control")
        self.socket = self.home / "control.sock"
        self.gate = make_gate(gates.merged({"control": {"socket": str(self.socket)}}, more or {}))

    def run(self, *words, user=None):
        command = [str(gates.GATE), "ctl", "-s", str(self.socket), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=gates.PATIENCE_S, user=user)

    def raw(self, request):
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(self.socket))
            asking.sendall(json.dumps(request).encode() + b"\n")
            return json.loads(asking.makefile().readline())

    def ask(self, *words, status=0):
        done = self.run("--json", *words)
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout)

    def login(self, user):
        client = xmpp.Client(self.gate.direct, True, self.gate.authority)
        client.login(user, gates.PASSWORDS[user])
        return client


@pytest.fixture
def operator(make_gate):
    return Operator(make_gate)


def test_every_command_speaks_to_people_too(operator):
    """Words of each answer, and the file of the configuration in the place of the socket."""
    alice = operator.login("alice")
    for words, wanted in {("status",): "healthy; ready", ("sessions", "find"): "alice@localhost/", ("sessions", "show", "alice@*"): "AES_",
                          ("sessions", "show", "*@localhost"): "1 of 1 session\n",
                          ("backends", "list"): "UNREAD", ("config", "show"): "limits.depth_max", ("config", "diff"): "what is in force",
                          ("log", "level"): "clients: their logins", ("top", "--count", "1"): "waiting   0 in handshakes, 0 for"}.items():
        done = operator.run(*words)
        assert done.returncode == 0 and wanted in done.stdout, (words, done.stdout, done.stderr)
    done = subprocess.run([str(gates.GATE), "ctl", "-c", str(operator.gate.config_path), "status"], capture_output=True, text=True, timeout=gates.PATIENCE_S)
    assert done.returncode == 0 and "healthy" in done.stdout, done.stderr
    assert alice.logout()


def test_status_has_the_numbers_of_the_metrics(operator):
    alice = operator.login("alice")
    alice.ping()
    now, page = operator.ask("status"), operator.gate.metrics()
    assert now["counters"]["clients_bound"] == page['stanzagate_clients{state="bound"}'] == 1
    assert now["counters"]["logins"] == page["stanzagate_logins_total"] == 1
    assert now["latency"]["to_server"]["count"] == page['stanzagate_latency_seconds_count{path="to_server"}'] > 0
    assert now["pid"] == operator.gate.pid and now["health"] is None and now["readiness"] is None
    assert [(backend["name"], backend["links_up"], backend["sessions"]) for backend in now["backends"]] == [("bundled", 2, 1)]
    assert alice.logout()


def test_a_session_is_found_shown_and_ended(operator):
    alice, bob = operator.login("alice"), operator.login("bob")
    alice.send("<message to='nobody@localhost'/>")
    alice.ping()
    port = alice.wire.socket.getsockname()[1]
    for who in ("alice@localhost", alice.jid, "alice@*", "127.0.0.*"):
        found = operator.ask("sessions", "find", who)["sessions"]
        assert alice.jid in [session["jid"] for session in found], who
    [session] = operator.ask("sessions", "find", alice.jid)["sessions"]
    assert (session["state"], session["backend"], session["tls"], session["direct"]) == ("bound", "bundled", "1.3", True)
    assert session["to_server"] >= 2 and session["address"] == "127.0.0.1" and session["port"] == port
    assert operator.ask("sessions", "find", session["session"])["sessions"][0]["jid"] == alice.jid
    assert operator.run("sessions", "kick", "*").returncode == 1, "not everybody by a slip"
    bob.ping()
    assert operator.ask("sessions", "kick", session["session"])["matched"] == 1
    assert xmpp.stream_error(alice.expect("ELEMENT")) == "policy-violation"
    assert operator.ask("sessions", "find", "alice@localhost", status=1)["matched"] == 0
    assert operator.gate.metrics()['stanzagate_clients_closed_total{reason="kicked"}'] == 1
    bob.ping()
    assert operator.ask("sessions", "kick", "b?b@*", "--many")["matched"] == 1


def test_many_sessions_take_many_turns(operator):
    """More than fit into a turn of a worker's loop; and rows are bounded where counts are not."""
    sockets = [socket.create_connection(operator.gate.starttls) for _ in range(300)]
    gates.wait_until(lambda: operator.gate.metrics()['stanzagate_clients{state="plain"}'] == 300, what="300 clients")
    found = operator.ask("sessions", "find", "--state", "plain", "--limit", "10000")
    assert found["matched"] == 300 and len({session["session"] for session in found["sessions"]}) == 300
    assert {session["port"] for session in found["sessions"]} == {each.getsockname()[1] for each in sockets}
    few = operator.ask("sessions", "find", "--state", "plain", "--limit", "7")
    assert few["matched"] == 300 and len(few["sessions"]) == 7
    assert operator.ask("sessions", "kick", "127.0.0.1", "--limit", "0")["matched"] == 300
    gates.wait_until(lambda: operator.gate.metrics()['stanzagate_clients_closed_total{reason="kicked"}'] == 300, what="their end")
    for each in sockets:
        each.close()


@pytest.fixture
def servers():
    made = [gates.Sessiond(f"unix:{gates.new_folder('link')}/socket") for _ in range(2)]
    yield made
    assert [server.stop() for server in made] == ["", ""]


def taken_up(operator, order):
    """What the order answers, once all workers have taken it up, which they do each in its own time."""
    before = operator.gate.log().count("fleet.taken")
    answer = order()
    operator.gate.wait_log(r"fleet\.taken", count=before + operator.gate.config["workers"])
    return answer


def test_a_drained_session_server_gets_no_new_sessions(servers, make_gate):
    backends = [{"name": f"s{i}", "address": server.listen} for i, server in enumerate(servers)]
    operator = Operator(make_gate, {"backends": backends, "sessiond": None})
    gates.wait_until(lambda: operator.gate.metrics()["stanzagate_links_up"] == 4, what="all links")

    def at():
        return {each["name"]: each["sessions"] for each in operator.ask("backends", "list")}

    alice = operator.login("alice")
    [mine] = [name for name, count in at().items() if count]
    other = "s1" if mine == "s0" else "s0"
    assert taken_up(operator, lambda: operator.ask("backends", "drain", mine)) == {"backend": mine, "drained": True}
    assert [each["drained"] for each in operator.ask("backends", "list") if each["name"] == mine] == [True]
    alice.ping()
    again = operator.login("alice")
    assert at() == {mine: 1, other: 1}, "the old session stays where it is"
    taken_up(operator, lambda: operator.gate.signal(1))  # a reload does not undo what was ordered
    third = operator.login("alice")
    assert at() == {mine: 1, other: 2}
    assert taken_up(operator, lambda: operator.ask("backends", "undrain", mine))["drained"] is False
    fourth = operator.login("alice")
    assert at() == {mine: 2, other: 2}
    assert operator.run("backends", "drain", "nobody").returncode == 1
    for client in (alice, again, third, fourth):
        assert client.logout()


def test_the_configuration_is_shown_compared_and_taken(operator):
    shown = operator.ask("config", "show")
    values = {value["key"]: value for value in shown["values"]}
    assert values["workers"]["value"] == "2" and not values["workers"]["default"] and values["limits.depth_max"]["default"]
    key = pathlib.Path(operator.gate.config["tls"]["key"])
    secret = "".join(key.read_text().splitlines()[1:-1])
    assert secret[:32] not in json.dumps(shown) and str(key) in json.dumps(shown), "the key's file, not the key"
    operator.gate.write_config({"limits": {"depth_max": 9}, "workers": 3})
    compared = operator.ask("config", "diff", status=1)
    lines = operator.gate.config_path.read_text().splitlines()
    line = next(number for number, line in enumerate(lines, 1) if "workers" in line)
    told = f'{operator.gate.config_path}:{line}: workers: found "3", allowed "2" until the gate is restarted'
    assert not compared["reload"] and compared["faults"] == [told]
    assert {each["key"]: each["file"] for each in compared["differences"]} == {"limits.depth_max": "9", "workers": "3"}
    assert not operator.ask("config", "reload", status=1)["taken"]
    operator.gate.write_config({"workers": 2})
    assert operator.ask("config", "reload")["taken"]
    assert operator.ask("config", "diff")["differences"] == []
    operator.gate.write_config({"tls": {"certificate": str(key)}})
    [fault] = operator.ask("config", "diff", status=1)["faults"]
    assert f': tls.certificate: found "{key}" (no start line), allowed a PEM file' in fault, "what a reload would find, too"
    assert operator.gate.metrics()['stanzagate_reloads_total{result="taken"}'] == 1


def test_levels_of_the_log(operator):
    def ends():
        alice = operator.login("alice")
        assert alice.logout()
        gates.wait_until(lambda: operator.ask("status")["counters"]["clients_bound"] == 0, what="its end")
        return operator.gate.log().count("client.closed")

    assert ends() == 0, "a usual end is worth a line at debug only"
    assert re.search(r'sessiond\.says line="alice@localhost has logged in from \S+" jid=alice@localhost address=127\.0\.0\.1', operator.gate.log())
    operator.ask("log", "level", "debug", "client")
    assert ends() == 1
    operator.ask("log", "level", "default", "client")
    operator.ask("log", "level", "debug")
    assert ends() == 2
    rooms = {room["room"]: room["level"] for room in operator.ask("log", "level", "error", "client")["rooms"]}
    assert rooms["client"] == "error" and rooms["link"] is None
    assert ends() == 2
    assert operator.run("log", "level", "loud").returncode == operator.run("log", "level", "info", "kitchen").returncode == 1


NOBODY = 65534
ASKS = """
import contextlib, socket, sys
asking = socket.socket(socket.AF_UNIX)
asking.connect(sys.argv[1])
with contextlib.suppress(BrokenPipeError):  # refused before a word was said
    asking.sendall(b'{"command": "log level"}\\n')
print(asking.makefile().readline())
"""
KEEPS_SILENT = """
import socket, sys
held = [socket.socket(socket.AF_UNIX) for _ in range(20)]
for each in held:
    each.connect(sys.argv[1])
print("there", flush=True)
sys.stdin.read()
"""


def reachable_for_all(operator):
    for folder in (gates.run_folder(), operator.home):
        os.chmod(folder, 0o755)
    os.chmod(operator.socket, 0o666)


def test_orders_for_servers_that_are_gone_make_room(servers, make_gate):
    """A gate lives for longer than session servers do, each of which has its name."""
    there = {"name": "there", "address": servers[0].listen}
    operator = Operator(make_gate, {"backends": [there], "sessiond": None})
    for generation in "abc":
        names = [f"{generation}{number}" for number in range(30)]
        operator.gate.write_config({"backends": [there] + [{"name": name, "address": f"unix:/nobody/{name}"} for name in names]})
        operator.gate.signal(1)
        gates.wait_until(lambda: names[0] in [each["name"] for each in operator.ask("backends", "list")], what="the new list")
        for name in names:
            assert operator.ask("backends", "drain", name)["drained"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_who_may(make_gate):
    """By the peer's user: nobody may not, unless control.users has him."""
    for allowed in (False, True):
        operator = Operator(make_gate, {"control": {"users": [NOBODY]}} if allowed else None)
        reachable_for_all(operator)
        done = subprocess.run(["/usr/bin/python3", "-c", ASKS, str(operator.socket)], capture_output=True, text=True, timeout=gates.PATIENCE_S, user=NOBODY)
        assert ("result" in done.stdout) == allowed and ("may not" in done.stdout) != allowed, (done.stdout, done.stderr)
        assert ("control.refused uid=65534" in operator.gate.log()) != allowed


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_whoever_may_not_does_not_keep_others_waiting(operator):
    """Each of them would be waited for, one after the other, for longer than ctl waits."""
    reachable_for_all(operator)
    with subprocess.Popen(["/usr/bin/python3", "-c", KEEPS_SILENT, str(operator.socket)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          user=NOBODY) as silent:
        assert silent.stdout.readline() == "there\n"
        assert operator.ask("log", "level")["level"] == "info"
        silent.stdin.close()


def test_no_gate(tmp_path):
    def run(*words):
        return subprocess.run([str(gates.GATE), "ctl", *words], capture_output=True, text=True, timeout=gates.PATIENCE_S)

    assert run("-s", str(tmp_path / "none"), "status").returncode == 3
    assert run("--help").returncode == 0
    done = run("-s", str(tmp_path / "none"), "status", "now")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == 'stanzagate ctl: status: found "now" behind it, allowed nothing; see stanzagate ctl --help\n'
    assert run("-c", str(tmp_path / "none"), "-s", str(tmp_path / "none"), "status").returncode == 2


REFUSED = {
    ("sessions", "find", "--backend", "nope"): 'backend: found "nope", allowed bundled',
    ("sessions", "kick", "a@b", "--backend", "nope"): 'backend: found "nope", allowed bundled',
    ("sessions", "kick", "*"): 'who: found the pattern "*", allowed only with --many, since it may mean many',
    ("backends", "drain", "nope"): 'name: found "nope", allowed bundled',
    ("log", "level", "loud"): 'level: found "loud", allowed error, warning, info, debug; of a room default too',
    ("log", "level", "loud", "client"): 'level: found "loud", allowed error, warning, info, debug or default',
}


def test_what_the_gate_refuses_it_says(operator):
    """One line of what was found and what is allowed, as text on standard error, asked for JSON or not."""
    for words, wanted in REFUSED.items():
        for more in ([], ["--json"]):
            done = operator.run(*words, *more)
            assert (done.returncode, done.stdout, done.stderr) == (1, "", f"stanzagate ctl: {wanted}\n")
    kitchen = operator.run("log", "level", "info", "kitchen")
    assert kitchen.returncode == 1 and 'room: found "kitchen", allowed ' in kitchen.stderr and "client, " in kitchen.stderr
    plain = operator.raw({"command": "sessions find", "arguments": {"state": "foo"}})
    assert plain == {"error": 'state: found "foo", allowed plain, handshake, secure, negotiating, authenticated, bound, ended'}
    assert operator.raw({"command": "sing"})["error"].startswith('command: found "sing", allowed status, sessions find, ')
    assert "\u00e4" in operator.raw({"command": "backends drain", "arguments": {"name": "\u00e4" * 2000}})["error"]


def test_top_for_programs_and_on_a_terminal(operator):
    done = operator.run("top", "--json", "--count", "2", "--interval", "1")
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and [json.loads(line)["pid"] for line in lines] == [operator.gate.pid] * 2
    for columns in (80, 40):
        screen = on_terminal(operator, columns, "top", "--count", "1")
        lines = re.sub("\x1b\\[[?0-9]*[a-zA-Z]", "", screen).replace("\r", "").split("\n")
        assert max(map(len, lines)) <= columns and "BACKEND  STATE" in screen, screen
        assert ("FAILURES" in screen or "UP FOR" in screen) == (columns == 80), screen


def on_terminal(operator, columns, *words):
    control, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen([str(gates.GATE), "ctl", "-s", str(operator.socket), *words], stdin=terminal, stdout=terminal) as process:
        os.close(terminal)
        screen = b""
        with contextlib.suppress(OSError):  # what a terminal says when nobody has it open any more
            while read := os.read(control, 65536):
                screen += read
        os.close(control)
    assert process.returncode == 0
    return screen.decode()
