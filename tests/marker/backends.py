"""
Two session servers of one pool, in one process, that know each other's sessions. Any password is right; a message goes to the
session with the full JID of its `to`, whichever of the two has it, or nowhere. One of them is honest. The other one, besides,
sends frames with sessions that are not its own: of clients that have gone, of those that the honest one has, of another worker's, of
nobody; elements that come after the end; lists in which one of its own stands between strangers. Each of these elements says that it is
foreign, and no client may ever get one. What comes from the gate is looked at, too: whether each message is of its session's client.
"""
import asyncio
import collections
import random
import re
import struct

import fakebackend as link_protocol
import xmppwire as xmpp
from fakebackend import ACK, ATTACHED, CLOSE, ELEMENT, FANOUT, HELLO, KEEP, LOST, OPEN, PAUSE, PING, PONG, REATTACH, ADOPT, STATE, fields, frame

HEAD = struct.Struct(">IQ")
NUMBER = (1 << 56) - 1
HOSTILE_EACH = 8  # of so many messages of its own clients, one brings a foreign frame
ENDED_KEPT = 4096
EXAMPLES = 5
# How the gate numbers sessions: its place, and how many clients have been there. No number of a place comes back.
PLACE_SHIFT, TENANT_BITS = 32, (1 << 28) - 1
MESSAGE = re.compile(rb"<message from='([^']*)' to='([^']*)' id='([0-9.]+)-")
POISON = "<message from='nobody@localhost/0' to='nobody@localhost/0' id='0.0-0.0-0'><body>foreign: {}</body></message>"


def past(link, luck):
    """One that was in the place of one of its own."""
    number = link.some(luck)
    tenant = number & TENANT_BITS if number else 0
    return number - luck.randint(1, tenant - 1) if tenant > 1 else None


def ended(link, luck):
    return luck.choice(link.peer.ended) if link.peer.ended else None


def foreign(link, luck):
    """Which the other session server has now, at the same worker."""
    others = [other for other in link.peer.links if other is not link]
    return others[0].some(luck) if others else None


def crossed(link, luck):
    """Which another worker has now; here a later client is in its place, or was."""
    others = [other for other in link.pool.links if other.peer is not link.peer]
    number = luck.choice(others).some(luck) if others else None
    return number if number and link.peer.newest[number >> PLACE_SHIFT] > number & TENANT_BITS else None


def unknown(link, luck):
    """Which will not be for long."""
    number = link.some(luck)
    return number + (1 << 20) if number else None


WHOSE = (past, ended, foreign, crossed, unknown)
STREAM_END = fields(condition="policy-violation", reason="foreign")
# What is said to a session that is not the sender's own; all but elements are rarer.
WHAT = {
    "element": (12, lambda number, text: frame(ELEMENT, number, text.encode())),
    "state": (1, lambda number, text: frame(STATE, number, fields(stage=b"\2", jid="nobody@localhost/0"))),
    "close": (1, lambda number, text: frame(CLOSE, number, STREAM_END)),
    "pause": (1, lambda number, text: frame(PAUSE, number)),
    "keep": (1, lambda number, text: frame(KEEP, number, b"foreign")),
    "attached": (1, lambda number, text: frame(ATTACHED, number, fields(received=bytes(4)))),
    "lost": (1, lambda number, text: frame(LOST, number)),
}


class Peer:
    """A worker of the gate: its links, and what both session servers know of its sessions."""

    def __init__(self):
        self.links, self.ended, self.newest = [], collections.deque(maxlen=ENDED_KEPT), collections.Counter()


class Pool:
    """What the two know of each other, and what was found."""

    def __init__(self, seed):
        self.luck, self.links, self.peers, self.by_jid = random.Random(seed), [], {}, {}
        self.hostile, self.wrong, self.examples = collections.Counter(), 0, []

    def found(self, what):
        self.wrong += 1
        self.examples = self.examples[:EXAMPLES] + [what]

    def result(self):
        return {"hostile": dict(sorted(self.hostile.items())), "wrong": self.wrong, "examples": self.examples[:EXAMPLES]}


class Session:
    def __init__(self, link, number):
        self.link, self.number, self.jid, self.bound, self.mark = link, number, None, False, None


class Link(asyncio.Protocol):
    def __init__(self, pool, name, hostile):
        self.pool, self.name, self.hostile = pool, name, hostile
        self.sessions, self.heard, self.out, self.peer = {}, b"", [], None
        self.taken, self.told = 0, 0  # numbered frames, and how many of them were acknowledged

    def connection_made(self, transport):
        self.transport = transport
        self.say(link_protocol.hello(self.name))
        self.say(link_protocol.domain())

    def connection_lost(self, why):
        if self.peer:
            self.peer.links.remove(self)
            self.pool.links.remove(self)
            self.peer = None

    def say(self, data):
        if not self.out:
            asyncio.get_running_loop().call_soon(self.flush)
        self.out.append(data)

    def flush(self):
        if self.taken > self.told:
            self.told = self.taken
            self.out.append(frame(ACK, 0, struct.pack(">Q", self.taken)))
        self.transport.write(b"".join(self.out))
        self.out.clear()

    def some(self, luck):
        """One of its sessions; None: there is none."""
        return luck.choice(list(self.sessions)) if self.sessions else None

    def data_received(self, data):
        heard, at = self.heard + data, 0
        while len(heard) - at >= HEAD.size:
            length, head = HEAD.unpack_from(heard, at)
            if len(heard) - at < 4 + length:
                break
            self.take(head >> 56, head & NUMBER, heard[at + HEAD.size : at + 4 + length])
            at += 4 + length
        self.heard = heard[at:]
        if self.taken > self.told and not self.out:
            self.flush()

    def take(self, kind, number, payload):
        if kind in (OPEN, ELEMENT, CLOSE):
            self.taken += 1
        if kind == ELEMENT:
            self.element(number, payload)
        elif kind == OPEN:
            self.sessions[number] = Session(self, number)
            place = number >> PLACE_SHIFT
            self.peer.newest[place] = max(self.peer.newest[place], number & TENANT_BITS)
        elif kind == CLOSE:
            self.close(number)
        elif kind == HELLO:
            self.meet(link_protocol.read_fields(payload)[link_protocol.NAME])
        elif kind == PING:
            self.say(frame(PONG, 0, payload))
        elif kind in (REATTACH, ADOPT):  # no link is cut here but by a fault
            self.pool.found(f"{self.name}: a link was cut")
            self.say(frame(LOST, number))

    def meet(self, name):
        self.peer = self.pool.peers.setdefault(name, Peer())
        self.peer.links.append(self)
        self.pool.links.append(self)

    def close(self, number):
        session = self.sessions.pop(number, None)
        if session is None:
            self.pool.found(f"{self.name}: the end of {number:#x}, which it does not have")
            return
        self.pool.by_jid.pop(session.jid, None)
        self.peer.ended.append(number)
        self.say(frame(CLOSE, number))
        if self.hostile:
            self.say(frame(ELEMENT, number, POISON.format("late").encode()))
            self.pool.hostile["late"] += 1

    def element(self, number, payload):
        session = self.sessions.get(number)
        if session is None:
            self.pool.found(f"{self.name}: an element of {number:#x}, which it does not have")
        elif session.bound:
            self.message(session, payload)
        else:
            self.login(session, payload.decode())

    def login(self, session, xml):
        if "<auth" in xml:
            user = link_protocol.decoded(xml).split("\0")[1]
            session.jid = f"{user}@localhost"
            self.say(frame(STATE, session.number, fields(stage=b"\1", jid=session.jid, features=link_protocol.BIND)))
            answer = f"<success xmlns='{xmpp.SASL_NS}'/>"
        else:
            resource = re.search("<resource>(.*)</resource>", xml)[1]
            session.mark, session.bound = f"{session.jid[1:].split('@')[0]}.{resource}".encode(), True
            session.jid += f"/{resource}"
            self.pool.by_jid[session.jid] = session
            self.say(frame(STATE, session.number, fields(stage=b"\2", jid=session.jid)))
            answer = f"<iq type='result' id='bind'><bind xmlns='{xmpp.BIND_NS}'><jid>{session.jid}</jid></bind></iq>"
        self.say(frame(ELEMENT, session.number, answer.encode()))

    def message(self, session, payload):
        found = MESSAGE.match(payload)
        if not found or found[1].decode() != session.jid or found[3] != session.mark:
            self.pool.found(f"{self.name}: of {session.jid}: {payload[:200].decode(errors='replace')}")
            return
        to = self.pool.by_jid.get(found[2].decode())
        misled = self.hostile and self.pool.luck.randrange(HOSTILE_EACH) == 0
        if to and to.link is self and misled and self.pool.luck.randrange(4) == 0:
            self.mislead_many(to, payload)
            return
        if to:
            to.link.say(frame(ELEMENT, to.number, payload))
        if misled:
            self.mislead()

    def stranger(self):
        """A session that is not one of its own, and will not be; None: there happens to be none. And whose."""
        whose = self.pool.luck.choice(WHOSE)
        number = whose(self, self.pool.luck)
        return (None if number in self.sessions else number), whose.__name__

    def mislead(self):
        number, whose = self.stranger()
        kinds = list(WHAT)
        if number:
            what = self.pool.luck.choices(kinds, [WHAT[kind][0] for kind in kinds])[0]
            self.say(WHAT[what][1](number, POISON.format(f"{what} {whose}")))
            self.pool.hostile[f"{what} {whose}"] += 1

    def mislead_many(self, to, payload):
        """What is for one goes to a list."""
        strangers = [number for number, _ in (self.stranger() for _ in range(4)) if number]
        numbers = [*strangers, to.number]
        self.pool.luck.shuffle(numbers)
        self.say(frame(FANOUT, 0, struct.pack(">H", len(numbers)) + b"".join(n.to_bytes(7, "big") for n in numbers) + payload))
        self.pool.hostile["fanout"] += len(strangers)


async def serve(paths, seed, pipe):
    """Answers what was found when the other end of the pipe asks; until it is gone what was written goes out."""
    pool, loop, over = Pool(seed), asyncio.get_running_loop(), asyncio.Event()
    servers = []
    for path, hostile in zip(paths, (False, True)):
        name = f"session-{'hostile' if hostile else 'honest'}"
        servers.append(await loop.create_unix_server(lambda name=name, hostile=hostile: Link(pool, name, hostile), path))
    loop.add_reader(pipe.fileno(), over.set)
    pipe.send("ready")
    await over.wait()
    for server in servers:
        server.close()
    pipe.recv()
    over.clear()
    pipe.send(pool.result())
    await over.wait()


def run(paths, seed, pipe):
    asyncio.run(serve(paths, seed, pipe))
