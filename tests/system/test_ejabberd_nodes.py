"""Two nodes of ejabberd behind the gate: what goes on when one of them is killed, or cannot be reached."""
import os
import re
import signal
import time

import ejabberd
import fakegate
import gate as gates
import pytest
from linkcases import bodies
from test_ejabberd import HERE, SM_NS, config, enable, hold, leave, login, running, suspended
from traffic import talk_while

pytestmark = pytest.mark.skipif(not ejabberd.is_there(), reason="there is no ejabberd")
MANY = 100  # u0, u1...


@pytest.fixture(scope="module")
def server():
    """Without the archive: whoever writes there, waits for a node that stands still, and nothing would be on its way to that."""
    with running(users=MANY, without="mod_mam") as server:
        yield server


@pytest.fixture(scope="module")
def other(server):
    """Another ejabberd, in a cluster with the first."""
    with running(ip="127.0.0.2", join=server, without="mod_mam") as other:
        yield other


def settle(link, friend, resource):
    """Alice's session, of which all has been taken, with what a client asks for; bob sees her."""
    alice = link.login("alice", resource)
    alice.send(HERE)
    alice.send("<presence to='bob@localhost/sofa'><status>directed</status></presence>")
    assert alice.wait("<status>here") and friend.wait("directed")
    assert alice.ask("<enable xmlns='urn:xmpp:carbons:2'/>", "set", None)
    alice.send(f"<enable xmlns='{SM_NS}' resume='true'/>")
    assert alice.wait("<enabled")
    assert "result" in alice.ask("<enable xmlns='urn:xmpp:push:0' jid='push.localhost' node='n'/>", "set", None)
    friend.send(f"<message to='{alice.jid}' type='chat'><body>before</body></message>")
    assert alice.wait("before") and alice.ask("<ping xmlns='urn:xmpp:ping'/>")
    return alice


def check_goes_on(server, alice, friend, stanzas_in):
    """The client notices nothing, its friend neither; its stream management counts on."""
    friend.send(f"<message to='{alice.jid}' type='chat'><body>behind</body></message>")
    assert alice.wait("behind")
    alice.send("<message to='bob@localhost/sofa' type='chat'><body>answer</body></message>")
    assert friend.wait("answer")
    alice.send(f"<r xmlns='{SM_NS}'/>")
    assert f"h='{stanzas_in}'" in alice.wait("<a ")
    for name in ("carboncopy", "push_id"):
        info = f'ejabberd_sm:get_user_info(<<\\"alice\\">>, <<\\"localhost\\">>, <<\\"{alice.jid.split("/")[1]}\\">>)'
        server.tell(f"true = lists:keymember({name}, 1, {info})")
    assert not [xml for xml in friend.elements if "unavailable" in xml]
    count = alice.stanzas_out - alice.enabled_out
    alice.send(f"<a xmlns='{SM_NS}' h='{count}'/>")
    assert alice.ask("<ping xmlns='urn:xmpp:ping'/>") and not alice.closed
    alice.send(f"<a xmlns='{SM_NS}' h='{count + 2}'/>")  # the answer to the ping is one, too
    alice.link.until(lambda: alice.closed, "the end of a client that counts what it has not got")


def test_a_session_is_adopted_from_a_node_that_lives(server, other):
    """It cannot be reached by the gate any more, and tells all that it knows."""
    other.start_again()
    with fakegate.Link(server.link) as first, fakegate.Link(other.link, epoch=first.epoch) as second:
        bob = second.login("bob", "sofa")
        alice = settle(first, bob, "one")
        alice.link.acks = False
        bob.send(f"<message to='{alice.jid}' type='chat'><body>lost on the way</body></message>")
        assert alice.wait("lost on the way")
        alice.received -= 1  # the gate has not had it
        alice.stanzas_out -= 1
        alice.sent -= 1  # nor an acknowledgement of its last
        alice.stanzas_in -= 1
        first.cut()
        alice = second.adopt(alice, HERE)
        assert alice.attached == alice.sent + 1
        assert alice.wait("lost on the way")
        check_goes_on(server, alice, bob, 3)
        assert bodies(alice) == ["lost on the way", "behind"]


def test_a_session_that_was_resumed_is_adopted(server):
    """What was sent again is counted again by the gate, but not by stream management."""
    with fakegate.Link(server.link) as first, fakegate.Link(server.link) as second, fakegate.Link(server.link) as friend:
        bob = friend.login("bob", "sofa")
        alice = settle(first, bob, "four")
        token = re.search(" id='(.*?)'", alice.wait("<enabled"))[1]
        taken = alice.stanzas_out - alice.enabled_out
        bob.send(f"<message to='{alice.jid}' type='chat'><body>twice</body></message>")
        assert alice.wait("twice")
        first.send(fakegate.frame(fakegate.CLOSE, alice.number, b""))
        again = first.authenticate("alice")
        again.elements.clear()
        again.send(f"<resume xmlns='{SM_NS}' previd='{token}' h='{taken}'/>")
        assert again.wait("<resumed") and again.wait("twice") and again.stage == 2
        assert again.ask("<ping xmlns='urn:xmpp:ping'/>")
        assert again.stanzas_out == 2
        again.enabled_out = -taken  # as if all had come in this session
        first.cut()
        check_goes_on(server, second.adopt(again, HERE), bob, 4)


def test_a_session_is_adopted_from_a_node_that_was_killed(server, other):
    other.start_again()
    with fakegate.Link(other.link) as first, fakegate.Link(server.link, epoch=first.epoch) as second:
        bob = second.login("bob", "sofa")
        alice = settle(first, bob, "two")
        other.kill()
        bob.send(f"<message to='{alice.jid}' type='chat'><body>while away</body></message>")
        bob.ask("<ping xmlns='urn:xmpp:ping'/>")
        alice = second.adopt(alice, HERE)
        assert alice.attached == alice.sent and alice.wait("while away")
        bob.send("<message to='alice@localhost' type='chat'><body>by priority</body></message>")
        assert alice.wait("by priority")
        check_goes_on(server, alice, bob, 3)


def test_what_was_on_its_way_to_a_node_that_was_killed_is_there_again(server, other):
    """What it had got and not handed on, and what is sent before anybody has noticed; in order."""
    other.start_again()
    with fakegate.Link(other.link) as first, fakegate.Link(server.link, epoch=first.epoch) as second:
        bob = second.login("bob", "sofa")
        alice = settle(first, bob, "five")
        other.tell(hold("five"))
        for body in ("kept", "kept, too"):
            bob.send(f"<message to='{alice.jid}' type='chat'><body>{body}</body></message>")
        assert bob.ask("<ping xmlns='urn:xmpp:ping'/>")
        other.kill()
        bob.send(f"<message to='{alice.jid}' type='chat'><body>just behind</body></message>")
        assert bob.ask("<ping xmlns='urn:xmpp:ping'/>")
        alice = second.adopt(alice, HERE)
        assert alice.wait("just behind") and bodies(alice) == ["kept", "kept, too", "just behind"]
        leave(alice)


ONCE = "<message to='alice@localhost/{}' type='chat' id='once'><body>once</body></message>"


def check_once(alice, bob):
    """And what comes behind it."""
    bob.send(ONCE.format(alice.jid.split("/")[1]).replace("once", "behind"))
    assert alice.wait("<body>behind<") and bodies(alice)[-1] == "behind"
    assert bob.ask("<ping xmlns='urn:xmpp:ping'/>") and alice.ask("<ping xmlns='urn:xmpp:ping'/>")
    return bodies(alice).count("once")


@pytest.mark.parametrize("first", ["alice", "bob"])
def test_what_a_node_handed_on_within_itself_and_did_not_acknowledge_comes_once(server, other, first):
    """Whoever is adopted first: its receiver, or the sender, whose gate sends it again."""
    other.start_again()
    with fakegate.Link(other.link) as link, fakegate.Link(server.link, epoch=link.epoch) as heir:
        alice, bob = link.login("alice", first), link.login("bob", "sofa")
        for client in (alice, bob):
            client.send(HERE)
            assert client.wait("<status>here") and client.ask("<ping xmlns='urn:xmpp:ping'/>")
        xml = ONCE.format(alice.jid.split("/")[1])
        bob.send(xml)
        assert alice.wait("<body>once<")
        link.ping()
        other.kill()
        if first == "alice":
            alice = heir.adopt(alice, HERE)
        bob = heir.adopt(bob, HERE, unacked=[xml])
        assert bob.ask("<ping xmlns='urn:xmpp:ping'/>")
        if first == "bob":
            alice = heir.adopt(alice, HERE)
        assert check_once(alice, bob) == 0
        leave(alice)


def test_what_came_from_a_node_that_did_not_acknowledge_it_comes_once(server, other):
    other.start_again()
    with fakegate.Link(other.link) as link, fakegate.Link(server.link, epoch=link.epoch) as heir:
        alice, bob = heir.login("alice", "there"), link.login("bob", "sofa")
        assert bob.ask("<ping xmlns='urn:xmpp:ping'/>")
        bob.send(ONCE.format("there"))
        assert alice.wait("<body>once<")
        other.kill()
        bob = heir.adopt(bob, unacked=[ONCE.format("there")])
        assert check_once(alice, bob) == 1
        leave(alice)


def test_what_a_node_handed_on_without_a_receipt_comes_once(server, other):
    """The receipt comes to a process that stands still."""
    other.start_again()
    with fakegate.Link(other.link) as link, fakegate.Link(server.link, epoch=link.epoch) as heir, fakegate.Link(server.link) as friend:
        alice, bob = link.login("alice", "late"), friend.login("bob", "sofa")
        alice.send(HERE)
        assert alice.wait("<status>here")
        other.tell(hold("late"))
        bob.send(ONCE.format("late"))
        assert bob.ask("<ping xmlns='urn:xmpp:ping'/>")
        gates_of = f"[Pid || {{Epoch, Pid}} <- maps:to_list(element(2, sys:get_state(stanzagate_hub))), Epoch =:= {int.from_bytes(friend.epoch, 'big')}]"
        server.tell(f"[Pid] = {gates_of}, ok = sys:suspend(Pid)")
        other.tell("holder ! go")
        assert alice.wait("<body>once<")
        link.ping()
        other.kill()
        alice = heir.adopt(alice, HERE)
        server.tell(f"[Pid] = {gates_of}, ok = sys:resume(Pid)")
        assert check_once(alice, bob) == 0
        leave(alice)


def test_sessions_leave_a_node_that_stops(server, other):
    other.start_again()
    with fakegate.Link(other.link) as first, fakegate.Link(server.link, epoch=first.epoch) as second:
        bob = second.login("bob", "sofa")
        alice = settle(first, bob, "three")
        problem = other.stop()
        assert not problem
        assert first.wait_end() and alice.closed is None and first.drained
        alice = second.adopt(alice, HERE)
        check_goes_on(server, alice, bob, 3)


def check_talk(clients):
    """Each with the one before; stream management counts on."""
    for number, client in enumerate(clients):
        neighbour, text = clients[number - 1], os.urandom(8).hex()  # what nobody acknowledges, comes again to later sessions
        client.send(f"<message to='{neighbour.jid}' type='chat'><body>{text}</body></message>")
        assert neighbour.wait_message(text).get("from") == client.jid
        client.send(f"<r xmlns='{SM_NS}'/>")
        answer = client.wait(lambda element: element.tag == f"{{{SM_NS}}}a")
        assert answer.get("h") == "2"
    assert all(client.logout() for client in clients)


def gather(gate, count):
    clients = [login(gate.starttls, gate, user, f"r{number}") for user in gates.PASSWORDS for number in range(count)]
    for client in clients:
        enable(client)
        client.send("<presence/>")
        client.wait_presence(client.jid)
    return clients


def test_a_node_of_two_is_killed_behind_a_gate(server, other, make_gate):
    """Nobody is disconnected, whichever node had him, and all can talk with all; stream management counts on."""
    other.start_again()
    gate = make_gate(config(server, other) | {"link": {"adopt_after_ms": 100}})
    gates.wait_until(lambda: gate.metrics()["stanzagate_links_up"] == 2, what="links")
    clients = gather(gate, 4)
    other.kill()
    back = gate.wait_log(r"sessions\.back .*waiting=0 reattached=0 adopted=(\d+) lost=0")
    assert 0 < int(back[0][1]) < len(clients)
    check_talk(clients)


def test_a_node_of_two_is_killed_under_traffic(server, other, make_gate):
    """
    It stands still before, so that there is something on its way to it. Nobody is disconnected, and of what was acknowledged nothing is
    lost.
    """
    other.start_again()
    free = {"connects_per_second": 0, "handshakes_per_second": 0}
    gate = make_gate(config(server, other) | {"addresses": free, "link": {"adopt_after_ms": 100}})
    gates.wait_until(lambda: gate.metrics()["stanzagate_links_up"] == 2, what="links")
    found = talk_while(gate, MANY, 300, [lambda: other.process.send_signal(signal.SIGSTOP), other.kill], lambda: "sessions.back" in gate.log())
    assert not {kind: found[kind] for kind in ("ended", "lost", "vanished", "misdelivered", "doubled") if found[kind]["count"]}
    back = gate.wait_log(r"sessions\.back .*waiting=0 reattached=0 adopted=(\d+) lost=0")
    assert MANY / 5 < int(back[0][1]) < MANY * 4 / 5


def test_a_server_is_started_again_behind_a_gate(other, make_gate):
    other.start_again()
    gate = make_gate(config(other))
    clients = gather(gate, 1)
    other.kill()
    other.start_again()
    gate.wait_log(r"sessions\.back .*waiting=0 reattached=0 adopted=3 lost=0")
    check_talk(clients)


@pytest.mark.parametrize("place", ["this node", "another one"])
def test_what_has_not_been_handed_on_is_not_acknowledged_for_a_while(server, other, place):
    """So it comes again when the sender's node is killed."""
    other.start_again()
    with fakegate.Link(server.link) as first, fakegate.Link(server.link if place == "this node" else other.link) as link:
        # Of two logins to one resource, in one second and on two nodes, ejabberd takes either for the newer one.
        alice, bob = first.login("alice", "phone"), link.login("bob", place.split()[0])
        assert bob.ask("<ping xmlns='urn:xmpp:ping'/>")
        with suspended(server):
            link.settle()
            before, at = link.acked, time.monotonic()
            bob.send(f"<message to='{alice.jid}' type='chat'><body>patience</body></message>")
            assert bob.ask("<ping xmlns='urn:xmpp:ping'/>")
            link.ping()
            assert link.acked == before or time.monotonic() > at + 1
        assert alice.wait("patience")
        link.until(lambda: link.acked == before + 2, "the acknowledgement")
