"""Debian's ejabberd behind the gate: what works there without a gate must work with it."""
import asyncio
import contextlib
import os
import re
import subprocess
import time

import ejabberd
import fakegate
import gate as gates
import go_sendxmpp
import profanity
import pytest
import xmppwire as xmpp
from features import features, tour
from linkcases import (  # noqa: F401
    bodies, check_that_what_waits_is_bounded, link, test_a_link_that_breaks_the_protocol_is_closed, test_a_link_that_is_cut_loses_nothing,
    test_a_paused_session_gets_its_elements_later, test_what_comes_while_the_link_is_away_waits, test_what_has_waited_for_a_client_comes_in_turns,
    test_window_and_acknowledgements, wrong_certificates,
)
from test_link_security import Authority
from test_resumption import certificate_for, external, show

pytestmark = pytest.mark.skipif(not ejabberd.is_there(), reason="there is no ejabberd")
SM_NS = "urn:xmpp:sm:3"
HERE = "<presence><priority>5</priority><status>here</status></presence>"


@contextlib.contextmanager
def running(**options):
    server = ejabberd.Ejabberd(**options)
    try:
        yield server
    finally:
        problem = server.stop() if server.running() else ""  # a test has killed it
    assert not problem, problem
    # While it stops, its modules go one by one, and what a session leaves behind may come too late for one of them.
    log = re.sub(r"^.*Hook .* crashed .*\n *\*\* exception error: \{module_not_loaded,.*$", "", server.server_log(), flags=re.M)
    trouble = re.findall(r"^.*(?:CRASH|\[critical\]|Hook .* crashed|exception).*$", log, re.M)
    assert not trouble, "\n".join(trouble)


KEY = b"a key of both ends, long enough!"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """With a listener for each way to guard a link."""
    home = tmp_path_factory.mktemp("links")
    ours, ports = Authority(home / "ours"), {sort: gates.free_port() for sort in ("key", "tls", "small")}
    (home / "key").write_bytes(KEY)
    certificate, key = ours.issue("server.example")
    (home / "server.pem").write_text(certificate.read_text() + key.read_text())
    listeners = [
        f'  - {{port: {ports["key"]}, ip: "127.0.0.1", module: mod_stanzagate, secret: "{home}/key"}}',
        f'  - {{port: {ports["tls"]}, ip: "127.0.0.1", module: mod_stanzagate, tls: true, certfile: "{home}/server.pem",'
        f' cafile: "{ours.file}", gates: [gate.example]}}',
        f'  - {{port: {ports["small"]}, ip: "127.0.0.1", module: mod_stanzagate, held_bytes_max: 40000}}',
        f'  - {{port: "unix:{home}/link", module: mod_stanzagate, uids: [{os.getuid()}]}}',
        f'  - {{port: "unix:{home}/other", module: mod_stanzagate, uids: [12345]}}',
    ]
    with running(listeners=listeners) as server:
        server.home_of_links, server.ports, server.ours = home, ports, ours
        yield server


def config(*servers):
    return {"workers": 1, "backends": [{"name": f"ejabberd-{server.ip[-1]}", "address": server.address} for server in servers]}


def connect(address, gate, direct=False):
    return xmpp.Client(address, direct, gate.authority)


def login(place, gate, user, resource):
    client = connect(place, gate)
    client.login(user, gates.PASSWORDS[user], resource, "SCRAM-SHA-1")
    return client


def without_plus(listed):
    """ejabberd 23.01 offers -PLUS mechanisms that TLS 1.3 cannot have."""
    return [
        (tag, attributes, text, [child for child in children if not child[2].endswith("-PLUS")])
        for tag, attributes, text, children in listed
    ]


def test_mechanisms_and_features_are_those_of_ejabberd(server, make_gate):
    gate = make_gate(config(server))
    looked = [connect(server.direct, server), connect(gate.starttls, gate), connect(gate.direct, gate, True)]
    before = [features(client.secure()) for client in looked]
    assert without_plus(before[0]) == before[1] == before[2]
    mechanisms = sorted(looked[1].mechanisms())
    assert {"PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"} <= set(mechanisms)
    for mechanism in set(mechanisms) & {"PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"}:
        after = []
        for place in (gate.starttls, server.direct):
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


@contextlib.contextmanager
def reconfigured(server, old, new):
    before = server.config.read_text()
    assert old in before
    server.config.write_text(before.replace(old, new))
    server.tell("ejabberd_config:reload()")
    try:
        yield
    finally:
        server.config.write_text(before)
        server.tell("ejabberd_config:reload()")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    home = tmp_path_factory.mktemp("certificates")
    names = {
        "alice": ["Alice@localhost", "alice@other.example"],
        "both": ["alice@localhost", "bob@localhost"],
        "gone": ["nobody@localhost"],
        "other": ["alice@other.example", "localhost"],
    }
    pairs = {name: certificate_for(home / name, *of) for name, of in names.items()}
    (home / "all.pem").write_bytes(b"".join(pair[0].read_bytes() for pair in pairs.values()))
    return pairs | {"authorities": str(home / "all.pem")}


def make_asking_gate(make_gate, server, certificates):
    return make_gate(config(server) | {"tls": {"client_certificates": "request", "client_ca": certificates["authorities"]}})


@pytest.mark.parametrize("version, direct", [("1.2", False), ("1.3", True)])
def test_a_client_logs_in_by_its_certificate(server, make_gate, certificates, version, direct):
    gate = make_asking_gate(make_gate, server, certificates)
    for name, message, who in (("alice", "=", "alice"), ("alice", "", "alice"), ("both", xmpp.b64(b"bob@localhost"), "bob")):
        client = show(gate, certificates[name], version, direct)
        mechanisms = client.mechanisms()
        assert "EXTERNAL" in mechanisms and "SCRAM-SHA-1" in mechanisms
        assert external(client, message).tag == f"{{{xmpp.SASL_NS}}}success"
        client.restart()
        client.greet()
        assert client.bind("desk") == f"{who}@localhost/desk"
        assert client.ping().get("type") == "result"
        assert client.logout()


def test_a_client_is_nobody_whom_its_certificate_does_not_name(server, make_gate, certificates):
    """And may try again."""
    gate = make_asking_gate(make_gate, server, certificates)
    b64 = xmpp.b64
    for name, message, condition in (
        ("both", "=", "invalid-authzid"),
        ("both", b64(b"carol@localhost"), "invalid-authzid"),
        ("alice", b64(b"bob@localhost"), "invalid-authzid"),
        ("alice", b64(b"alice@other.example"), "invalid-authzid"),
        ("alice", b64(b"alice@localhost/desk"), "invalid-authzid"),
        ("alice", b64(b"@"), "invalid-authzid"),
        ("alice", "?", "incorrect-encoding"),
        ("gone", "=", "not-authorized"),
    ):
        client = show(gate, certificates[name], "1.3", True)
        assert external(client, message).find(f"{{{xmpp.SASL_NS}}}{condition}") is not None, (name, message)
        client.authenticate("carol", gates.PASSWORDS["carol"], "SCRAM-SHA-1")
        client.greet()
        assert client.bind("desk") == "carol@localhost/desk"
        assert client.logout()


def test_certificates_of_nobody_here_and_forbidden_mechanisms(server, make_gate, certificates):
    gate = make_asking_gate(make_gate, server, certificates)

    def check_refused(name):
        client = show(gate, certificates.get(name), "1.3", True)
        assert "EXTERNAL" not in client.mechanisms() and "PLAIN" in client.mechanisms()
        assert external(client, xmpp.b64(b"alice@localhost")).find(f"{{{xmpp.SASL_NS}}}not-authorized") is not None
        client.close()

    for name in (None, "other"):
        check_refused(name)
    with reconfigured(server, "language: en", "language: en\ndisable_sasl_mechanisms: [external]"):
        gates.wait_until(lambda: not offers_external(gate, certificates), what="the new features")
        check_refused("alice")
    gates.wait_until(lambda: offers_external(gate, certificates), what="the old features")


def offers_external(gate, certificates):
    client = show(gate, certificates["alice"], "1.3", True)
    with contextlib.closing(client):
        return "EXTERNAL" in client.mechanisms()


def test_features_direct_and_through_the_gate_are_the_same(server, make_gate):
    with running() as other:
        direct = asyncio.run(tour(other.direct, other.authority))
    gate = make_gate(config(server))
    through = asyncio.run(tour(gate.starttls, gate.authority))
    print("\n".join(f"{name:24} {direct[name]!r:.60} {through[name]!r:.60}" for name in direct))
    assert direct == through
    assert not [name for name, found in direct.items() if str(found).startswith("failed")]


def resume(client, user, token, count):
    client.secure()
    client.authenticate(user, gates.PASSWORDS[user], "SCRAM-SHA-1")
    client.greet()
    client.send(f"<resume xmlns='{SM_NS}' previd='{token}' h='{count}'/>")
    return client.wait(lambda element: element.tag in (f"{{{SM_NS}}}resumed", f"{{{SM_NS}}}failed"))


def enable(client):
    client.send(f"<enable xmlns='{SM_NS}' resume='true'/>")
    return client.wait(lambda element: element.tag == f"{{{SM_NS}}}enabled").get("id")


def test_stream_management_goes_on_at_another_gate(server, make_gate):
    first, second = make_gate(config(server)), make_gate(config(server))
    alice, bob = login(first.starttls, first, "alice", "phone"), login(second.starttls, second, "bob", "sofa")
    token = enable(alice)
    alice.send("<presence/>")
    alice.wait_presence("alice@localhost/phone")
    slept = re.compile("alice@localhost/phone: .*waiting 300 seconds for stream resumption")
    before = len(slept.findall(server.server_log()))
    alice.close()  # without a word
    gates.wait_until(lambda: len(slept.findall(server.server_log())) > before, what="hibernation")
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
    for place in (gate.starttls, server.direct):
        alice = login(place, gate, "alice", "phone")
        token = enable(alice)
        again = connect(place, gate)
        assert resume(again, "alice", token, 0).tag == f"{{{SM_NS}}}resumed"
        with pytest.raises(xmpp.Closed, match="conflict"):
            alice.wait(lambda _: False)
        alice.expect("FOOTER")
        assert again.ping().get("type") == "result"
        assert again.logout() or place == server.direct


def test_errors_and_ends_are_those_of_ejabberd(server, make_gate):
    gate = make_gate(config(server))
    for place in (gate.starttls, server.direct):
        old, new = login(place, gate, "carol", "one"), login(place, gate, "carol", "one")
        with pytest.raises(xmpp.Closed, match="conflict"):
            old.wait(lambda _: False)
        old.expect("FOOTER")
        unbound = connect(place, gate)
        unbound.secure()
        with pytest.raises(xmpp.LoginFailed, match="invalid-mechanism|not-authorized|malformed-request"):
            unbound.authenticate("carol", "wrong", "PLAIN")
        for client in (unbound, new):  # ejabberd itself does not end TLS
            assert client.logout() or place == server.direct


def test_what_waits_for_a_gate_is_bounded(server):
    check_that_what_waits_is_bounded(server, ("127.0.0.1", server.ports["small"]), 40000)


def reattached_s(server):
    """
    How long it takes to get sessions back from a link to a gate that reads no more, with megabytes on their way to it. No session gets
    much more than 128 KiB and a message, and the kernel takes some: there are many.
    """
    with fakegate.Link(server.link, window=64 << 20) as dead, fakegate.Link(server.link) as friend:
        sessions, bob = [dead.login("alice", f"r{number}") for number in range(9)], friend.login("bob", "sofa")
        taken = [session.received for session in sessions]
        for session in sessions:
            bob.send(f"<message to='{session.jid}' type='chat'><body>{session.jid} {'x' * (1 << 20)}</body></message>")
            assert bob.ask("<ping xmlns='urn:xmpp:ping'/>")
            dead.say_alive()
        with fakegate.Link(server.link, epoch=dead.epoch) as second:
            second.until(lambda: "localhost" in second.domains, "DOMAIN")
            at = time.monotonic()
            back = [second.reattach(session, count) for session, count in zip(sessions, taken)]
            took_s = time.monotonic() - at
            for session in back:
                assert session.wait(f"<body>{session.jid} ")
                leave(session)
    return took_s


def test_a_gate_that_reads_no_more_is_not_waited_for(server):
    """Erlang would wait for 5 seconds, each time; a machine that is busy may need them now and then."""
    assert any(reattached_s(server) < 4.9 for _ in range(3))


def test_what_cannot_be_taken_back_is_lost(link):
    assert link.refused(fakegate.REATTACH, 99)
    link.until(lambda: link.domains, "DOMAIN")
    for number, jid in enumerate(("nobody@localhost/x", "alice@localhost", "alice@elsewhere/x", "localhost", "a@b@c/d")):
        assert link.refused(fakegate.ADOPT, 100 + number, jid)


@pytest.mark.parametrize("kept", [b"\x83", b"\x83h\2a\1t\0\0\0\1d\0\2xxa\1", b"\x83a\1"], ids=["cut", "atom", "other"])
def test_what_was_kept_may_be_nothing_of_ours(link, kept):
    alice = fakegate.Session(link, next(link.numbers), "alice@localhost/phone")
    alice.received, alice.kept = 1, kept
    alice = link.adopt(alice)
    assert alice and alice.ask("<ping xmlns='urn:xmpp:ping'/>")


@pytest.mark.parametrize("xml", ["<message", "<a></b>", "<?xml version='1.0'?>", "text", "<x:y/>", "<message/><message/>", "</stream:stream>"])
def test_a_client_that_is_ill_formed_ends_alone(link, xml):
    """A gate sends nothing of the sort; if one does, nobody else has to suffer."""
    alice, bob = link.login("alice", "phone"), link.login("bob", "sofa")
    alice.send(xml)
    alice.send("<iq type='get' id='after' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
    link.until(lambda: alice.closed or any("after" in element for element in alice.elements), "something")
    assert bob.ask("<ping xmlns='urn:xmpp:ping'/>")


def leave(session):
    """Else it would be there for a while, and take messages for others of its user that are away."""
    session.link.send(fakegate.frame(fakegate.CLOSE, session.number))
    session.link.until(lambda: session.closed is not None, "CLOSE")


def test_a_session_for_which_nothing_waits_is_adopted_without_a_transaction(server):
    """Many at once would wait for the disk, one behind the other."""
    with fakegate.Link(server.link) as first, fakegate.Link(server.link) as second:
        alice = first.login("alice", "phone")
        alice.send(HERE)
        assert alice.wait("<status>here") and alice.ask("<ping xmlns='urn:xmpp:ping'/>")
        first.cut()
        server.tell("persistent_term:put(commits, mnesia:system_info(transaction_commits))")
        alice = second.adopt(alice, HERE)
        assert alice.ask("<ping xmlns='urn:xmpp:ping'/>")
        server.tell("true = persistent_term:get(commits) =:= mnesia:system_info(transaction_commits)")
        leave(alice)


def hold(resource):
    """In Erlang: the process of alice's session stands still."""
    pid = f'ejabberd_sm:get_session_pid(<<\\"alice\\">>, <<\\"localhost\\">>, <<\\"{resource}\\">>)'
    held = f"erlang:suspend_process({pid}), Told ! held, receive go -> ok end"
    return f"Told = self(), register(holder, spawn(fun() -> {held} end)), receive held -> ok end"


@contextlib.contextmanager
def suspended(server):
    server.tell(hold("phone"))
    try:
        yield
    finally:
        server.tell("holder ! go")


def test_what_is_not_handled_is_not_acknowledged_for_a_while(server, link):
    """So it goes to whoever adopts the session; but others must not wait for long."""
    alice, bob = link.login("alice", "phone"), link.login("bob", "sofa")
    assert bob.ask("<ping xmlns='urn:xmpp:ping'/>")
    with suspended(server):
        link.settle()
        before, at = link.acked, time.monotonic()
        alice.send("<iq type='get' id='late' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert bob.ask("<ping xmlns='urn:xmpp:ping'/>")
        assert link.acked == before or time.monotonic() > at + 1
        link.until(lambda: link.acked == before + 2, "the acknowledgement")
        assert not alice.elements


def test_a_gate_keeps_no_tags_of_what_was_acknowledged(server, link):
    """It is not sent again, and each KEEP goes with a message."""
    alice, bob = link.login("alice", "phone"), link.login("bob", "sofa")
    sizes = []
    for number in range(20):
        bob.send(f"<message to='{alice.jid}' type='chat'><body>{number}</body></message>")
        assert alice.wait(f"<body>{number}<")
        link.ping()
        sizes.append(len(alice.kept))
    assert max(sizes) <= min(sizes) + 2 * 8


def test_a_client_is_paused_whose_process_is_behind(server, link):
    alice, bob = link.login("alice", "phone"), link.login("bob", "sofa")
    with suspended(server):
        for number in range(12000):  # more than the 10,000 messages that a process may have waiting
            alice.send(f"<message to='bob@localhost/sofa' type='chat'><body>{number}</body></message>" if number % 100 == 0 else "<x/>")
        link.until(lambda: alice.paused_us, "PAUSE")
        assert bob.ask("<ping xmlns='urn:xmpp:ping'/>") and not bodies(bob)
    link.until(lambda: not alice.paused_us, "RESUME")
    assert bob.wait("<body>11900<")
    assert bodies(bob) == [str(number) for number in range(0, 12000, 100)]


def test_a_domain_that_cannot_be_asked_stays_as_it_was(server, link):
    """What it offers is found out by a client, which may not be able to begin."""
    alice = link.login("alice", "phone")
    before = server.server_log().count("cannot be found out")
    server.tell("persistent_term:put(hook, fun(_, _) -> exit(self(), kill) end), ejabberd_hooks:add(c2s_init, persistent_term:get(hook), 1)")
    server.tell("stanzagate_hub:refresh()")
    gates.wait_until(lambda: server.server_log().count("cannot be found out") > before, what="the attempt")
    server.tell("ejabberd_hooks:delete(c2s_init, persistent_term:get(hook), 1)")
    assert alice.ask("<ping xmlns='urn:xmpp:ping'/>") and "mechanism" in link.domains["localhost"]
    with fakegate.Link(server.link, epoch=link.epoch) as second:
        assert second.login("bob", "sofa").ask("<ping xmlns='urn:xmpp:ping'/>")


def test_domains_come_and_go(server, link):
    before = server.config.read_text()
    alice = link.login("alice", "phone")
    more = before.replace("hosts: [localhost]", "hosts: [localhost, second.example]")
    server.config.write_text(more.replace("  mod_roster:", "  mod_register: {}\n  mod_roster:"))
    server.tell("ejabberd_config:reload()")
    link.until(lambda: "mechanism" in link.domains.get("second.example", "") and "register" in link.domains["localhost"], "DOMAINs")
    server.config.write_text(before.replace("  mod_stanzagate: {}\n", ""))
    server.tell("ejabberd_config:reload()")
    link.until(lambda: link.domains == {"localhost": "", "second.example": ""} and alice.closed, "their end")
    assert alice.closed == {fakegate.CONDITION: b"host-gone"}
    server.config.write_text(before)
    server.tell("ejabberd_config:reload()")
    link.until(lambda: "mechanism" in link.domains["localhost"], "DOMAIN")
    assert link.login("alice", "phone").ask("<ping xmlns='urn:xmpp:ping'/>")


def check_link(make_gate, server, address, link=None, **backend):
    gate = make_gate({"workers": 1, "backends": [{"name": "ejabberd-1", "address": address} | backend]} | ({"link": link} if link else {}))
    alice, bob = login(gate.starttls, gate, "alice", "phone"), login(gate.starttls, gate, "bob", "sofa")
    alice.send(f"<message to='{bob.jid}' type='chat'><body>{'ы' * 50000}</body></message>")
    assert bob.wait_message("ы" * 50000).get("from") == alice.jid
    assert alice.logout() and bob.logout()


def test_a_shared_key(server, make_gate):
    place = ("127.0.0.1", server.ports["key"])
    for wrong in (None, b"another one"):
        with fakegate.Link(place, key=wrong) as link:
            assert link.wait_end()
    with fakegate.Link(place, key=KEY) as link:
        assert link.login("alice", "phone").ask("<ping xmlns='urn:xmpp:ping'/>")
    check_link(make_gate, server, f"tcp:127.0.0.1:{place[1]}", {"secret": f"{server.home_of_links}/key"})


def test_tls_with_certificates_at_both_ends(server, make_gate, tmp_path):
    backend = {"name": "ejabberd-1", "address": f"tls:127.0.0.1:{server.ports['tls']}", "certificate_names": "server.example"}
    link = {"ca": str(server.ours.file)}

    def shows(pair):
        return link | {"certificate": str(pair[0]), "key": str(pair[1])}

    check_link(make_gate, server, backend["address"], shows(server.ours.issue("gate.example")), certificate_names="server.example")
    for wrong in wrong_certificates(server.ours, Authority(tmp_path / "strangers")):
        before = server.server_log().count("is refused")
        gate = make_gate({"workers": 1, "backends": [backend], "link": shows(wrong)}, ready=False)
        gate.wait_log(r"link\.(failed|down)")
        assert "link.up" not in gate.log()
        gates.wait_until(lambda: server.server_log().count("is refused") > before, what="the refusal")


def test_a_unix_socket(server, make_gate):
    check_link(make_gate, server, f"unix:{server.home_of_links}/link")
    gate = make_gate({"workers": 1, "backends": [{"name": "ejabberd-1", "address": f"unix:{server.home_of_links}/other"}]}, ready=False)
    gates.wait_until(lambda: "is none of uids" in server.server_log(), what="the refusal")
    assert "link.up" not in gate.log()


def test_install(tmp_path, make_gate):
    """On a configuration that knows nothing of the module; twice."""
    control, port = tmp_path / "ejabberdctl.cfg", gates.free_port()
    control.write_text('ERL_OPTIONS="-env ERL_CRASH_DUMP_BYTES 0"\n')
    command = [gates.ROOT / "deploy" / "ejabberd" / "install", "--beams", tmp_path / "beams", "--control", control]
    command += ["--secret", tmp_path / "key", "--port", str(port), "--name", "ejabberd-1"]

    def install(config):
        for _ in range(2):
            subprocess.run([*command, "--config", config], check=True, capture_output=True)

    with running(prepare=install, path=tmp_path / "beams") as server:
        assert server.config.read_text().count("mod_stanzagate") == 2
        words = subprocess.run(["bash", "-c", f". {control}; echo $ERL_OPTIONS"], check=True, capture_output=True, text=True).stdout.split()
        assert words[-2:] == ["-pa", str(tmp_path / "beams")] and words.count("-pa") == 1
        check_link(make_gate, server, f"tcp:127.0.0.1:{port}", {"secret": str(tmp_path / "key")})


def test_clients_of_other_kinds(server, make_gate):
    gate = make_gate(config(server))
    for tls in ("direct", "starttls"):
        go_sendxmpp.talk(gate, tls)
    with profanity.terminals() as (alice, bob):
        profanity.connect_both(gate, alice, bob)
        profanity.talk(alice, bob)
        profanity.leave(bob)
        profanity.leave(alice)
