"""
A session server that does what a test tells it, good or bad, over the link protocol (docs/link-protocol.md).

    with Backend(path) as backend:          one that behaves: any password is right, and stanzas come back to who sent them
        backend.on_element = ...            called instead, for the elements of bound sessions: (session, xml)

Sessions remember what the gate told about them. Everything that came is kept in `frames`. Sessions that are bound outlive
their link, and go on when the gate asks for them on another one, unless `forgets` is set; so do those of others that the
gate wants adopted. restart() makes it one that has just been started.
"""
import base64
import collections
import contextlib
import itertools
import os
import re
import socket
import struct
import threading

import xmppwire as xmpp

HELLO, DOMAIN, PING, PONG, DRAIN, ACK, PROOF, LOAD, FANOUT = range(1, 10)
OPEN, ELEMENT, STATE, CLOSE, PAUSE, RESUME, KEEP, REATTACH, ADOPT, ATTACHED, LOST = range(0x10, 0x1B)
NUMBERED = {FANOUT, OPEN, ELEMENT, STATE, CLOSE, KEEP}
VERSION_MIN, VERSION_MAX, EPOCH, NAME, SOFTWARE, WINDOW, PATIENCE_MS, NONCE = range(1, 9)
DOMAIN_NAME, FEATURES, FEATURES_BINDING = 0x10, 0x11, 0x12
STREAM_ID, ADDRESS, PORT, TLS_VERSION, TLS_CIPHER, TLS_EXPORTER, TLS_END_POINT, LANG, DIRECT, CLIENT_CERT_XMPP_ADDR, CLIENT_CERT_NAMES = range(0x20, 0x2B)
STAGE, JID, NO_RESTART, CONDITION, REASON, CLEAN = 0x30, 0x31, 0x32, 0x40, 0x41, 0x42
RECEIVED, ACKED, KEPT, STANZAS_IN, STANZAS_OUT, PRESENCE, SERIAL = range(0x60, 0x67)

MECHANISMS = f"<mechanisms xmlns='{xmpp.SASL_NS}'><mechanism>PLAIN</mechanism></mechanisms>"
BIND = f"<bind xmlns='{xmpp.BIND_NS}'/>"


def fields(**values):
    """Payload of fields, by the names above in small letters."""
    payload = b""
    for name, value in values.items():
        value = value.encode() if isinstance(value, str) else value
        payload += struct.pack(">BH", globals()[name.upper()], len(value)) + value
    return payload


def read_fields(payload):
    found, at = {}, 0
    while at < len(payload):
        key, length = struct.unpack_from(">BH", payload, at)
        found[key] = payload[at + 3 : at + 3 + length]
        at += 3 + length
    return found


def frame(kind, session=0, payload=b""):
    return struct.pack(">IQ", 8 + len(payload), kind << 56 | session) + payload


def hello(name="session-1", version=1, window=4 << 20):
    number, window = struct.pack(">H", version), struct.pack(">I", window)
    return frame(HELLO, 0, fields(version_min=number, version_max=number, epoch=os.urandom(8), name=name, window=window))


def fanout(numbers, xml):
    return frame(FANOUT, 0, struct.pack(">H", len(numbers)) + b"".join(n.to_bytes(7, "big") for n in numbers) + xml.encode())


def domain(name="localhost", features=MECHANISMS):
    return frame(DOMAIN, 0, fields(domain_name=name, features=features))


class Session:
    def __init__(self, link, number, facts):
        self.link, self.number, self.facts, self.jid, self.bound = link, number, facts, None, False
        self.counts, self.sent, self.received, self.serial = False, 0, 0, 0  # numbered frames, since it is bound
        self.unacked = collections.deque()  # (number, frame)

    def send(self, xml):
        self.frame(ELEMENT, xml.encode() if isinstance(xml, str) else xml)

    def frame(self, kind, payload=b""):
        with self.link.backend.lock:
            number, data = None, frame(kind, self.number, payload)
            if self.counts and kind in NUMBERED:
                self.sent += 1
                number = self.sent
                self.unacked.append((number, data))
            self.link.send_frame(self, kind, number, data)

    def acked(self, number):
        while self.unacked and self.unacked[0][0] <= number:
            self.unacked.popleft()

    def attach(self, link, facts):
        """REATTACH: what the gate has not taken goes again."""
        serial = int.from_bytes(facts[SERIAL], "big")
        if serial < self.serial:
            return
        self.link, self.serial = link, serial
        self.acked(int.from_bytes(facts[RECEIVED], "big") if RECEIVED in facts else self.sent)
        link.send(frame(ATTACHED, self.number, fields(received=struct.pack(">I", self.received))))
        for number, data in self.unacked:
            link.send_frame(self, ELEMENT, number, data)

    def adopt(self, facts):
        """ADOPT: it goes on counting where the one before has left off."""
        self.jid, self.bound, self.counts = facts[JID].decode(), True, True
        self.sent, self.received, self.serial = (int.from_bytes(facts[key], "big") for key in (RECEIVED, ACKED, SERIAL))
        self.link.send(frame(ATTACHED, self.number, fields(received=facts[ACKED])))

    def state(self, stage, jid):
        self.frame(STATE, fields(stage=bytes([stage]), jid=jid, **({"features": BIND} if stage == 1 else {})))

    def close(self, **values):
        self.frame(CLOSE, fields(**values))


class Link:
    def __init__(self, backend, connection):
        self.backend, self.connection, self.sessions, self.ended = backend, connection, {}, False
        self.taken = 0  # numbered frames
        self.kept = collections.deque()  # of those that were sent: (session, number)
        self.acked = 0  # of them
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def send(self, data):
        with self.lock, contextlib.suppress(OSError):
            self.connection.sendall(data)

    def send_frame(self, session, kind, number, data):
        if kind in NUMBERED:
            self.kept.append((session, number))
        self.send(data)

    def on_ack(self, count):
        while self.acked < count and self.kept:
            session, number = self.kept.popleft()
            self.acked += 1
            if number is not None:
                session.acked(number)

    def close(self):
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def finish(self):
        """Says nothing more; what still comes is read."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)

    def read(self, count):
        data = b""
        while len(data) < count:
            more = self.connection.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def run(self):
        with contextlib.suppress(EOFError, OSError):
            self.backend.greet(self)
            while True:
                length, head = struct.unpack(">IQ", self.read(12))
                payload = self.read(length - 8)
                with self.backend.lock:
                    self.handle(head >> 56, head & (1 << 56) - 1, payload)
        self.ended = True
        self.connection.close()

    def handle(self, kind, number, payload):
        if kind == ACK:
            self.on_ack(struct.unpack(">Q", payload)[0])
            return
        self.backend.frames.append((kind, number, payload))
        if kind in NUMBERED:
            self.taken += 1
        if kind == PING:
            self.send(frame(PONG, 0, payload))
        elif kind == OPEN:
            self.sessions[number] = Session(self, number, read_fields(payload))
            self.backend.sessions.append(self.sessions[number])
        elif kind == REATTACH:
            self.reattach(number, read_fields(payload))
        elif kind == ADOPT:
            self.adopt(number, read_fields(payload))
        elif kind in (ELEMENT, CLOSE) and number in self.sessions and self.sessions[number].link is self:
            self.of_session(kind, self.sessions[number], payload)
        if kind in NUMBERED and self.backend.acks:
            self.ack()

    def of_session(self, kind, session, payload):
        session.received += session.counts
        if kind == ELEMENT:
            self.backend.element(session, payload)
        else:
            self.send_frame(session, CLOSE, None, frame(CLOSE, session.number))
            session.bound = False
            del self.sessions[session.number]

    def reattach(self, number, facts):
        session = next((s for s in self.backend.sessions if s.number == number and s.bound), None)
        if session is None or self.backend.forgets:
            self.send(frame(LOST, number))
        else:
            self.sessions[number] = session
            session.attach(self, facts)

    def adopt(self, number, facts):
        if self.backend.forgets:
            self.send(frame(LOST, number))
            return
        self.sessions[number] = Session(self, number, facts)
        self.backend.sessions.append(self.sessions[number])
        self.sessions[number].adopt(facts)

    def ack(self):
        self.send(frame(ACK, 0, struct.pack(">Q", self.taken)))


class Backend:
    """path: of a Unix socket, or (host, port)."""

    def __init__(self, path, name="session-1"):
        self.path, self.links, self.sessions, self.frames = str(path), [], [], []
        self.name = name
        self.on_element, self.greeting, self.acks = None, hello(name) + domain(), True
        self.forgets, self.lock = False, threading.RLock()
        self.names = itertools.count(1)
        if isinstance(path, tuple):
            self.listener = socket.create_server(path)
        else:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(self.path)
        self.listener.listen()
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # shutdown wakes the thread in accept; close alone would not.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        if self.path.startswith("/"):
            os.unlink(self.path)
        for link in self.links:
            link.close()

    def forget(self):
        """All sessions, and the links that they are on; what it has acknowledged still arrives."""
        with self.lock:
            for session in self.sessions:
                session.bound = False
            for link in self.links:
                link.sessions.clear()
                link.finish()

    def restart(self):
        """It knows nothing, and says so."""
        self.greeting = hello(self.name) + domain()
        self.forget()

    def die(self):
        """It is not there any more."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.forget()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                self.links.append(Link(self, self.listener.accept()[0]))

    def greet(self, link):
        link.send(self.greeting)

    def element(self, session, payload):
        xml = payload.decode()
        if session.bound:
            (self.on_element or Session.send)(session, xml)
        elif "<auth" in xml:
            user = re.sub(r"^[^\0]*\0([^\0]*)\0.*", r"\1", decoded(xml))
            session.jid = f"{user}@localhost"
            session.state(1, session.jid)
            session.send(f"<success xmlns='{xmpp.SASL_NS}'/>")
        else:
            session.jid += f"/r{next(self.names)}"
            session.bound = True
            session.state(2, session.jid)
            session.counts = True
            name = re.search(r"id=['\"](.*?)['\"]", xml)[1]
            session.send(f"<iq type='result' id='{name}'><bind xmlns='{xmpp.BIND_NS}'><jid>{session.jid}</jid></bind></iq>")

    def bound(self, jid):
        return next(session for session in self.sessions if session.jid == jid and session.bound)

    def kinds(self):
        return [kind for kind, _, _ in list(self.frames)]


def decoded(xml):
    return base64.b64decode(re.search(r">(.*)<", xml)[1]).decode()
