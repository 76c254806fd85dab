"""go-sendxmpp: a client whose XMPP is neither slixmpp's nor profanity's (Go's own TLS, go-xmpp's streams)."""
import subprocess

import gate as gates
import pytest


def command(address, user, *more, tls):
    where = f"{address[0]}:{address[1]}"
    account = ["--username", f"{user}@localhost", "--password", gates.PASSWORDS[user], "--jserver", where]
    return ["go-sendxmpp", *account, "--no-tls-verify", *(["--tls"] if tls == "direct" else []), *more]


@pytest.mark.parametrize("tls", ["direct", "starttls"])
def test_one_listens_and_one_sends(gate, tls):
    address = gate.addresses[tls]
    online = gate.metrics()['stanzagate_clients{state="bound"}']
    listener = subprocess.Popen(command(address, "bob", "--listen", tls=tls), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        gates.wait_until(lambda: gate.metrics()['stanzagate_clients{state="bound"}'] > online, what="bob is there")
        text = f"over {tls}: <&> \u4f60\u597d \U0001f600"
        sent = subprocess.run(command(address, "alice", "bob@localhost", tls=tls), input=text, text=True, capture_output=True, timeout=20)
        assert sent.returncode == 0, sent.stdout + sent.stderr
        line = listener.stdout.readline()
        assert "alice@localhost" in line and text in line
    finally:
        listener.kill()
        listener.wait()
