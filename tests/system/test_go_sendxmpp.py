"""go-sendxmpp behind the gate, with the bundled session server."""
import go_sendxmpp
import pytest


@pytest.mark.parametrize("tls", ["direct", "starttls"])
def test_one_listens_and_one_sends(gate, tls):
    go_sendxmpp.talk(gate, tls)
