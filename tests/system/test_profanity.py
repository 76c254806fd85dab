"""profanity behind the gate, with the bundled session server."""
import gate as gates
import profanity
from fixtures import clients


def test_profanity(make_gate):
    gate = make_gate()
    with profanity.terminals() as (alice, bob):
        profanity.connect_both(gate, alice, bob)
        alice.type("/sub request bob@localhost")
        bob.wait(r"authorization request from alice@localhost")
        bob.type("/sub allow alice@localhost")
        bob.type("/sub request alice@localhost")
        alice.wait(r"authorization request from bob@localhost")
        alice.type("/sub allow bob@localhost")
        alice.wait(r"bob@localhost.* online")
        bob.wait(r"alice@localhost.* online")
        profanity.talk(alice, bob)
        profanity.leave(bob)
        alice.wait(r"bob@localhost \[offline\]")
        profanity.leave(alice)
        gates.wait_until(lambda: clients(gate) == 0, what="nobody there")
