"""
Two clients log in and talk, and what happened is printed: `check.py FOLDER` of a gate started by quickstart (its
configuration, log, certificate and passwords are there). `check.py --free-port` prints a port nobody listens on.
"""
import pathlib
import re
import socket
import sys
import time
import urllib.request

import xmppwire as xmpp


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def addresses(folder):
    """starttls and direct, from the gate's log; metrics, from its configuration."""
    log = (folder / "gate.log").read_text()
    found = {m[2]: m[1] for m in re.finditer(r"listening.*?\baddress=\"?([^\s\"]+)\"?.*?\btls=\"?(starttls|direct)", log)}
    found["metrics"] = re.search(r"metrics:\s+address: \"(.*)\"", (folder / "stanzagate.yaml").read_text())[1]
    return found


def log_in(folder, address, user, password, direct):
    begin = time.monotonic()
    client = xmpp.Client(xmpp.address_of(address), direct, str(folder / "certificate.pem"))
    client.login(user, password)
    took = (time.monotonic() - begin) * 1000
    how = "direct TLS" if direct else "STARTTLS"
    print(f"{user} logged in by {how} at {address}: {client.tls_version}, {client.mechanism}, {client.jid} ({took:.0f} ms)")
    return client


def befriend(one, other):
    """`one` sees the presence of `other`, after asking for it."""
    one_bare, other_bare = one.jid.split("/")[0], other.jid.split("/")[0]
    one.send(f"<presence to='{other_bare}' type='subscribe'/>")
    other.wait_presence(one_bare, "subscribe")
    other.send(f"<presence to='{one_bare}' type='subscribed'/>")
    one.wait_presence(other.jid)
    print(f"{one_bare} asked to see {other_bare}, was allowed to, and sees {other.jid} available")


def talk(one, other, text):
    begin = time.monotonic()
    one.send(f"<message to='{other.jid}' type='chat' id='m'><body>{text}</body></message>")
    message = other.wait_message(text)
    assert message.get("from") == one.jid, f"from {message.get('from')}"
    print(f"{one.jid} -> {other.jid}: {text} ({(time.monotonic() - begin) * 1000:.1f} ms)")


def page(address, path):
    with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
        return answer.read().decode()


def main(folder):
    where = addresses(folder)
    passwords = dict(line.split() for line in (folder / "passwords.txt").read_text().splitlines())
    alice = log_in(folder, where["starttls"], "alice", passwords["alice"], False)
    bob = log_in(folder, where["direct"], "bob", passwords["bob"], True)
    for client in (alice, bob):
        client.send("<presence/>")
        client.ping()
    befriend(alice, bob)
    befriend(bob, alice)
    talk(alice, bob, "Saluton, Bob! 你好 👋")
    talk(bob, alice, "Привет, Alice ❤️")
    stanzas = re.findall(r"^stanzagate_stanzas_total\{.*kind=\"message\"\} .*", page(where["metrics"], "/metrics"), re.M)
    print("the gate counted:", "; ".join(stanzas))
    assert stanzas, "no messages counted"
    alice_jid = alice.jid
    alice.logout()
    bob.wait_presence(alice_jid, "unavailable")
    print(f"{alice_jid} logged out, and {bob.jid} saw it go")
    bob.logout()


if __name__ == "__main__":
    if sys.argv[1:] == ["--free-port"]:
        print(free_port())
    else:
        try:
            main(pathlib.Path(sys.argv[1]))
        except (AssertionError, OSError, ValueError, xmpp.Closed, xmpp.Late, xmpp.LoginFailed) as error:
            sys.exit(f"check: {type(error).__name__}: {error}")
        print("all is well")
