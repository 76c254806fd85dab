"""
Clients that send nothing but their own marker, and look at every byte that comes. A stream is one client's from its login to its end;
its resource counts them. A marker says whose it is, whom it is for, and its number between these two:

    <message to='u7@localhost/3' id='6.1-7.3-42'><body>6.1-7.3-42 6.1-7.3-42 ...</body></message>

Half of what a client sends is for itself, half for its partner. Each has so many on their way at a time, and sends the next when one has
come. Of streams that live, all must come, once and in order; of those that end, what was under way is written off.
"""
import asyncio
import collections
import random
import re
import ssl

import xmppwire as xmpp

STANZA = re.compile(rb"<message from='([^']*)' to='([^']*)' id='((\d+)\.(\d+)-(\d+)\.(\d+)-(\d+))'><body>([^<]*)</body></message>")
BEGIN, END = b"<message ", b"</message>"
HEADER = f"<stream:stream to='localhost' version='1.0' xmlns='{xmpp.CLIENT_NS}' xmlns:stream='{xmpp.STREAM_NS}'>".encode()
WAYS = ("footer", "close", "cut", "half", "early")  # how clients leave
REPEATS = (1, 1, 2, 3, 5, 9, 20, 400)  # of the marker in a body: now and then more than a TLS record
RETURN_S = (0.0, 0.3)
LOGIN_S, DRAIN_S, FAREWELL_S = 60, 60, 5
EXAMPLES = 5


class Stream(asyncio.Protocol):
    def __init__(self, crowd, index, tenure):
        self.crowd, self.index, self.tenure = crowd, index, tenure
        self.jid, self.mark = f"u{index}@localhost/{tenure}", f"{index}.{tenure}"
        self.flying = collections.Counter()  # stream -> what is on its way to it
        self.sent = collections.Counter()  # stream -> how many
        self.came = {}  # mark of the sender -> [the next number, those that were left out]
        self.heard, self.online, self.over, self.transport = b"", False, False, None
        self.arrived, self.login = asyncio.Event(), None
        self.gone = asyncio.get_running_loop().create_future()

    # ---- the connection

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, why):
        if not self.over:
            self.crowd.end(self, f"{self.jid}: {why or 'the connection ended'} {self.heard[:200]}")
        self.gone.set_result(None)
        self.arrived.set()

    def data_received(self, data):
        if self.over:
            return
        self.heard += data
        if self.online:
            self.take()
        else:
            self.arrived.set()

    async def until(self, end):
        """Takes what comes, to this."""
        while end not in self.heard:
            if self.over or self.gone.done():
                raise ConnectionError(f"{self.jid}: no {end} but {self.heard[:200]}")
            self.arrived.clear()
            await self.arrived.wait()
        self.heard = self.heard.split(end, 1)[1]

    async def enter(self, early):
        """Logs in; half of those that are early leave before they have."""
        user = xmpp.plain_response(f"u{self.index}", "password")
        self.transport.write(HEADER)
        await self.until(b"</stream:features>")
        self.transport.write(f"<auth xmlns='{xmpp.SASL_NS}' mechanism='PLAIN'>{user}</auth>".encode())
        if early and self.crowd.luck.randrange(2):
            return
        await self.until(b"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
        self.transport.write(HEADER)
        await self.until(b"</stream:features>")
        self.transport.write(f"<iq type='set' id='bind'><bind xmlns='{xmpp.BIND_NS}'><resource>{self.tenure}</resource></bind></iq>".encode())
        if not early:
            await self.until(f"<jid>{self.jid}</jid></bind></iq>".encode())
            self.online = True

    def leave(self, way):
        self.over, self.online = True, False
        if way == "footer":
            self.transport.write(b"</stream:stream>")
        elif way == "close":
            self.transport.close()
        else:
            if way == "half":
                self.transport.write(f"<message to='{self.jid}' id='{self.mark}-{self.mark}-".encode())
            self.transport.abort()

    # ---- stanzas

    def fill(self):
        """Sends as many as there may be on their way."""
        text, near = [], [self, *(other for other in [self.crowd.online.get(self.index ^ 1)] if other)]
        for _ in range(self.crowd.window - self.flying.total() if self.crowd.talking else 0):
            to = self.crowd.luck.choice(near)
            mark = f"{self.mark}-{to.mark}-{self.sent[to]}"
            body = " ".join([mark] * self.crowd.luck.choice(REPEATS))
            text.append(f"<message to='{to.jid}' id='{mark}'><body>{body}</body></message>")
            self.sent[to] += 1
            self.flying[to] += 1
        if text:
            self.transport.write("".join(text).encode())

    def take(self):
        at, senders, heard = 0, set(), self.heard
        while (end := heard.find(END, at)) >= 0:
            stanza = heard[at : end + len(END)]
            sender = self.look(stanza, STANZA.fullmatch(stanza))
            senders.update([sender] if sender else [])
            at = end + len(END)
        self.heard = heard[at:]
        if self.heard[: len(BEGIN)] != BEGIN[: len(self.heard)]:
            self.crowd.found("wrong", f"at {self.jid}: {self.heard[:200]}")
        for sender in senders:
            sender.fill()

    def look(self, stanza, found):
        """The stream that it is from, if it still is there; None also when it should not have come."""
        mark = found and f"{found[4].decode()}.{found[5].decode()}"
        good = found and f"{found[6].decode()}.{found[7].decode()}" == self.mark and int(found[4]) in (self.index, self.index ^ 1)
        good = good and found[2].decode() == self.jid and found[1].decode() == "u{}@localhost/{}".format(*mark.split("."))
        if not good or set(found[9].split(b" ")) != {found[3]}:
            self.crowd.found("wrong", f"at {self.jid}: {stanza[:200]}")
            return None
        self.crowd.count()
        sender = self.crowd.streams.get(mark)
        if self.count(mark, int(found[8])) and sender:
            sender.flying[self] -= 1
        return sender

    def count(self, mark, number):
        """Whether this one was still to come."""
        flow = self.came.setdefault(mark, [0, set()])
        if number >= flow[0]:
            flow[1].update(range(flow[0], number))
            flow[0] = number + 1
            return True
        if number not in flow[1]:
            self.crowd.found("doubled", f"at {self.jid}: {mark} {number}")
            return False
        flow[1].remove(number)
        self.crowd.found("reordered", f"at {self.jid}: {mark} {number}")
        return True


class Crowd:
    """
    Clients with these indexes, in pairs of an even one and the next, until so many stanzas have come. `progress`: an array of numbers
    that others read: stanzas, streams.
    """

    def __init__(self, said, indexes, seed, address, authority, progress):
        self.window, self.stanzas, self.churning = said.window, said.stanzas / said.processes, said.churn / said.processes
        self.indexes, self.address, self.progress = indexes, address, progress
        self.luck, self.context = random.Random(seed), ssl.create_default_context(cafile=authority)
        self.online, self.streams, self.talking, self.arrived = {}, {}, True, 0
        self.tenures, self.counts, self.examples, self.left = collections.Counter(), collections.Counter(), [], collections.Counter()

    def count(self):
        """One more has come. When there have been enough, nobody says anything more."""
        self.arrived += 1
        self.talking = self.talking and self.arrived < self.stanzas

    def found(self, kind, text):
        self.counts[kind] += 1
        self.examples = (self.examples + [f"{kind}: {text}"])[:EXAMPLES]

    def end(self, stream, why):
        """One that nobody wanted."""
        self.found("ended", why)
        stream.over = True
        self.forget(stream)

    async def enter(self, index, early=False):
        self.tenures[index] += 1
        stream = Stream(self, index, self.tenures[index])
        where = {"ssl": self.context, "server_hostname": "localhost"}
        await asyncio.get_running_loop().create_connection(lambda: stream, *self.address, **where)
        await asyncio.wait_for(stream.enter(early), LOGIN_S)
        self.left["streams"] += 1
        if early:
            stream.leave("early")
            return
        self.online[index] = self.streams[stream.mark] = stream
        stream.fill()

    def forget(self, stream):
        """What was on its way to it or from it will not come; what it was left without before something later came, should have."""
        self.online.pop(stream.index, None)
        self.streams.pop(stream.mark, None)
        for mark, (_, missing) in stream.came.items():
            if missing:
                self.counts["lost"] += len(missing)
                self.found("gap", f"at {stream.jid}: {mark} {sorted(missing)[:EXAMPLES]}")
        for other in self.online.values():
            if other.flying.pop(stream, 0):
                other.fill()

    async def churn(self):
        """Again and again one leaves, in one of many ways, and comes back."""
        loop = asyncio.get_running_loop()
        due, returning = loop.time(), set()
        while self.churning and self.talking:
            due += 1 / self.churning
            await asyncio.sleep(max(0, due - loop.time()))
            if self.online:
                task = asyncio.ensure_future(self.go_and_return(self.luck.choice(list(self.online.values()))))
                returning.add(task)
                task.add_done_callback(lambda task: (returning.discard(task), self.tell(task)))
        while returning:
            await asyncio.wait(returning)

    def tell(self, task):
        if not task.cancelled() and task.exception():
            self.found("ended", f"a login: {task.exception()!r}")

    async def go_and_return(self, stream):
        way = self.luck.choice(WAYS)
        self.left[way] += 1
        stream.leave("cut" if way == "early" else way)
        self.forget(stream)
        await asyncio.sleep(self.luck.uniform(*RETURN_S))
        if way == "early":
            await self.enter(stream.index, early=True)
        await self.enter(stream.index)

    def flying(self):
        return sum(stream.flying.total() for stream in self.online.values())

    def gaps(self):
        """Of those that are still there to both sides, which forget() will count."""
        return sum(len(missing) for stream in self.online.values() for mark, (_, missing) in stream.came.items() if mark in self.streams)

    async def perform(self):
        loop, slots = asyncio.get_running_loop(), asyncio.Semaphore(20)

        async def enter(index):
            async with slots:
                try:
                    await self.enter(index)
                except (OSError, asyncio.TimeoutError) as why:
                    self.found("ended", f"the first login of {index}: {why!r}")

        await asyncio.gather(*map(enter, self.indexes))
        churn = asyncio.ensure_future(self.churn())
        moved, before = loop.time(), 0
        while self.talking and loop.time() < moved + DRAIN_S:
            if self.arrived > before:
                moved, before = loop.time(), self.arrived
            self.progress[0], self.progress[1] = self.arrived, self.left["streams"]
            await asyncio.sleep(0.1)
        self.talking = False
        await churn
        until = loop.time() + DRAIN_S
        while self.flying() and loop.time() < until:
            await asyncio.sleep(0.02)
        self.counts["lost"] += self.flying() - self.gaps()
        await self.depart()
        return self.result()

    async def depart(self):
        streams = list(self.online.values())
        for stream in streams:
            self.forget(stream)
            stream.leave("footer")
        if streams:
            await asyncio.wait([stream.gone for stream in streams], timeout=FAREWELL_S)

    def result(self):
        counts = {kind: self.counts[kind] for kind in ("wrong", "lost", "doubled", "reordered", "ended")}
        return {"arrived": self.arrived, "left": dict(self.left), "counts": counts, "examples": self.examples}


def run(said, indexes, seed, address, authority, progress, pipe):
    crowd = Crowd(said, indexes, seed, address, authority, progress)
    pipe.send(asyncio.run(crowd.perform()))
