"""
A small XMPP client that shows its wire: for quickstart's check and for the tests. Standard library only.

    Wire      a TCP connection, with TLS when it is asked for, that says how it ended (close_notify, end, reset)
    Splitter  bytes of an XMPP stream -> header, first-level elements, footer
    Stream    a Wire and a Splitter: send, and wait for the next item until a deadline
    Client    a Stream that logs in (STARTTLS or direct TLS, SASL PLAIN or SCRAM, bind) and talks

Nothing here waits without a deadline.
"""
import base64
import hashlib
import hmac
import os
import re
import secrets
import socket
import ssl
import tempfile
import threading
import time
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

CLIENT_NS = "jabber:client"
STREAM_NS = "http://etherx.jabber.org/streams"
TLS_NS = "urn:ietf:params:xml:ns:xmpp-tls"
SASL_NS = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND_NS = "urn:ietf:params:xml:ns:xmpp-bind"
ERROR_NS = "urn:ietf:params:xml:ns:xmpp-streams"
TIMEOUT_S = float(os.environ.get("STANZAGATE_TEST_TIMEOUT_S", "10"))


class Closed(Exception):
    """The peer ended the connection although something was expected."""


class Late(Exception):
    """Nothing came until the deadline."""


def tls_context(authority=None, version=None, alpn=True, keylog=None):
    """A client's context; authority: PEM file to trust, None: trust anyone. version: '1.2' or '1.3' and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority:
        context.load_verify_locations(authority)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if version:
        only = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
        context.minimum_version = context.maximum_version = only
    if alpn:
        context.set_alpn_protocols(["xmpp-client"])
    if keylog:
        context.keylog_filename = keylog
    return context


def address_of(text):
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


class Wire:
    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = None
        self.tls_lock = threading.Lock()  # one thread may send while another one receives
        self.ended = False  # nothing more can be received
        self.close_notify = False  # the peer ended TLS in the proper way
        self.tcp_ended = False
        self.reset = False
        self.alert = None  # why TLS broke
        self.raw_in = 0  # bytes received, as on the wire

    def send(self, data):
        """Whether all could be handed to the kernel."""
        if not self.tls:
            return self.send_raw(data)
        with self.tls_lock:
            self.tls.write(data)
            return self.send_raw(self.outgoing.read())

    def send_raw(self, data):
        try:
            self.socket.settimeout(TIMEOUT_S)
            self.socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def encrypt(self, data):
        self.tls.write(data)
        return self.outgoing.read()

    def receive(self, deadline):
        """Some bytes; b'' at the end."""
        while not self.ended:
            if self.tls:
                with self.tls_lock:
                    data = self._decrypt()
                if data or self.ended:
                    return data
            data = self._receive_raw(deadline)
            if not self.tls:
                return data
            if data:
                self.incoming.write(data)
        return b""

    def _decrypt(self):
        try:
            data = self.tls.read(65536)
        except ssl.SSLWantReadError:
            data = None
        except ssl.SSLZeroReturnError:
            data = b""
        except ssl.SSLError as error:  # the peer's fatal alert, or a record that is none
            self.alert, self.ended = error.reason, True
            return b""
        if pending := self.outgoing.read():  # answers of TLS itself
            self.send_raw(pending)
        if data == b"":
            self.close_notify = self.ended = True
        return data or b""

    def _receive_raw(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise Late("nothing came")
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            raise Late("nothing came") from None
        except ConnectionResetError:
            self.reset = True
            data = b""
        self.raw_in += len(data)
        if not data:
            self.ended = self.tcp_ended = True
        return data

    def start_tls(self, context, hostname="localhost", timeout=TIMEOUT_S):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=hostname)
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.tls.do_handshake()
                self.send_raw(self.outgoing.read())
                return
            except ssl.SSLWantReadError:
                self.send_raw(self.outgoing.read())
            data = self._receive_raw(deadline)
            if not data:
                raise Closed("the connection ended during the TLS handshake")
            self.incoming.write(data)

    def end_tls(self):
        """Sends our close_notify."""
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass
        self.send_raw(self.outgoing.read())

    def wait_end(self, timeout=TIMEOUT_S):
        """Bytes received until the peer has ended the connection, TCP included."""
        deadline, rest = time.monotonic() + timeout, b""
        while not self.ended:
            rest += self.receive(deadline)
        while not self.tcp_ended:
            self._receive_raw(deadline)
        return rest

    def close(self):
        self.socket.close()


TAG = re.compile(rb"<(?:[^>'\"]|'[^']*'|\"[^\"]*\")*>")


class Item:
    """HEADER, ELEMENT or FOOTER; raw as it came; element: parsed (of the header: the root without children)."""

    def __init__(self, kind, raw, element=None):
        self.kind, self.raw, self.element = kind, raw, element

    def __repr__(self):
        return self.raw.decode("utf-8", "replace")


class Splitter:
    """Cuts what a server sends (which is restricted XML) into items. Does not check it; the parser of Python does."""

    def __init__(self):
        self.buffer, self.at, self.depth, self.begin, self.header = b"", 0, 0, 0, b""

    def feed(self, data):
        self.buffer += data

    def next(self):
        """The next item, None when more bytes are needed."""
        while found := TAG.search(self.buffer, self.at):
            outside = self.buffer[self.at : found.start()]
            if self.depth <= 1 and outside.strip():
                raise ValueError(f"text between elements: {outside!r}")
            tag = found.group()
            if self.depth <= 1:
                self.begin = found.start()
            self.at = found.end()
            if tag.startswith(b"<?"):
                continue
            if tag.startswith(b"</"):
                self.depth -= 1
            elif not tag.endswith(b"/>"):
                self.depth += 1
                if self.depth == 1:
                    self.header = tag
                    return self._item("HEADER", ET.fromstring(tag + b"</stream:stream>"))
            if self.depth == 0:
                return self._item("FOOTER", None)
            if self.depth == 1:
                raw = self.buffer[self.begin : self.at]
                return self._item("ELEMENT", ET.fromstring(self.header + raw + b"</stream:stream>")[0])
        return None

    def _item(self, kind, element):
        item = Item(kind, self.buffer[self.begin : self.at], element)
        self.buffer, self.at = self.buffer[self.at :], 0
        return item


class Stream:
    def __init__(self, address):
        self.wire, self.splitter = Wire(address), Splitter()

    def restart(self):
        """A new stream on the same connection; what has been received of it already is kept."""
        self.splitter, rest = Splitter(), self.splitter.buffer
        self.splitter.feed(rest)

    def send(self, text):
        return self.wire.send(text.encode() if isinstance(text, str) else text)

    def send_header(self, to="localhost", **more):
        attributes = {"to": to, "version": "1.0", "xml:lang": "en"} | more
        written = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items() if value is not None)
        self.send(f"<?xml version='1.0'?><stream:stream xmlns='{CLIENT_NS}' xmlns:stream='{STREAM_NS}'{written}>")

    def next(self, timeout=TIMEOUT_S):
        """The next item. Raises Late, Closed."""
        deadline = time.monotonic() + timeout
        while True:
            item = self.splitter.next()
            if item:
                return item
            data = self.wire.receive(deadline)
            if not data:
                raise Closed(f"the connection ended; unread: {self.splitter.buffer!r}")
            self.splitter.feed(data)

    def expect(self, kind, timeout=TIMEOUT_S):
        item = self.next(timeout)
        if item.kind != kind:
            raise ValueError(f"{kind} expected, came {item}")
        return item.element

    def close(self):
        self.wire.close()


def stream_error(element):
    """The condition of a <stream:error/>, None when it is something else."""
    if element is None or element.tag != f"{{{STREAM_NS}}}error":
        return None
    return next((child.tag.split("}")[1] for child in element if child.tag.startswith(f"{{{ERROR_NS}}}")), "")


def b64(data):
    return base64.b64encode(data).decode()


def plain_response(user, password, authzid=""):
    return b64(f"{authzid}\0{user}\0{password}".encode())


def hkdf_expand_label(secret, label, context, length, algorithm):
    """RFC 8446, 7.1, for outputs of one block."""
    label = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(label)]) + label + bytes([len(context)]) + context
    return hmac.new(secret, info + b"\1", algorithm).digest()[:length]


def tls_exporter(keylog, algorithm):
    """Channel binding of type tls-exporter (RFC 9266) of the last TLS 1.3 connection in a key log."""
    with open(keylog) as lines:
        secret = [bytes.fromhex(line.split()[2]) for line in lines if line.startswith("EXPORTER_SECRET ")][-1]
    empty = hashlib.new(algorithm, b"").digest()
    derived = hkdf_expand_label(secret, b"EXPORTER-Channel-Binding", empty, len(empty), algorithm)
    return hkdf_expand_label(derived, b"exporter", empty, 32, algorithm)


class Scram:
    """RFC 5802 and 7677, client's side; binding: (name, data) or None."""

    def __init__(self, mechanism, user, password, binding=None):
        self.algorithm = {"SHA-1": "sha1", "SHA-256": "sha256"}[mechanism.removeprefix("SCRAM-").removesuffix("-PLUS")]
        self.password = password
        self.gs2 = f"p={binding[0]},," if mechanism.endswith("-PLUS") else "n,,"
        self.bound = self.gs2.encode() + (binding[1] if mechanism.endswith("-PLUS") else b"")
        self.nonce = secrets.token_urlsafe(18)
        self.bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={self.nonce}"

    def first(self):
        return b64((self.gs2 + self.bare).encode())

    def answer(self, challenge):
        server_first = base64.b64decode(challenge).decode()
        fields = dict(field.split("=", 1) for field in server_first.split(","))
        if not fields["r"].startswith(self.nonce) or fields["r"] == self.nonce:
            raise ValueError("the server's nonce does not continue ours")
        salted = hashlib.pbkdf2_hmac(self.algorithm, self.password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        final = f"c={b64(self.bound)},r={fields['r']}"
        signed = f"{self.bare},{server_first},{final}".encode()
        client_key = hmac.digest(salted, b"Client Key", self.algorithm)
        signature = hmac.digest(hashlib.new(self.algorithm, client_key).digest(), signed, self.algorithm)
        self.server_signature = hmac.digest(hmac.digest(salted, b"Server Key", self.algorithm), signed, self.algorithm)
        return b64(f"{final},p={b64(bytes(a ^ b for a, b in zip(client_key, signature)))}".encode())

    def verify(self, success):
        if base64.b64decode(success) != b"v=" + base64.b64encode(self.server_signature):
            raise ValueError("the server does not know the password")


class LoginFailed(Exception):
    """str() is the SASL condition."""


class Client(Stream):
    """
    login() does everything. Afterwards: jid, mechanism, tls_version; send, next, wait (for an element that fits).
    mechanism None: the strongest that is offered.
    """

    def __init__(self, address, direct=False, authority=None, tls=None, domain="localhost"):
        super().__init__(address)
        self.direct, self.domain, self.jid = direct, domain, None
        self.keylog = tempfile.NamedTemporaryFile(prefix="keylog-")
        self.context = tls_context(authority, tls, keylog=self.keylog.name)
        self.missed = []  # elements that wait() passed by

    def greet(self, **header):
        """Sends a header; answers the features."""
        self.send_header(self.domain, **header)
        self.header = self.expect("HEADER")
        features = self.expect("ELEMENT")
        if features.tag != f"{{{STREAM_NS}}}features":
            raise ValueError(f"features expected, came {ET.tostring(features)}")
        self.features = features
        return features

    def secure(self):
        """Up to an encrypted stream's features."""
        if not self.direct:
            self.greet()
            self.send(f"<starttls xmlns='{TLS_NS}'/>")
            answer = self.expect("ELEMENT")
            if answer.tag != f"{{{TLS_NS}}}proceed":
                raise ValueError(f"proceed expected, came {ET.tostring(answer)}")
        self.wire.start_tls(self.context, self.domain)
        self.tls_version = self.wire.tls.version()
        self.restart()
        return self.greet()

    def mechanisms(self):
        return [element.text for element in self.features.iter(f"{{{SASL_NS}}}mechanism")]

    def binding(self):
        algorithm = "sha384" if "SHA384" in self.wire.tls.cipher()[0] else "sha256"
        return ("tls-exporter", tls_exporter(self.keylog.name, algorithm))

    def authenticate(self, user, password, mechanism=None):
        offered = self.mechanisms()
        if mechanism is None:
            liked = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "PLAIN"]
            usable = [name for name in liked if name in offered and (self.tls_version == "TLSv1.3" or "PLUS" not in name)]
            mechanism = usable[0]
        self.mechanism, scram = mechanism, None
        if mechanism == "PLAIN":
            first = plain_response(user, password)
        else:
            scram = Scram(mechanism, user, password, self.binding() if mechanism.endswith("-PLUS") else None)
            first = scram.first()
        self.send(f"<auth xmlns='{SASL_NS}' mechanism='{mechanism}'>{first}</auth>")
        answer = self.expect("ELEMENT")
        if scram and answer.tag == f"{{{SASL_NS}}}challenge":
            self.send(f"<response xmlns='{SASL_NS}'>{scram.answer(answer.text)}</response>")
            answer = self.expect("ELEMENT")
        if answer.tag != f"{{{SASL_NS}}}success":
            raise LoginFailed(stream_error(answer) or answer[0].tag.split("}")[1])
        if scram:
            scram.verify(answer.text)
        self.restart()

    def bind(self, resource=None):
        wanted = f"<resource>{escape(resource)}</resource>" if resource else ""
        answer = self.ask("set", f"<bind xmlns='{BIND_NS}'>{wanted}</bind>")
        self.jid = answer.find(f".//{{{BIND_NS}}}jid").text
        return self.jid

    def login(self, user, password, resource=None, mechanism=None):
        self.secure()
        self.authenticate(user, password, mechanism)
        self.greet()
        return self.bind(resource)

    def ask(self, kind, child, to=None, timeout=TIMEOUT_S):
        """Sends an IQ and answers its result or error."""
        name = secrets.token_hex(4)
        target = f" to={quoteattr(to)}" if to else ""
        self.send(f"<iq type='{kind}' id='{name}'{target}>{child}</iq>")
        return self.wait(lambda element: element.get("id") == name, timeout)

    def ping(self, timeout=TIMEOUT_S):
        return self.ask("get", "<ping xmlns='urn:xmpp:ping'/>", self.domain, timeout)

    def wait(self, fits, timeout=TIMEOUT_S):
        """The next element that fits; others are kept for a later wait."""
        for place, element in enumerate(self.missed):
            if fits(element):
                return self.missed.pop(place)
        deadline = time.monotonic() + timeout
        while True:
            element = self.expect("ELEMENT", max(0.0, deadline - time.monotonic()))
            if condition := stream_error(element):
                raise Closed(f"stream error {condition}")
            if fits(element):
                return element
            self.missed.append(element)

    def wait_message(self, body, timeout=TIMEOUT_S):
        return self.wait(lambda e: e.tag == f"{{{CLIENT_NS}}}message" and e.findtext(f"{{{CLIENT_NS}}}body") == body, timeout)

    def wait_presence(self, sender, kind=None, timeout=TIMEOUT_S):
        def fits(element):
            return element.tag == f"{{{CLIENT_NS}}}presence" and element.get("type") == kind and element.get("from", "") in (sender, sender.split("/")[0])
        return self.wait(fits, timeout)

    def logout(self, timeout=TIMEOUT_S):
        """Ends the stream and waits for the server's end of it; answers whether TLS was ended properly."""
        self.send("</stream:stream>")
        while self.next(timeout).kind != "FOOTER":
            pass
        self.wire.wait_end(timeout)
        self.wire.end_tls()
        self.close()
        return self.wire.close_notify
