"""
A client of Startalk's dialect for tests, with an encoder of its own: docs/startalk.md is what it knows.

Messages are dictionaries by the names of the fields: {"key": "BIND", "value": "r", "messageId": "1"}.
"""
import base64
import gzip
import socket
import ssl
import struct

import gate as gates

TIMEOUT_S = gates.PATIENCE_S
PRESENCE, IQ, SUCCEEDED, FAILURE, CHAT, GROUPCHAT, ERROR, TYPING, READMARK, REVOKE, MSTAT = 1, 2, 4, 5, 6, 7, 9, 10, 13, 14, 16
AUTH, STREAM_END, WELCOME, STARTTLS, PROCEED = 45, 51, 100, 106, 108

# name: (number, kind, repeated); kinds: i(nteger), s(tring), b(ytes), or the name of a message
BODY = {"headers": (1, "HEADER", True), "value": (2, "s", False), "bodys": (3, "BODY", True)}
HEADER = {"key": (2, "s", False), "value": (3, "s", False), "definedKey": (4, "i", False)}
QUERY = {
    "key": (2, "s", False), "value": (3, "s", False), "messageId": (4, "s", False), "body": (6, "BODY", False), "receivedTime": (7, "i", False),
    "bodys": (10, "BODY", True), "definedKey": (11, "i", False), "categoryType": (12, "i", False),
}  # fmt: skip
MESSAGE = {
    "messageType": (1, "i", False), "clientType": (2, "i", False), "clientVersion": (3, "i", False), "messageId": (7, "s", False),
    "body": (9, "BODY", False), "receivedTime": (10, "i", False),
}  # fmt: skip
OUTER = {
    "options": (1, "i", False), "signalType": (2, "i", False), "from": (3, "s", False), "to": (4, "s", False), "message": (5, "b", False),
    "realfrom": (6, "s", False), "realto": (7, "s", False), "sendjid": (11, "s", False),
}  # fmt: skip
PAYLOADS = {
    PRESENCE: QUERY, IQ: QUERY, AUTH: {"mechanism": (1, "s", False), "msgId": (3, "s", False), "authKey": (4, "s", False)},
    WELCOME: {"domain": (1, "s", False), "version": (2, "s", False), "user": (3, "s", False), "sockmod": (4, "s", False)},
    SUCCEEDED: {"code": (1, "i", False), "msgId": (2, "s", False), "info": (3, "s", False), "body": (4, "BODY", False)},
    FAILURE: {"code": (1, "i", False), "msgId": (2, "s", False), "error": (3, "s", False), "body": (4, "BODY", False)},
    STREAM_END: {"reason": (1, "s", False), "code": (2, "i", False)}, STARTTLS: {}, PROCEED: {},
}  # fmt: skip
NAMED = {"BODY": BODY, "HEADER": HEADER}
DEFINED = {
    1: "chatid", 2: "channelid", 3: "extendInfo", 4: "backupinfo", 5: "read_type", 7: "jid", 8: "real_jid", 9: "invite_jid", 10: "del_jid", 12: "nick",
    16: "title", 18: "pic", 20: "version", 22: "method", 24: "body", 28: "affiliation", 30: "type", 32: "result", 34: "reason", 36: "role", 38: "domain",
    40: "status", 42: "code", 50: "cdata", 52: "time_value", 54: "key_value", 56: "name", 58: "host", 60: "question", 62: "answer", 64: "friends",
    66: "value", 68: "masked_user", 70: "key", 72: "carbon_message", 76: "mode", 78: "forbidden_words",
}  # fmt: skip


class Ended(Exception):
    pass


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def encode(schema, message):
    out = b""
    for name, (number, kind, repeated) in sorted(schema.items(), key=lambda field: field[1][0]):
        for value in message.get(name, []) if repeated else [message[name]] if name in message else []:
            if kind == "i":
                out += varint(number << 3) + varint(value)
                continue
            data = value.encode(errors="surrogateescape") if kind == "s" else value if kind == "b" else encode(NAMED[kind], value)
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def decode(schema, data):
    names = {number: (name, kind, repeated) for name, (number, kind, repeated) in schema.items()}
    message, at = {}, 0
    while at < len(data):
        tag, at = read_varint(data, at)
        name, kind, repeated = names[tag >> 3]
        value, at = read_varint(data, at)
        if tag & 7 == 2:
            raw, at = data[at : at + value], at + value
            value = raw.decode() if kind == "s" else bytes(raw) if kind == "b" else decode(NAMED[kind], raw)
        elif value >= 1 << 63:
            value -= 1 << 64
        if repeated:
            message.setdefault(name, []).append(value)
        else:
            message[name] = value
    return message


def tea(data, opens):
    out = b""
    for at in range(0, len(data) // 8 * 8, 8):
        a, b = struct.unpack(">II", data[at : at + 8])
        mix = lambda v, s: (v << 4 ^ v + s ^ v >> 5)
        sums = [(n + 1) * 0x9E3779B9 & 0xFFFFFFFF for n in range(32)]
        for s in reversed(sums) if opens else sums:
            if opens:
                b = b - mix(a, s) & 0xFFFFFFFF
                a = a - mix(b, s) & 0xFFFFFFFF
            else:
                a = a + mix(b, s) & 0xFFFFFFFF
                b = b + mix(a, s) & 0xFFFFFFFF
        out += struct.pack(">II", a, b)
    return out + data[len(data) // 8 * 8 :]


def seal(plain, options=None):
    options = options if options is not None else 1 if len(plain) > 200 else 5
    sealed = gzip.compress(plain) if options == 1 else tea(plain, False) if options == 5 else plain
    return framed(b"\x10" + varint(options) + b"\x32" + varint(len(sealed)) + sealed)


def framed(header):
    return varint(len(header)) + header


def unframed(data):
    return data[read_varint(data, 0)[1] :]


def unseal(header):
    fields = decode({"options": (2, "i", False), "message": (6, "b", False)}, header)
    data = fields["message"]
    return {0: lambda: data, 1: lambda: gzip.decompress(data), 5: lambda: tea(data, True)}[fields.get("options", 0)]()


def frame(signal, payload=None, options=None, **outer):
    schema = PAYLOADS.get(signal, MESSAGE)
    data = {"signalType": signal, "message": encode(schema, payload or {}), **outer}
    return seal(encode(OUTER, data), options)


class Packet:
    def __init__(self, header):
        self.outer = decode(OUTER, unseal(header))
        self.signal = self.outer["signalType"]
        self.payload = decode(PAYLOADS.get(self.signal, MESSAGE), self.outer.get("message", b""))

    @property
    def text(self):
        return self.payload.get("body", {}).get("value")

    def headers(self, body=None):
        body = body or self.payload.get("body", {})
        return {DEFINED.get(h.get("definedKey"), h.get("key")): h.get("value") for h in body.get("headers", [])}

    def __repr__(self):
        return f"<{self.signal} {self.outer.get('from')} {self.payload}>"


class Client:
    """One read takes at most one TLS record and one frame of it, as deployed clients do; `apart` says whether that was so."""

    def __init__(self, address, domain="localhost"):
        self.domain, self.socket = domain, socket.create_connection(address, TIMEOUT_S)
        self.socket.settimeout(TIMEOUT_S)
        self.pending, self.apart, self.secure = b"", True, False

    def send(self, signal, payload=None, **more):
        self.socket.sendall(frame(signal, payload, **more))

    def send_raw(self, data):
        self.socket.sendall(data)

    def _whole(self):
        """The first frame of what is pending, without its length."""
        try:
            length, at = read_varint(self.pending, 0)
        except IndexError:
            return None
        if len(self.pending) < at + length:
            return None
        header, self.pending = self.pending[at : at + length], self.pending[at + length :]
        self.apart &= not self.pending
        return header

    def next(self, timeout=TIMEOUT_S):
        self.socket.settimeout(timeout)
        while not (header := self._whole()):
            data = self.socket.recv(65536)
            if not data:
                raise Ended()
            self.pending += data
        return Packet(header)

    def wait(self, fits, timeout=TIMEOUT_S):
        while True:
            packet = self.next(timeout)
            if fits(packet):
                return packet

    def wait_signal(self, signal, timeout=TIMEOUT_S):
        return self.wait(lambda packet: packet.signal == signal, timeout)

    def wait_end(self):
        """The code and reason of StreamEnd, (None, None) when there was none, once the connection is closed."""
        said = (None, None)
        while True:
            try:
                packet = self.next()
            except (Ended, ConnectionError, ssl.SSLError):
                return said
            if packet.signal == STREAM_END:
                said = (packet.payload["code"], packet.payload.get("reason"))

    def start_tls(self):
        """Without SNI, and without a look at the certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)
        self.secure = True

    def greet(self, user):
        self.user = user
        self.send(WELCOME, {"domain": self.domain, "version": "1.0", "user": user})
        return self.next()

    def begin(self, user):
        self.greet(user)
        self.send(STARTTLS)
        assert self.next().signal == PROCEED
        self.start_tls()

    def authenticate(self, user, password):
        key = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        self.send(AUTH, {"mechanism": "PLAIN", "authKey": key}, **{"from": f"{user}@{self.domain}/r"})
        return self.next()

    def bind(self, resource):
        self.send(IQ, {"key": "BIND", "value": resource, "messageId": "bind-1"})
        answer = self.wait(lambda packet: packet.signal == IQ)
        self.full = answer.text
        self.bare = self.full.split("/")[0]
        return answer

    def login(self, user, password, resource=None):
        self.begin(user)
        answer = self.authenticate(user, password)
        assert answer.signal == SUCCEEDED, answer
        self.bind(resource or f"V[200012]_P[Mac]_ID[{user}]_C[1]_PB")
        assert self.next().payload["categoryType"] == 3
        return self

    def be_there(self):
        self.send(PRESENCE, {"key": "priority", "value": "5", "definedKey": 1})
        return self.wait(lambda packet: packet.payload.get("categoryType") == 9)

    def say(self, to, text, id, signal=CHAT, headers=(), **more):
        body = {"value": text, "headers": list(headers)}
        message = {"messageType": 1, "clientType": 3, "clientVersion": 200012, "messageId": id, "body": body}
        self.send(signal, message, to=to, **{"from": self.bare, **more})

    def ask(self, key, value=None, to=None, body=None, id="ask-1"):
        query = {"definedKey": key, "messageId": id, **({"value": value} if value else {}), **({"body": body} if body else {})}
        self.send(IQ, query, **({"to": to} if to else {}))
        return self.wait(lambda packet: packet.signal == IQ and packet.payload.get("messageId") == id)

    def nothing_came(self, id="beat-1"):
        """A ping is answered, and its answer is the very next packet."""
        self.send(IQ, {"definedKey": 50, "messageId": id})
        packet = self.next()
        assert (packet.payload.get("value"), packet.payload.get("messageId")) == ("ping", id), packet

    def close(self):
        self.socket.close()
