"""What the modules for Prosody and ejabberd are to do alike with a gate's links (fakegate.py). A server here has `link` and server_log()."""
import re

import fakegate


def numbers(session):
    return [int(re.search(r"<body>(\d+)", xml)[1]) for xml in session.elements if "<body>" in xml]


def acknowledges_nothing(server, held_bytes_max):
    """What waits for a gate is bounded; the link that it makes anew gets all."""
    size, count = held_bytes_max // 4, 0
    with fakegate.Link(server.link, window=65536) as deaf, fakegate.Link(server.link) as friend:
        alice, bob = deaf.login("alice", "phone"), friend.login("bob", "sofa")
        taken, deaf.acks = alice.received, False
        while "it acknowledges too little" not in server.server_log():
            assert count * size < 80 * held_bytes_max
            bob.send(f"<message to='{alice.jid}' type='chat'><body>{count} {'x' * size}</body></message>")
            bob.ask("<ping xmlns='urn:xmpp:ping'/>")
            count += 1
        assert deaf.wait_end() and count * size > 64 * held_bytes_max
        with fakegate.Link(server.link, epoch=deaf.epoch) as second:
            alice = second.reattach(alice, taken)
            assert alice.wait(f"<body>{count - 1} ") and numbers(alice) == list(range(count))
