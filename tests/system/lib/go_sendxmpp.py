"""go-sendxmpp: a client whose XMPP is neither slixmpp's nor profanity's (Go's own TLS, go-xmpp's streams)."""
import subprocess
import threading

import gate as gates

LOGINS, BOUND = "stanzagate_logins_total", 'stanzagate_clients{state="bound"}'


def command(address, user, *more, tls):
    account = ["--username", f"{user}@localhost", "--password", gates.PASSWORDS[user], "--jserver", f"{address[0]}:{address[1]}"]
    return ["go-sendxmpp", *account, "--no-tls-verify", *(["--tls"] if tls == "direct" else []), *more]


def talk(gate, tls):
    """Bob listens, Alice sends; tls: direct or starttls."""
    address = gate.addresses[tls]
    before = gate.metrics()
    listener = subprocess.Popen(command(address, "bob", "--listen", tls=tls), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    guard = threading.Timer(gates.PATIENCE_S, listener.kill)
    guard.start()
    try:
        gates.wait_until(lambda: gate.metrics()[LOGINS] > before[LOGINS], what="bob is there")
        text = f"over {tls}: <&> \u4f60\u597d \U0001f600"
        sent = subprocess.run(
            command(address, "alice", "bob@localhost", tls=tls), input=text, text=True, capture_output=True, timeout=gates.PATIENCE_S
        )
        assert sent.returncode == 0, sent.stdout + sent.stderr
        # What others have said to him while he was away may come first.
        lines = []
        while not any("alice@localhost" in line and text in line for line in lines):
            lines.append(listener.stdout.readline())
            assert lines[-1], lines
    finally:
        guard.cancel()
        listener.kill()
        listener.wait()
    # Somebody of an earlier test may have been on his way out at the beginning.
    gates.wait_until(lambda: gate.metrics()[BOUND] <= before[BOUND], what="both are gone")
