"""
What the modules for Prosody and ejabberd do alike with a gate's links (fakegate.py). Who imports these tests has a fixture `server`,
with a `link` to connect to and a server_log().
"""
import re

import fakegate
import pytest

PING = "<ping xmlns='urn:xmpp:ping'/>"


@pytest.fixture
def link(server):
    with fakegate.Link(server.link) as link:
        yield link


def bodies(session):
    return [re.search("<body>(.*?)<", xml)[1] for xml in session.elements if "<body>" in xml]


def numbers(session):
    """With which the bodies begin."""
    return [int(body.split()[0]) for body in bodies(session)]


def test_a_link_that_is_cut_loses_nothing(server, link):
    """The gate has taken one of three messages; its own second is on its way when the link is cut."""
    alice, bob = link.login("alice", "phone"), link.login("bob", "sofa")
    alice.send("<message to='bob@localhost/sofa' type='chat'><body>first</body></message>")
    assert bob.wait("first")
    link.acks = False
    for body in ("a", "b", "c"):
        bob.send(f"<message to='alice@localhost/phone' type='chat'><body>{body}</body></message>")
    assert alice.wait("<body>c</body>")
    taken = alice.number_of("<body>a</body>")
    link.cut()
    with fakegate.Link(server.link, epoch=link.epoch) as second:
        alice, bob = second.reattach(alice, taken), second.reattach(bob, bob.received)
        assert alice.attached == 1 and bob.attached == 3
        alice.send("<message to='bob@localhost/sofa' type='chat'><body>second</body></message>")
        assert bob.wait("<body>second</body>")
        assert bodies(alice) == ["b", "c"]


def test_what_comes_while_the_link_is_away_waits(server, link):
    alice = link.login("alice", "phone")
    with fakegate.Link(server.link) as other:
        bob = other.login("bob", "sofa")
        link.cut()
        for body in range(20):
            bob.send(f"<message to='alice@localhost/phone' type='chat'><body>{body}</body></message>")
        bob.ask(PING)
        with fakegate.Link(server.link, epoch=link.epoch) as second:
            alice = second.reattach(alice, alice.received)
            assert alice.wait("<body>19</body>")
            assert numbers(alice) == list(range(20))


def test_a_paused_session_gets_its_elements_later(server, link):
    alice, bob = link.login("alice", "phone"), link.login("bob", "sofa")
    alice.pause()
    bob.send("<message to='alice@localhost/phone' type='chat'><body>patience</body></message>")
    bob.ask(PING)
    assert not alice.elements
    alice.resume()
    assert alice.wait("patience")


@pytest.mark.parametrize(
    "bytes_of",
    [
        lambda: b"\0\0\0\7" + b"x" * 8,
        lambda: b"\0\0\0\x08\x0f" + bytes(7),
        lambda: fakegate.frame(fakegate.STATE, 1, b""),
        lambda: fakegate.frame(fakegate.OPEN, 1, b"\x10\0\5ab"),
        lambda: fakegate.frame(fakegate.ACK, 0, b"\0\0\0\0\0\0\xff\xff"),
        lambda: fakegate.frame(fakegate.HELLO, 0, b""),
    ],
    ids=["length", "type", "direction", "field", "ack", "hello"],
)
def test_a_link_that_breaks_the_protocol_is_closed(server, link, bytes_of):
    alice = link.login("alice", "phone")
    link.send(bytes_of())
    assert link.wait_end()
    with fakegate.Link(server.link, epoch=link.epoch) as second:
        assert second.reattach(alice, alice.received).ask(PING)


def wrong_certificates(ours, strangers):
    """For gates; the right one is of `ours`, and for gate.example."""
    return [
        strangers.issue("gate.example"), ours.issue("other.example"), ours.issue("*.example", "wildcard"),
        ours.issue(None, "subject", "gate.example"),
    ]


def test_window_and_acknowledgements(server):
    """A gate that acknowledges nothing gets as much as its window holds, and the rest when it does; nobody else waits for it."""
    with fakegate.Link(server.link, window=65536) as small, fakegate.Link(server.link) as other:
        alice, bob = small.login("alice", "phone"), other.login("bob", "sofa")
        small.acks = False
        for number in range(20):
            bob.send(f"<message to='alice@localhost/phone' type='chat'><body>{number} {'x' * 8000}</body></message>")
        bob.ask(PING)
        small.until(lambda: len(alice.elements) >= 5, "a window full")  # bob's process has handled all, alice's may be behind
        small.ping()
        assert len(alice.elements) <= 8
        small.acks = True
        small.ack()
        assert alice.wait("<body>19 ")
        assert numbers(alice) == list(range(20))


def test_what_has_waited_for_a_client_comes_in_turns(server):
    """Not all at once: so much as its gate has not acknowledged, 128 KiB and one message. Others do not wait for it."""
    with fakegate.Link(server.link) as slow, fakegate.Link(server.link) as other:
        alice, tablet, bob = slow.login("alice", "phone"), slow.login("alice", "tablet"), other.login("bob", "sofa")
        alice.pause()
        slow.ping()  # it is paused before anything comes from another link
        for number in range(100):
            bob.send(f"<message to='{alice.jid}' type='chat'><body>{number} {'x' * 8000}</body></message>")
        bob.ask(PING)
        slow.ping()
        assert not alice.elements
        slow.acks = False
        alice.resume()
        slow.until(lambda: sum(map(len, alice.elements)) >= 128 << 10, "as much as may come")
        slow.ping()
        assert 16 <= len(alice.elements) <= 18 and sum(map(len, alice.elements)) <= 137 << 10
        bob.send(f"<message to='{tablet.jid}' type='chat'><body>for another one</body></message>")
        assert tablet.wait("for another one") and len(alice.elements) <= 18
        slow.acks = True
        slow.ack()
        assert alice.wait("<body>99 ")
        assert numbers(alice) == list(range(100))


def check_that_what_waits_is_bounded(server, place, held_bytes_max):
    """What waits for a gate that acknowledges nothing; the link that it makes anew gets all."""
    with fakegate.Link(place, window=65536) as deaf, fakegate.Link(place) as friend:
        alice, bob = deaf.login("alice", "phone"), friend.login("bob", "sofa")
        taken, deaf.acks, count = alice.received, False, 0

        def say(size):
            nonlocal count
            bob.send(f"<message to='{alice.jid}' type='chat'><body>{count} {'x' * size}</body></message>")
            count += 1
            deaf.read(0.001)  # it says that it is alive, or it would be given up for its silence

        for _ in range(62 * 4):
            say(held_bytes_max // 4)
        bob.ask(PING)
        assert "it acknowledges too little" not in server.server_log()
        while "it acknowledges too little" not in server.server_log():  # there may be some more when that is read
            assert count < 62 * 4 + 400
            say(held_bytes_max // 40)
            bob.ask(PING)
        assert deaf.wait_end()
        with fakegate.Link(place, epoch=deaf.epoch) as second:
            alice = second.reattach(alice, taken)
            assert alice.wait(f"<body>{count - 1} ") and numbers(alice) == list(range(count))
