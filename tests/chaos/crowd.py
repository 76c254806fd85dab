"""
Clients by the hundred in one process, each over direct TLS with stream management (XEP-0198): what they send, get and have
acknowledged goes into a Ledger.
"""
import asyncio
import random
import re
import ssl

import xmppwire as xmpp

SM_NS = "urn:xmpp:sm:3"
MARK = re.compile(r"^(\d+)-(\d+)$")
LOGIN_S = 60
ASK_EACH = 8  # messages, and then: what do you have?


def tag_of(element):
    return element.tag.rsplit("}", 1)[1]


class Member:
    def __init__(self, index, crowd):
        self.index, self.crowd, self.ledger = index, crowd, crowd.ledger
        self.splitter, self.jid, self.managed = xmpp.Splitter(), None, False
        self.stanzas_out, self.stanzas_in, self.messages_out = 0, 0, 0
        self.message_at = []  # how many stanzas had been sent, with each message
        self.over = False  # the stream has ended, or is to end

    async def open(self, address, context):
        self.reader, self.writer = await asyncio.open_connection(*address, ssl=context, server_hostname="localhost")

    def send(self, text):
        self.writer.write(text.encode())

    async def next(self):
        while not (item := self.splitter.next()):
            data = await self.reader.read(65536)
            if not data:
                raise ConnectionError("the connection ended")
            self.splitter.feed(data)
        if item.kind == "FOOTER":
            raise ConnectionError("the stream ended")
        if condition := xmpp.stream_error(item.element):
            raise ConnectionError(f"stream error {condition}")
        return item.element

    async def greet(self):
        self.splitter = xmpp.Splitter()
        self.send(f"<stream:stream to='localhost' version='1.0' xmlns='{xmpp.CLIENT_NS}' xmlns:stream='{xmpp.STREAM_NS}'>")
        await self.next()
        await self.next()

    async def expect(self, name):
        element = await self.next()
        if tag_of(element) != name:
            raise ConnectionError(f"{name} expected, came {xmpp.ET.tostring(element).decode()}")
        return element

    async def login(self, address, context, user, password, managed):
        await self.open(address, context)
        await self.greet()
        self.send(f"<auth xmlns='{xmpp.SASL_NS}' mechanism='PLAIN'>{xmpp.plain_response(user, password)}</auth>")
        await self.expect("success")
        await self.greet()
        self.send(f"<iq type='set' id='bind'><bind xmlns='{xmpp.BIND_NS}'><resource>r{self.index}</resource></bind></iq>")
        self.jid = next((await self.expect("iq")).iter(f"{{{xmpp.BIND_NS}}}jid")).text
        if managed:
            self.send(f"<enable xmlns='{SM_NS}' resume='true'/>")
            await self.expect("enabled")
            self.managed = True
        self.send(f"<presence><priority>{self.crowd.priority}</priority></presence>")
        self.stanzas_out += 1

    async def come(self, *where_and_who):
        """Logs in. Whoever is told that his server cannot be reached comes again, as clients do."""
        while True:
            try:
                return await self.login(*where_and_who)
            except ConnectionError:
                self.writer.close()
                await asyncio.sleep(0.1)

    def say(self, to, body):
        number = self.ledger.sent(self.index, to.index)
        self.send(f"<message type='chat' to='{to.jid}' id='{self.index}-{number}'><body>{body}</body></message>")
        self.stanzas_out += 1
        self.message_at.append(self.stanzas_out)
        if self.managed and len(self.message_at) % ASK_EACH == 0:
            self.ask()

    def ask(self):
        self.send(f"<r xmlns='{SM_NS}'/>")

    def told(self, handled):
        if handled > self.stanzas_out:
            raise ConnectionError(f"{handled} stanzas acknowledged of {self.stanzas_out}")
        upto = self.ledger.taken[self.index]
        while upto < len(self.message_at) and self.message_at[upto] <= handled:
            upto += 1
        self.ledger.acknowledged(self.index, upto)

    def take(self, element):
        name = tag_of(element)
        if name == "r":
            self.send(f"<a xmlns='{SM_NS}' h='{self.stanzas_in}'/>")
        elif name == "a":
            self.told(int(element.get("h")))
        elif name in ("message", "presence", "iq"):
            self.stanzas_in += 1
            if mark := MARK.match(element.get("id") or ""):
                error = element.get("type") == "error"
                sender, number = int(mark[1]), int(mark[2])
                if error:
                    self.ledger.ended(self.index, f"message {number} came back: {xmpp.ET.tostring(element).decode()}")
                else:
                    self.ledger.arrived(self.index, sender, number)

    async def listen(self):
        try:
            while True:
                self.take(await self.next())
        except (ConnectionError, ssl.SSLError, ValueError) as end:
            if not self.over:
                self.ledger.ended(self.index, str(end))
            self.over = True

    def settled(self):
        return self.over or not self.managed or self.ledger.taken[self.index] == len(self.message_at)


class Crowd:
    """
    rate: messages a second of all together. Users u0, u1... of localhost, `each` clients on one account. priority: of their presence;
    with a negative one nobody gets what was for another client of the account.
    """

    def __init__(self, ledger, seed, rate, size_max=2000, priority=-1):
        self.ledger, self.random, self.rate, self.size_max, self.priority = ledger, random.Random(seed), rate, size_max, priority
        self.members, self.tasks, self.talking = [], [], True

    async def enter(self, count, addresses, authority, each, managed=True):
        context = ssl.create_default_context(cafile=authority)
        self.members = [Member(index, self) for index in range(count)]
        gate = asyncio.Semaphore(20)

        async def one(member):
            async with gate:
                address = addresses[member.index % len(addresses)]
                await asyncio.wait_for(member.come(address, context, f"u{member.index // each}", "password", managed), LOGIN_S)

        await asyncio.gather(*map(one, self.members))
        self.tasks = [asyncio.ensure_future(member.listen()) for member in self.members]

    async def talk(self):
        """At a steady rate, while `talking`; who is not read from does not hold the others up."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while self.talking:
            sender, receiver = self.random.sample(self.members, 2)
            if not sender.over:
                sender.say(receiver, "x" * self.random.randint(1, self.size_max))
            due += 1 / self.rate
            await asyncio.sleep(max(0, due - loop.time()))

    async def settle(self, seconds):
        """Until all has come and is acknowledged; False when it did not in this time, or cannot."""
        loop = asyncio.get_running_loop()
        until, asked = loop.time() + seconds, 0
        while loop.time() < until and not self.ledger.ends:
            if self.ledger.arrived_count() >= self.ledger.sent_count() and all(member.settled() for member in self.members):
                return True
            if loop.time() - asked > 1:
                asked = loop.time()
                for member in self.members:
                    if not member.settled():
                        member.ask()
            await asyncio.sleep(0.05)
        return False

    async def leave(self):
        for member in self.members:
            if not member.over:
                member.over = True
                member.send("</stream:stream>")
        await asyncio.wait(self.tasks, timeout=60)
        for task in self.tasks:
            task.cancel()
        for member in self.members:
            member.writer.close()
