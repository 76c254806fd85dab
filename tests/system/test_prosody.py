"""Debian's Prosody behind the gate: what works there without a gate must work with it."""
import asyncio
import contextlib
import json
import re
import subprocess
import time

import fakegate
import gate as gates
import go_sendxmpp
import profanity
import prosody
import pytest
import xmppwire as xmpp
from features import features, tour
from linkcases import (  # noqa: F401
    check_that_what_waits_is_bounded, link, numbers, test_a_link_that_breaks_the_protocol_is_closed, test_a_link_that_is_cut_loses_nothing,
    test_a_paused_session_gets_its_elements_later, test_what_comes_while_the_link_is_away_waits, test_what_has_waited_for_a_client_comes_in_turns,
    test_window_and_acknowledgements, wrong_certificates,
)
from test_link_security import Authority

pytestmark = pytest.mark.skipif(not prosody.is_there(), reason="there is no Prosody")
SM_NS = "urn:xmpp:sm:3"


@contextlib.contextmanager
def running(**options):
    server = prosody.Prosody(**options)
    try:
        yield server
    finally:
        problem = server.stop()
    assert not problem, problem
    trouble = re.findall(r"^.*(?:[Tt]raceback|attempt to).*$", server.server_log(), re.M)
    assert not trouble, trouble


@pytest.fixture(scope="module")
def server():
    with running() as server:
        yield server


def config(server):
    return {"workers": 1, "backends": [{"name": "prosody-1", "address": server.address}]}


def connect(address, server_or_gate, direct=False):
    return xmpp.Client(address, direct, server_or_gate.authority)


# internal_plain keeps passwords, and so has all mechanisms; internal_hashed has what it has a hash for.
@pytest.mark.parametrize("authentication", ["internal_plain", "internal_hashed"])
def test_mechanisms_and_features_are_those_of_prosody(authentication, make_gate):
    with running(authentication=authentication) as server:
        gate = make_gate(config(server))
        looked = [connect(server.direct, server), connect(gate.starttls, gate), connect(gate.direct, gate, True)]
        before = [features(client.secure()) for client in looked]
        assert before[0] == before[1] == before[2]
        mechanisms = sorted(set(looked[0].mechanisms()) - {"OAUTHBEARER"})  # Prosody 13 offers that; it is for who has a token
        assert "PLAIN" in mechanisms and "SCRAM-SHA-1" in mechanisms
        assert ("SCRAM-SHA-256" in mechanisms) == (authentication == "internal_plain")
        for mechanism in mechanisms:
            after = []
            for place in (server.direct, gate.starttls):
                client = connect(place, gate)
                client.secure()
                with pytest.raises(xmpp.LoginFailed, match="not-authorized"):
                    client.authenticate("alice", "wrong", mechanism)
                client.authenticate("alice", gates.PASSWORDS["alice"], mechanism)
                after.append(features(client.greet()))
                assert client.bind("desk") == "alice@localhost/desk"
                assert client.ping().get("type") == "result"
                client.logout()
            assert after[0] == after[1] and after[0]
        for client in looked:
            client.close()


def test_features_direct_and_through_the_gate_are_the_same(make_gate):
    """Each on a server that is new: they leave things there."""
    with running() as server:
        direct = asyncio.run(tour(server.direct, server.authority))
    with running() as server:
        gate = make_gate(config(server))
        through = asyncio.run(tour(gate.starttls, gate.authority))
    print("\n".join(f"{name:24} {direct[name]!r:.60} {through[name]!r:.60}" for name in direct))
    assert direct == through
    assert not [name for name, found in direct.items() if str(found).startswith("failed")]


def resume(client, user, token, count):
    client.secure()
    client.authenticate(user, gates.PASSWORDS[user])
    client.greet()
    client.send(f"<resume xmlns='{SM_NS}' previd='{token}' h='{count}'/>")
    return client.wait(lambda element: element.tag in (f"{{{SM_NS}}}resumed", f"{{{SM_NS}}}failed"))


def enable(client):
    client.send(f"<enable xmlns='{SM_NS}' resume='true'/>")
    return client.wait(lambda element: element.tag == f"{{{SM_NS}}}enabled").get("id")


def test_stream_management_goes_on_at_another_gate(server, make_gate):
    first, second = make_gate(config(server)), make_gate(config(server))
    alice, bob = connect(first.starttls, first), connect(second.starttls, second)
    alice.login("alice", gates.PASSWORDS["alice"], "phone")
    bob.login("bob", gates.PASSWORDS["bob"], "sofa")
    token = enable(alice)
    alice.send("<presence/>")
    alice.wait_presence("alice@localhost/phone")
    before = server.server_log().count("Client disconnected")
    alice.close()  # without a word
    gates.wait_until(lambda: server.server_log().count("Client disconnected") > before, what="hibernation")
    bob.send("<message to='alice@localhost/phone' type='chat'><body>while away</body></message>")
    assert bob.ping().get("type") == "result"
    again = connect(second.starttls, second)
    assert resume(again, "alice", token, 1).tag == f"{{{SM_NS}}}resumed"
    assert again.wait_message("while away").get("from") == "bob@localhost/sofa"
    again.send("<message to='bob@localhost/sofa' type='chat'><body>here again</body></message>")
    assert bob.wait_message("here again").get("from") == "alice@localhost/phone"
    assert again.logout() and bob.logout()


def test_resumption_takes_a_session_from_a_client_that_is_still_there(server, make_gate):
    gate = make_gate(config(server))
    alice = connect(gate.starttls, gate)
    alice.login("alice", gates.PASSWORDS["alice"], "phone")
    token = enable(alice)
    again = connect(gate.starttls, gate)
    assert resume(again, "alice", token, 0).tag == f"{{{SM_NS}}}resumed"
    alice.expect("FOOTER")
    assert again.ping().get("type") == "result"
    assert again.logout()


def test_errors_and_ends_are_those_of_prosody(server, make_gate):
    gate = make_gate(config(server))
    for place in (server.direct, gate.starttls):
        old, new = connect(place, gate), connect(place, gate)
        old.login("carol", gates.PASSWORDS["carol"], "one")
        new.login("carol", gates.PASSWORDS["carol"], "one")
        with pytest.raises(xmpp.Closed, match="conflict"):
            old.wait(lambda _: False)
        old.expect("FOOTER")
        unbound = connect(place, gate)
        unbound.secure()
        with pytest.raises(xmpp.LoginFailed, match="invalid-mechanism|not-authorized|malformed-request"):
            unbound.authenticate("carol", "wrong", "PLAIN")
        assert unbound.logout() and new.logout()


def test_modules_have_their_say_behind_a_cut(server, link):
    """mod_smacks asks for acknowledgements when what it has written goes out: also on the link that comes next, and from then on."""
    alice = link.login("alice", "phone")
    alice.send(f"<enable xmlns='{SM_NS}'/>")
    assert alice.wait("<enabled")
    with fakegate.Link(server.link) as other:
        bob = other.login("bob", "sofa")
        link.cut()
        bob.send("<message to='alice@localhost/phone' type='chat'><body>while away</body></message>")
        bob.ask("<ping xmlns='urn:xmpp:ping'/>")
        with fakegate.Link(server.link, epoch=link.epoch) as second:
            alice = second.reattach(alice, alice.received)
            assert alice.wait("while away") and alice.wait("<r ")
            alice.send(f"<a xmlns='{SM_NS}' h='1'/>")
            alice.elements.clear()
            bob.send("<message to='alice@localhost/phone' type='chat'><body>behind</body></message>")
            assert alice.wait("behind") and alice.wait("<r ")


def test_what_cannot_be_taken_back_is_lost(server, link):
    assert link.refused(fakegate.REATTACH, 99)


def test_what_waits_for_a_gate_is_bounded():
    with running(more="stanzagate_held_bytes_max = 40000") as server:
        check_that_what_waits_is_bounded(server, server.link, 40000)


def test_a_limit_of_prosody_pauses_the_client_at_the_gate():
    """mod_limits; what is on its way is taken, in its order: a few seconds' worth, which is handled in less."""
    with running(rate="10kb/s") as server, fakegate.Link(server.link) as link:
        alice, bob = link.login("alice", "phone"), link.login("bob", "sofa")
        began = time.monotonic()
        for number in range(10):
            alice.send(f"<message to='{bob.jid}' type='chat'><body>{number} {'x' * 4000}</body></message>")
        # In what order they came, and not what is so when they are read, which may be later.
        paused, resumed = ((kind, alice.number) for kind in (fakegate.PAUSE, fakegate.RESUME))
        link.until(lambda: resumed in link.came, "RESUME")
        assert time.monotonic() - began > 2
        assert numbers(bob) == list(range(10))
        last = max(at for at, frame in enumerate(link.came) if frame == (fakegate.ELEMENT, bob.number))
        assert link.came.index(paused) < last < link.came.index(resumed) and not bob.paused_us


def test_a_shared_key(make_gate, tmp_path):
    key = b"a key of both ends, long enough!"
    (tmp_path / "key").write_bytes(key)
    with running(more=f'stanzagate_secret = "{tmp_path}/key"') as server:
        for wrong in (None, b"another one"):
            with fakegate.Link(server.link, key=wrong) as link:
                assert link.wait_end()
        with fakegate.Link(server.link, key=key) as link:
            assert link.login("alice", "phone").ask("<ping xmlns='urn:xmpp:ping'/>")
        gate = make_gate(config(server) | {"link": {"secret": str(tmp_path / "key")}})
        client = connect(gate.starttls, gate)
        client.login("alice", gates.PASSWORDS["alice"])
        assert client.logout()


def test_tls_with_certificates_at_both_ends(make_gate, tmp_path):
    ours, strangers = Authority(tmp_path / "ours"), Authority(tmp_path / "strangers")
    certificate, key = ours.issue("server.example")
    port = gates.free_port()
    more = f"""stanzagate_tls_ports = {{ {port} }}
stanzagate_tls_gates = {{ "gate.example" }}
stanzagate_tls_ssl = {{ certificate = "{certificate}", key = "{key}", cafile = "{ours.file}" }}
"""
    backend = {"name": "prosody-1", "address": f"tls:127.0.0.1:{port}", "certificate_names": "server.example"}

    def shows(pair):
        return {"workers": 1, "backends": [backend], "link": {"ca": str(ours.file), "certificate": str(pair[0]), "key": str(pair[1])}}

    with running(more=more) as server:
        for wrong in wrong_certificates(ours, strangers):
            before = server.server_log().count("is refused: its certificate")
            gate = make_gate(shows(wrong), ready=False)
            gate.wait_log(r"link\.(failed|down)")
            assert "link.up" not in gate.log()
            gates.wait_until(lambda: server.server_log().count("is refused: its certificate") > before, what="the refusal")
        gate = make_gate(shows(ours.issue("gate.example")))
        client = connect(gate.starttls, gate)
        client.login("alice", gates.PASSWORDS["alice"])
        other = connect(gate.direct, gate, True)
        other.login("bob", gates.PASSWORDS["bob"])
        client.send(f"<message to='{other.jid}' type='chat'><body>{'ы' * 50000}</body></message>")
        assert other.wait_message("ы" * 50000).get("from") == client.jid
        assert client.logout() and other.logout()


def test_a_unix_socket(make_gate, tmp_path):
    with running(more=f'stanzagate_socket = "{tmp_path}/link"') as server:
        gate = make_gate(config(server) | {"backends": [{"name": "prosody-1", "address": f"unix:{tmp_path}/link"}]})
        client = connect(gate.starttls, gate)
        client.login("alice", gates.PASSWORDS["alice"])
        assert client.logout()


def test_install(tmp_path, make_gate):
    """On a configuration that knows nothing of the module; twice."""
    modules = tmp_path / "modules"
    command = [gates.ROOT / "deploy" / "prosody" / "install", "--modules", modules, "--socket", tmp_path / "link"]

    def install(config):
        for _ in range(2):
            subprocess.run([*command, "--config", config], check=True, capture_output=True)

    with running(prepare=install, without="stanzagate") as server:
        assert server.config.read_text().count('"stanzagate"') == 1
        gate = make_gate(config(server) | {"backends": [{"name": "prosody-1", "address": f"unix:{tmp_path}/link"}]})
        client = connect(gate.starttls, gate)
        client.login("alice", gates.PASSWORDS["alice"])
        assert client.logout()
        subprocess.run([prosody.program("prosodyctl"), "--config", gates.ROOT / "deploy" / "prosody" / "prosody.cfg.lua", "about"], check=True, capture_output=True)


def test_a_crowd_in_rooms(server, make_gate):
    """By the load generator: what one says all others of its room hear, once and in order."""
    gate = make_gate(config(server))
    load = gates.BUILD / "bench" / "stanzagate-load"
    users = ["users", "--server", "prosody", "--to", server.home / "data", "--user-prefix", "crowd", "--users", 9]
    subprocess.run([str(word) for word in [load, *users]], check=True)
    command = [load, "--port", gate.direct[1], "--direct", "--ca", gate.authority, "--user-prefix", "crowd", "--users", 9, "--clients", 9]
    command += ["--mechanism", "PLAIN", "--scenario", "rooms", "--room-size", 3, "--room-host", "rooms.localhost", "--seconds", 1, "--drain", 60]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["messages_received"] == 2 * report["messages_sent"] > 20


def test_clients_of_other_kinds(server, make_gate):
    gate = make_gate(config(server))
    for tls in ("direct", "starttls"):
        go_sendxmpp.talk(gate, tls)
    with profanity.terminals() as (alice, bob):
        profanity.connect_both(gate, alice, bob)
        profanity.talk(alice, bob)
        profanity.leave(bob)
        profanity.leave(alice)
