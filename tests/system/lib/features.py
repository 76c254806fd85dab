"""
What people's clients do with a server, for a server by itself and the same behind the gate.

    tour(address, authority)    name of feature -> what came of it, at a server that is new: it leaves things there
"""
import asyncio
import xml.etree.ElementTree as ET

import gate as gates
import slixmpp
import xmppwire as xmpp
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

TIMEOUT_S = gates.PATIENCE_S
PLUGINS = "xep_0030 xep_0045 xep_0049 xep_0054 xep_0092 xep_0107 xep_0163 xep_0184 xep_0191 xep_0199 xep_0280 xep_0313 xep_0352".split()


def tree(element):
    """What an element says, without the ids and times that are new each time."""
    return (element.tag, sorted(element.attrib.items()), (element.text or "").strip(), sorted(tree(child) for child in element))


def features(element):
    """Those of a stream, without what belongs to whoever holds the client's connection."""
    return sorted(tree(child) for child in element if child.tag != f"{{{xmpp.TLS_NS}}}starttls")


class Talker(slixmpp.ClientXMPP):
    def __init__(self, user, resource, authority):
        super().__init__(f"{user}@localhost/{resource}", gates.PASSWORDS[user], sasl_mech="SCRAM-SHA-1")
        sasl = self["feature_mechanisms"]
        sasl.sasl_callback = lambda needed, more: sasl._default_credentials(needed, set(more) - {"channel_binding"})
        self.ca_certs = authority
        self.received, self.copies, self.rooms = asyncio.Queue(), asyncio.Queue(), asyncio.Queue()
        self.started, self.ended = asyncio.Event(), asyncio.Event()
        self.auto_authorize = self.auto_subscribe = True
        for plugin in PLUGINS:
            self.register_plugin(plugin)
        self.add_event_handler("session_start", self.on_start)
        self.add_event_handler("message", lambda message: message["type"] == "chat" and self.received.put_nowait(message))
        self.add_event_handler("carbon_sent", self.copies.put_nowait)
        self.add_event_handler("carbon_received", self.copies.put_nowait)
        self.add_event_handler("groupchat_message", lambda message: message["body"] and self.rooms.put_nowait(message))
        self.add_event_handler("disconnected", lambda _: self.ended.set())

    async def on_start(self, _):
        await self.get_roster()
        self.send_presence()
        self.started.set()

    async def arrive(self, address):
        self.connect(address, use_ssl=False)
        await until(self.started.wait())

    async def leave(self):
        self.disconnect()
        await until(self.ended.wait())


async def until(awaitable):
    return await asyncio.wait_for(awaitable, TIMEOUT_S)


# Each does one thing that people's clients do, and answers what came of it, the same each time.


async def feature_message(phone, desk, friend):
    phone.send_message(friend.boundjid.full, "¿Qué tal? <&>", mtype="chat")
    message = await until(friend.received.get())
    message.reply("Ça va").send()
    return message["from"] == phone.boundjid, message["body"], (await until(phone.received.get()))["body"]


async def feature_large_message(phone, desk, friend):
    phone.send_message(friend.boundjid.full, "long " * 20000, mtype="chat")
    return len((await until(friend.received.get()))["body"])


async def feature_presence_and_roster(phone, desk, friend):
    here, gone = asyncio.Event(), asyncio.Event()
    phone.add_event_handler("got_online", lambda presence: presence["from"].user == "bob" and here.set())
    phone.add_event_handler("got_offline", lambda presence: presence["from"].user == "bob" and gone.set())
    phone.send_presence_subscription("bob@localhost")
    await until(here.wait())
    friend.send_presence(ptype="unavailable")
    await until(gone.wait())
    here.clear()
    friend.send_presence(pstatus="back")
    await until(here.wait())
    await phone.get_roster()
    return phone.client_roster["bob@localhost"]["subscription"] in ("to", "both")


async def feature_carbons(phone, desk, friend):
    await until(desk["xep_0280"].enable())
    phone.send_message("bob@localhost", "copied", mtype="chat")
    await until(friend.received.get())
    sent = await until(desk.copies.get())
    await until(desk["xep_0280"].disable())
    return sent["carbon_sent"]["body"]


async def feature_archive(phone, desk, friend):
    phone.send_message("bob@localhost", "to be found again", mtype="chat")
    await until(friend.received.get())
    pages = phone["xep_0313"].retrieve(with_jid="bob@localhost", iterator=True, rsm={"max": 50})  # others have talked here before
    bodies = [message["mam_result"]["forwarded"]["stanza"]["body"] async for page in pages for message in page["mam"]["results"]]
    return "to be found again" in bodies


async def feature_room(phone, desk, friend):
    room = "tea@rooms.localhost"
    await until(phone["xep_0045"].join_muc_wait(room, "phone", timeout=TIMEOUT_S))
    await until(phone["xep_0045"].set_room_config(room, (await until(phone["xep_0045"].get_room_config(room)))))
    await until(friend["xep_0045"].join_muc_wait(room, "friend", timeout=TIMEOUT_S))
    phone.send_message(room, "for all", mtype="groupchat")
    heard = [(await until(who.rooms.get()))["body"] for who in (phone, friend)]
    friend["xep_0045"].leave_muc(room, "friend")
    phone["xep_0045"].leave_muc(room, "phone")
    return heard


async def feature_blocking(phone, desk, friend):
    await until(phone["xep_0191"].block("bob@localhost"))
    blocked = await until(phone["xep_0191"].get_blocked())
    await until(phone["xep_0191"].unblock("bob@localhost"))
    return sorted(str(jid) for jid in blocked["blocklist"]["items"])


async def feature_vcard(phone, desk, friend):
    card = phone["xep_0054"].make_vcard()
    card["FN"] = "Alice"
    await until(phone["xep_0054"].publish_vcard(card))
    return (await until(desk["xep_0054"].get_vcard("alice@localhost", local=False)))["vcard_temp"]["FN"]


async def feature_private_storage(phone, desk, friend):
    iq = phone.make_iq_set()
    iq.append(ET.fromstring("<query xmlns='jabber:iq:private'><note xmlns='urn:test'>kept</note></query>"))
    await until(iq.send())
    iq = desk.make_iq_get()
    iq.append(ET.fromstring("<query xmlns='jabber:iq:private'><note xmlns='urn:test'/></query>"))
    return (await until(iq.send())).xml.find(".//{urn:test}note").text


async def feature_pep(phone, desk, friend):
    await until(phone["xep_0107"].publish_mood("happy", "behind a gate"))
    items = await until(desk["xep_0060"].get_items("alice@localhost", "http://jabber.org/protocol/mood"))
    return len(items["pubsub"]["items"])


async def feature_client_state(phone, desk, friend):
    """What can wait, waits while the client is inactive; a message does not, and brings it along."""
    desk["xep_0352"].send_inactive()
    await until(desk["xep_0199"].ping("localhost"))
    friend.send_presence(pto="alice@localhost/desk", pstatus="later")
    friend.send_message("alice@localhost/desk", "now", mtype="chat")
    body = (await until(desk.received.get()))["body"]
    desk["xep_0352"].send_active()
    return body, (await until(desk["xep_0199"].ping("localhost"))) > 0


async def feature_ping_and_version(phone, desk, friend):
    assert await until(phone["xep_0199"].ping("localhost")) > 0
    assert await until(phone["xep_0199"].ping(friend.boundjid.full)) > 0
    version = await until(phone["xep_0092"].get_version("localhost"))
    return version["software_version"]["name"]


async def feature_disco(phone, desk, friend):
    info = await until(phone["xep_0030"].get_info("localhost"))
    items = await until(phone["xep_0030"].get_items("localhost"))
    own = await until(phone["xep_0030"].get_info("alice@localhost"))
    of = [sorted(about["disco_info"]["features"]) for about in (info, own)]
    return of, sorted(item[0] for item in items["disco_items"]["items"])


async def feature_push(phone, desk, friend):
    """A client that has left is told of a message by way of its push service, whose part the friend plays."""
    pushes = asyncio.Queue()
    friend.register_handler(Callback("push", MatchXPath("{jabber:client}iq/{http://jabber.org/protocol/pubsub}pubsub"), pushes.put_nowait))
    tablet = Talker("alice", "tablet", desk.ca_certs)
    await tablet.arrive(desk.address)
    iq = tablet.make_iq_set()
    iq.append(ET.fromstring(f"<enable xmlns='urn:xmpp:push:0' jid='{friend.boundjid.full}' node='of the tablet'/>"))
    await until(iq.send())
    await tablet.leave()
    friend.send_message("alice@localhost", "wake up", mtype="chat")
    assert (await until(phone.received.get()))["body"] == (await until(desk.received.get()))["body"] == "wake up"
    return (await until(pushes.get())).xml.find(".//{http://jabber.org/protocol/pubsub}publish").get("node")


async def feature_stream_management(phone, desk, friend):
    """What is sent is acknowledged; a connection that breaks is none of the session's end, and what was said meanwhile comes on the next."""
    tablet, acked, resumed = Talker("carol", "tablet", desk.ca_certs), asyncio.Queue(), asyncio.Event()
    tablet.register_plugin("xep_0198")
    tablet.add_event_handler("stanza_acked", lambda stanza: stanza["body"] and acked.put_nowait(stanza["body"]))
    tablet.add_event_handler("session_resumed", lambda _: resumed.set())
    await tablet.arrive(desk.address)
    tablet.send_message(friend.boundjid.full, "before", mtype="chat")
    heard = [(await until(friend.received.get()))["body"]]
    tablet["xep_0198"].request_ack()
    heard += [await until(acked.get())]
    tablet.abort()
    await until(tablet.ended.wait())
    tablet.ended.clear()
    friend.send_message("carol@localhost/tablet", "while away", mtype="chat")
    tablet.connect(desk.address, use_ssl=False)
    await until(resumed.wait())
    heard += [(await until(tablet.received.get()))["body"]]
    tablet.send_message(friend.boundjid.full, "behind", mtype="chat")
    message = await until(friend.received.get())
    tablet["xep_0198"].send_ack()
    await tablet.leave()
    return *heard, message["body"], message["from"].full


async def feature_offline(phone, desk, friend):
    """What is said to somebody who is not there waits for him."""
    friend.send_message("carol@localhost", "for later", mtype="chat")
    await until(friend["xep_0199"].ping("localhost"))
    tablet = Talker("carol", "tablet", desk.ca_certs)
    await tablet.arrive(desk.address)
    message = await until(tablet.received.get())
    await tablet.leave()
    return message["body"], message.xml.find("{urn:xmpp:delay}delay") is not None


async def feature_resource_conflict(phone, desk, friend):
    """The new client of the same resource stays."""
    second = Talker("alice", "desk", desk.ca_certs)
    await second.arrive(desk.address)
    await until(desk.ended.wait())
    await second.leave()
    return "replaced"


FEATURES = [function for name, function in list(globals().items()) if name.startswith("feature_")]


async def tour(address, authority):
    """Name of feature -> what came of it."""
    people = [Talker("alice", "phone", authority), Talker("alice", "desk", authority), Talker("bob", "sofa", authority)]
    for person in people:
        person.address = address
        await person.arrive(address)
    found = {}
    for feature in FEATURES:
        try:
            found[feature.__name__[8:]] = await feature(*people)
        except (slixmpp.exceptions.XMPPError, asyncio.TimeoutError, AssertionError, AttributeError) as error:
            found[feature.__name__[8:]] = f"failed: {error!r}"
    for person in people:
        if not person.ended.is_set():
            await person.leave()
    return found
