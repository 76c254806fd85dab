"""
A name server on the loopback that says what a test tells it: `records` is name -> list of (kind, value), A and AAAA with an
address, SRV with (priority, weight, port, target). A name without records does not exist; `silent` answers nothing.
"""
import contextlib
import socket
import struct
import threading

A, SRV, AAAA = 1, 33, 28


def packed_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def packed_value(kind, value):
    if kind == SRV:
        return struct.pack(">HHH", *value[:3]) + packed_name(value[3])
    return socket.inet_pton(socket.AF_INET if kind == A else socket.AF_INET6, value)


class NameServer:
    def __init__(self):
        self.records, self.silent, self.asked = {}, False, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                query, client = self.socket.recvfrom(512)
                self.asked += 1
                if not self.silent:
                    self.socket.sendto(self.answer(query), client)

    def answer(self, query):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        name, kind = ".".join(labels), struct.unpack_from(">H", query, at + 1)[0]
        found = [value for its, value in self.records.get(name, []) if its == kind]
        code = 0 if name in self.records else 3
        head = query[:2] + struct.pack(">HHHHH", 0x8580 | code, 1, len(found), 0, 0)
        answers = b""
        for value in found:
            data = packed_value(kind, value)
            answers += b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 1, len(data)) + data
        return head + query[12 : at + 5] + answers
