"""Who may have a link to Prosody or to ejabberd, besides those with a certificate: users by a Unix socket's mode and group, and nobody of another machine."""
import contextlib
import fcntl
import os
import re
import socket
import struct

import ejabberd
import fakegate
import gate as gates
import prosody
import pytest
import xmppwire as xmpp
from test_link_security import CONNECT, NOBODY, as_root, python

GATES = 65531  # a group
KEY = b"a key of both ends, long enough!"
SIOCGIFADDR = 0x8915
needs_prosody = pytest.mark.skipif(not prosody.is_there(), reason="there is no Prosody")
needs_ejabberd = pytest.mark.skipif(not ejabberd.is_there(), reason="there is no ejabberd")


def own_address():
    """One of this machine's that is not on loopback; None: it has none."""
    with socket.socket() as asker:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):
                found = fcntl.ioctl(asker, SIOCGIFADDR, struct.pack("256s", name.encode()))
                address = socket.inet_ntoa(found[20:24])
                if not address.startswith("127."):
                    return address
    return None


def ports_of(pid):
    """Where a process listens."""
    inodes = set()
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            inodes.add(os.readlink(f"/proc/{pid}/fd/{number}"))
    lines = [line.split() for kind in ("tcp", "tcp6") for line in open(f"/proc/net/{kind}").readlines()[1:]]
    return sorted({int(line[1].split(":")[1], 16) for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in inodes})


@contextlib.contextmanager
def running(start, **options):
    server = start(**options)
    with contextlib.closing(xmpp.Client(server.direct, False, server.authority)) as client:
        client.secure()  # Prosody can be told to end when its loop turns, and not before
    try:
        yield server
    finally:
        problem = server.stop()
    assert not problem, problem


@pytest.fixture(scope="module")
def folder():
    """Where sockets are: anybody can enter it, and what is made in it belongs to a group."""
    folder = gates.new_folder("sockets")
    folder.parent.chmod(0o711)
    if os.geteuid() == 0:
        os.chown(folder, -1, GATES)
    folder.chmod(0o2755)
    (folder / "key").write_bytes(KEY)
    return folder


def check_members_alone(path):
    """Says HELLO to a member of the group, and nothing to another user."""
    for group, answer in ((GATES, "1"), (NOBODY, "Permission denied")):
        child, said = python(CONNECT, path, user=NOBODY, group=group)
        child.communicate()
        assert said == answer, (path, group)


def check_loopback_alone(server, port):
    """From another address a link ends before a byte, with the key or without; from loopback the key is enough."""
    with fakegate.Link(("127.0.0.1", port), key=KEY) as link:
        assert link.login("alice", "phone").ask("<ping xmlns='urn:xmpp:ping'/>")
    address = own_address()
    if not address:
        pytest.skip("this machine has no address but those of loopback")
    with socket.create_connection((address, port)) as other:
        assert other.recv(1) == b""
    gates.wait_until(lambda: f"A gate at {address} is refused: links from other machines need TLS" in server.server_log(), what="the refusal")


@pytest.fixture(scope="module")
def wide_prosody(folder):
    """With a socket for a group, and a port for everybody who has the key."""
    port = gates.free_port()
    links = f'stanzagate_socket = "{folder}/prosody"; stanzagate_secret = "{folder}/key"; '
    with running(prosody.Prosody, links=links + f'stanzagate_ports = {{ {port} }}; stanzagate_interfaces = {{ "*" }}') as server:
        server.wide = port
        gates.wait_until((folder / "prosody").exists, what="the socket")
        yield server


@needs_prosody
@as_root
def test_the_socket_of_prosody_is_for_its_group(wide_prosody, folder):
    check_members_alone(f"{folder}/prosody")


@needs_prosody
def test_prosody_takes_no_plain_link_from_another_machine(wide_prosody):
    check_loopback_alone(wide_prosody, wide_prosody.wide)
    assert len(re.findall(rf"warn\s+Links at \*:{wide_prosody.wide} have no TLS: only", wide_prosody.server_log())) == 1
    assert "not authenticated" not in wide_prosody.server_log()


@needs_prosody
def test_prosody_listens_where_it_is_told_to_and_nowhere_else(folder):
    with running(prosody.Prosody, links=f'stanzagate_socket = "{folder}/mode"; stanzagate_socket_mode = "606"') as server:
        gates.wait_until(lambda: "not authenticated" in server.server_log(), what="the warning")
        assert f"Links at {folder}/mode are not authenticated: with mode 606" in server.server_log()
        assert (folder / "mode").stat().st_mode & 0o777 == 0o606
        assert ports_of(server.process.pid) == [server.direct[1]]


@needs_prosody
def test_prosody_says_that_links_are_not_authenticated():
    with running(prosody.Prosody) as server:
        gates.wait_until(lambda: re.search(rf"Links at 127\.0\.0\.1:{server.link[1]}.* are not authenticated", server.server_log()), what="the warning")


@needs_prosody
def test_prosody_says_that_there_are_no_links():
    with running(prosody.Prosody, links="-- none") as server:
        gates.wait_until(lambda: "No links: none of stanzagate_socket" in server.server_log(), what="the warning")


@pytest.fixture(scope="module")
def wide_ejabberd(folder):
    """With a socket for a group, and a port for everybody who has the key."""
    port, ours = gates.free_port(), folder / "ejabberd"
    ours.mkdir()
    os.chown(ours, -1, os.getegid())
    ours.chmod(0o755)  # not set-group-ID: the group is what the listener says
    listeners = [
        f'  - {{port: "unix:{ours}/link", module: mod_stanzagate, unix_socket: {{group: {GATES}}}}}',
        f'  - {{port: "unix:{folder}/open", module: mod_stanzagate, unix_socket: {{mode: "0606"}}}}',
        f'  - {{port: {port}, ip: "0.0.0.0", module: mod_stanzagate, secret: "{folder}/key"}}',
    ]
    with running(ejabberd.Ejabberd, listeners=listeners) as server:
        server.wide = port
        yield server


@needs_ejabberd
@as_root
def test_the_socket_of_ejabberd_is_for_its_group(wide_ejabberd, folder):
    check_members_alone(f"{folder}/ejabberd/link")


@needs_ejabberd
def test_ejabberd_takes_no_plain_link_from_another_machine(wide_ejabberd):
    check_loopback_alone(wide_ejabberd, wide_ejabberd.wide)


@needs_ejabberd
def test_ejabberd_says_which_links_are_not_guarded(wide_ejabberd, folder):
    def said():
        return re.findall(r"\[warning\] .*?(Links at .*?):? (?:only|whoever|with)", wide_ejabberd.server_log())

    gates.wait_until(lambda: len(said()) >= 3, what="the warnings")
    wide, plain = f"Links at 0.0.0.0:{wide_ejabberd.wide} have no TLS", f"Links at 127.0.0.1:{wide_ejabberd.link[1]} are not authenticated"
    assert sorted(said()) == sorted([wide, plain, f"Links at {folder}/open are not authenticated"])
