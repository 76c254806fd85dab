"""
A gate that does what a test tells it, over the link protocol (docs/link-protocol.md). Everything happens in the caller's thread:
what comes is read when something is waited for.

    with Link(address) as link:
        session = link.login("alice", "phone")
        session.send("<presence/>")
        session.wait("<presence")
"""
import contextlib
import hashlib
import hmac
import itertools
import os
import re
import socket
import struct
import time

import gate as gates
import xmppwire as xmpp
from fakebackend import (  # noqa: F401
    ACK, ADOPT, ATTACHED, CLOSE, CONDITION, DOMAIN, DRAIN, ELEMENT, FANOUT, HELLO, KEEP, LOST, NUMBERED, OPEN, PAUSE, PING, PONG, PROOF, REATTACH, RESUME, STATE,
    fields, frame, read_fields,
)

TIMEOUT_S = gates.PATIENCE_S
RECEIVED, ACKED, KEPT, STANZAS_IN, STANZAS_OUT, PRESENCE, SERIAL = range(0x60, 0x67)


def field(key, value, form):
    return struct.pack(">BH", key, struct.calcsize(form)) + struct.pack(form, value)


def is_stanza(xml):
    return re.match("<(message|presence|iq)[ />]", xml) is not None


class Session:
    def __init__(self, link, number, jid=None):
        self.link, self.number, self.jid = link, number, jid
        self.stage, self.received, self.elements, self.numbers, self.closed, self.attached = 0, 0, [], {}, None, None
        self.paused_us, self.features, self.kept, self.sent, self.stanzas_in, self.stanzas_out = False, None, None, 0, 0, 0
        self.presence = None  # the last that was broadcast
        self.enabled_out = 0  # stanzas_out when stream management began

    def send(self, xml):
        self.sent += self.stage == 2
        self.stanzas_in += self.stage == 2 and is_stanza(xml)
        if xml.startswith("<presence") and " to=" not in xml:
            self.presence = xml
        self.link.send(frame(ELEMENT, self.number, xml.encode()))

    def pause(self):
        self.link.send(frame(PAUSE, self.number))

    def resume(self):
        self.link.send(frame(RESUME, self.number))

    def wait(self, text):
        """The first element with this in it, from now on or before."""
        return self.link.until(lambda: next((xml for xml in self.elements if text in xml), None), text)

    def ask(self, child, kind="get", to="localhost"):
        name = f"q{next(self.link.names)}"
        to = f" to='{to}'" if to else ""
        self.send(f"<iq type='{kind}' id='{name}'{to}>{child}</iq>")
        return self.link.until(lambda: next((x for x in self.elements if x.startswith("<iq") and f"id='{name}'" in x), None), name)

    def number_of(self, text):
        return next(number for xml, number in self.numbers.items() if text in xml)


class Link:
    serials = itertools.count(1)

    def __init__(self, address, epoch=None, window=4 << 20, key=None, patience_ms=20000):
        self.connection = socket.create_connection(address)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.epoch, self.window, self.key, self.patience_ms = epoch or os.urandom(8), window, key, patience_ms
        self.buffer, self.taken, self.said, self.acks, self.ended, self.drained, self.acked = b"", 0, 0, True, False, False, 0
        self.sent = 0  # numbered frames
        self.came = []  # (kind, number) of all frames for sessions, in their order
        self.sessions, self.domains, self.hello, self.pongs, self.lost = {}, {}, None, set(), set()
        self.names, self.numbers = itertools.count(1), itertools.count(int.from_bytes(os.urandom(3), "big") << 16)
        self.nonce = os.urandom(32)
        version = struct.pack(">H", 1)
        more = {"nonce": self.nonce} if key else {}
        greeting = fields(
            version_min=version, version_max=version, epoch=self.epoch, name="gate-1/0", window=struct.pack(">I", window),
            patience_ms=struct.pack(">I", patience_ms), **more,
        )
        self.send(frame(HELLO, 0, greeting))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def cut(self):
        """By RST: what is on its way is lost."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def send(self, data):
        self.sent += data[4:5] != b"" and data[4] in NUMBERED
        self.connection.sendall(data)

    def answer(self, data):
        """To who may have closed the link since: what came before its end is still to be read."""
        with contextlib.suppress(ConnectionError):
            self.send(data)

    def until(self, condition, what="something", timeout=TIMEOUT_S):
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            self.read(max(0.01, deadline - time.monotonic()))
            if self.ended:
                raise ConnectionError(f"the link has ended before {what} came")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} did not come in {timeout} s")
        return value

    def read(self, timeout):
        self.connection.settimeout(timeout)
        try:
            data = self.connection.recv(1 << 16)
        except socket.timeout:
            return
        except ConnectionError:
            data = b""
        self.ended = not data
        self.buffer += data
        while len(self.buffer) >= 12:
            length, head = struct.unpack_from(">IQ", self.buffer)
            if len(self.buffer) < 4 + length:
                break
            payload = self.buffer[12 : 4 + length]
            self.buffer = self.buffer[4 + length :]
            self.handle(head >> 56, head & (1 << 56) - 1, payload)
        if self.acks and self.taken > self.said and not self.ended:
            self.ack()

    def ack(self):
        self.said = self.taken
        self.answer(frame(ACK, 0, struct.pack(">Q", self.taken)))

    def handle(self, kind, number, payload):
        self.taken += kind in NUMBERED
        session = self.sessions.get(number)
        if kind == HELLO:
            self.hello = read_fields(payload)
            if self.key:
                self.send(frame(PROOF, 0, hmac.new(self.key, b"g" + self.hello.get(8, b"") + self.nonce, hashlib.sha256).digest()))
        elif kind == PING:
            self.answer(frame(PONG, 0, payload))
        elif kind == PONG:
            self.pongs.add(payload)
        elif kind == ACK:
            self.acked = struct.unpack(">Q", payload)[0]
        elif kind == DOMAIN:
            about = read_fields(payload)
            self.domains[about[0x10].decode()] = about[0x11].decode()
        elif kind == DRAIN:
            self.drained = True
        elif kind == LOST:
            self.lost.add(number)
        elif kind == FANOUT:
            end = 2 + 7 * int.from_bytes(payload[:2], "big")
            for at in range(2, end, 7):
                self.handle(ELEMENT, int.from_bytes(payload[at : at + 7], "big"), payload[end:])
                self.taken -= 1  # they are one frame
        elif session:
            self.came.append((kind, number))
            self.handle_session(session, kind, payload)

    def handle_session(self, session, kind, payload):
        is_bound = session.stage == 2
        session.received += is_bound and kind in NUMBERED
        if kind == ELEMENT:
            xml = payload.decode()
            session.elements.append(xml)
            session.numbers[xml] = session.received
            session.stanzas_out += is_bound and is_stanza(xml)
            if xml.startswith("<enabled"):
                session.enabled_out = session.stanzas_out
        elif kind == KEEP:
            session.kept = payload
        elif kind in (PAUSE, RESUME):
            session.paused_us = kind == PAUSE
        elif kind == STATE:
            about = read_fields(payload)
            session.stage, session.jid, session.features = about[0x30][0], about[0x31].decode(), about.get(0x11, b"").decode()
        elif kind == ATTACHED:
            session.attached = struct.unpack(">I", read_fields(payload)[RECEIVED])[0]
        elif kind == CLOSE:
            session.closed = read_fields(payload)

    def authenticate(self, user):
        self.until(lambda: "localhost" in self.domains, "DOMAIN")
        session = Session(self, next(self.numbers))
        self.sessions[session.number] = session
        about = fields(domain_name="localhost", stream_id="s1", address="192.0.2.1", tls_version=b"\3\4", tls_cipher="TLS_AES_128_GCM_SHA256")
        self.send(frame(OPEN, session.number, about))
        session.send(f"<auth xmlns='{xmpp.SASL_NS}' mechanism='PLAIN'>{xmpp.plain_response(user, gates.PASSWORDS[user])}</auth>")
        self.until(lambda: any("<success" in xml for xml in session.elements), "success")
        assert session.stage == 1 and session.jid == f"{user}@localhost" and "xmpp-bind" in session.features
        return session

    def login(self, user, resource):
        session = self.authenticate(user)
        bind = f"<bind xmlns='{xmpp.BIND_NS}'><resource>{resource}</resource></bind>"
        session.send(f"<iq type='set' id='bind'>{bind}</iq>")
        self.until(lambda: any("id='bind'" in xml for xml in session.elements), "the result of binding")
        assert session.stage == 2 and session.jid == f"{user}@localhost/{resource}" and session.received == 1
        session.elements.clear()
        return session

    def ping(self):
        """Until all has come that was sent before the answer."""
        name = os.urandom(8)
        self.send(frame(PING, 0, name))
        self.until(lambda: name in self.pongs, "PONG")

    def say_alive(self):
        """Without reading: who says nothing for long is given up."""
        self.send(frame(PING, 0, bytes(8)))

    def settle(self):
        """Until all that was sent is acknowledged."""
        self.until(lambda: self.acked == self.sent, "the acknowledgement of all")

    def reattach(self, old, received):
        self.until(lambda: "localhost" in self.domains, "DOMAIN")
        session = Session(self, old.number, old.jid)
        session.stage, session.received = 2, received
        self.sessions[session.number] = session
        self.send(frame(REATTACH, session.number, field(RECEIVED, received, ">I") + field(SERIAL, next(self.serials), ">Q")))
        self.until(lambda: session.attached is not None or session.number in self.lost, "ATTACHED")
        assert session.number not in self.lost
        return session

    def adopt(self, old, presence=None, unacked=()):
        """
        Asks for a session of another backend, which had taken all that it was sent, but for the last elements `unacked`: these are
        sent again. Answers the new one, or None for LOST.
        """
        self.until(lambda: "localhost" in self.domains, "DOMAIN")
        session = Session(self, old.number, old.jid)
        session.stage, session.kept, session.enabled_out = 2, old.kept, old.enabled_out
        session.received, session.sent, session.stanzas_in, session.stanzas_out = old.received, old.sent, old.stanzas_in, old.stanzas_out
        session.presence = old.presence
        session.sent -= len(unacked)
        session.stanzas_in -= sum(map(is_stanza, unacked))
        self.sessions[session.number] = session
        payload = fields(domain_name="localhost", jid=old.jid, address="192.0.2.1", tls_version=b"\3\4", tls_cipher="TLS_AES_128_GCM_SHA256")
        for key, count in ((RECEIVED, old.received), (ACKED, session.sent), (STANZAS_IN, session.stanzas_in), (STANZAS_OUT, old.stanzas_out)):
            payload += field(key, count, ">I")
        for key, value in ((KEPT, old.kept), (PRESENCE, presence and presence.encode())):
            payload += struct.pack(">BH", key, len(value)) + value if value else b""
        self.send(frame(ADOPT, session.number, payload + field(SERIAL, next(self.serials), ">Q")))
        self.until(lambda: session.attached is not None or session.number in self.lost, "ATTACHED")
        for xml in unacked if session.attached is not None else ():
            session.send(xml)
        return session if session.attached is not None else None

    def refused(self, kind, number, jid="alice@localhost/phone"):
        payload = field(RECEIVED, 0, ">I") + field(SERIAL, next(self.serials), ">Q")
        if kind == ADOPT:
            payload += fields(domain_name="localhost", jid=jid, address="192.0.2.1")
            payload += b"".join(field(key, 0, ">I") for key in (ACKED, STANZAS_IN, STANZAS_OUT))
        self.send(frame(kind, number, payload))
        return self.until(lambda: number in self.lost, "LOST")

    def wait_end(self):
        deadline = time.monotonic() + TIMEOUT_S
        while not self.ended and time.monotonic() < deadline:
            self.read(max(0.01, deadline - time.monotonic()))
        return self.ended
