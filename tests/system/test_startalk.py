"""Clients of Startalk's dialect, with an encoder of their own, and what others sent and were sent."""
import asyncio
import base64
import functools
import gzip
import json
import pathlib
import subprocess

import fixtures
import gate as gates
import prosody
import pytest
import slixmpp
import startalk
import xmppwire as xmpp
from startalk import CHAT, ERROR, FAILURE, GROUPCHAT, IQ, MSTAT, PRESENCE, READMARK, REVOKE, STARTTLS, STREAM_END, TYPING, WELCOME
from test_clients import Talker, until

VECTORS = pathlib.Path(__file__).resolve().parents[1] / "vectors" / "startalk.txt"
LISTENERS = [{"address": "127.0.0.1:0", "tls": "starttls"}, {"address": "127.0.0.1:0", "protocol": "startalk"}]


@functools.cache
def vectors():
    """name -> the frame's bytes, its length before it"""
    found = {}
    for line in VECTORS.read_text().splitlines():
        word, _, rest = line.partition(" ")
        if word == "vector":
            name = rest.split()[0]
        elif word == "frame":
            found[name] = startalk.framed(bytes.fromhex(rest))
    return found


@pytest.fixture
def talk_gate(make_gate):
    return make_gate({"listeners": LISTENERS})


def log_in(gate, user, resource=None):
    return startalk.Client(gate.startalk).login(user, gates.PASSWORDS[user], resource)


# ---- logins that others have recorded


def seed_gate(make_gate, name, password):
    """A gate whose bundled session server has the account, with the password exactly as the client sent it."""
    home = gates.new_folder("seed")
    gates.add_account_at(home / "accounts.db", "startalk.tech", name, password)
    config = {"listeners": LISTENERS, "sessiond": {"database": str(home / "accounts.db"), "domains": ["startalk.tech"]}}
    return make_gate(config, home=home)


def said(packet):
    """What a packet says, without times."""
    payload = {name: value for name, value in packet.payload.items() if name != "receivedTime"}
    return {"signal": packet.signal, "from": packet.outer.get("from"), "to": packet.outer.get("to"), **payload}


def check_login(client, frames, bare, full, ids, platform):
    """The answers, field by field, as the server's log has its terms: `send >>`."""
    user, domain = bare.split("@")
    client.send_raw(frames["welcome"])
    welcome = {"domain": domain, "version": "1.0", "user": user, "sockmod": "TLS"}
    assert said(client.next()) == {"signal": WELCOME, "from": bare, "to": bare, **welcome}
    client.send_raw(frames["starttls"])
    assert said(client.next()) == {"signal": startalk.PROCEED, "from": domain, "to": domain}
    client.start_tls()
    client.send_raw(frames["auth"])
    answer = said(client.next())
    assert answer.pop("msgId").startswith("PBMSG_")
    assert answer == {"signal": startalk.SUCCEEDED, "from": bare, "to": bare, "code": 0, "info": "", "body": {"value": "login sucess"}}
    client.send_raw(frames["bind"])
    answer = client.next()
    headers = answer.headers()
    assert headers.keys() == {"time_value", "key_value"} and len(headers["key_value"]) == 32
    assert abs(int(headers["time_value"]) - answer.payload["receivedTime"]) <= 1
    answer = said(answer)
    assert answer.pop("body")["value"] == full
    assert answer == {"signal": IQ, "from": full, "to": full, "value": "bind", "messageId": ids[0], "definedKey": 80}
    notice = {"signal": PRESENCE, "from": bare, "to": full, "key": "result", "value": "notify", "messageId": "", "definedKey": 7}
    assert said(client.next()) == {**notice, "categoryType": 3, "body": {"value": '{"navversion":"10000"}'}}
    client.send_raw(frames["priority"])
    assert said(client.next()) == {**notice, "categoryType": 9, "body": {"value": f'["{platform}"]'}}
    client.send_raw(frames["ping"])
    assert said(client.next()) == {"signal": IQ, "from": bare, "to": full, "value": "ping", "messageId": ids[1], "definedKey": 80}
    assert client.apart


def test_a_recorded_login(make_gate):
    """The bytes of a client of Startalk for macOS, as a server took them."""
    packet = startalk.Packet(startalk.unframed(vectors()["seed_auth"]))
    _, name, password = base64.b64decode(packet.payload["authKey"]).decode().split("\0")
    full = packet.outer["from"]
    gate = seed_gate(make_gate, name, password)
    frames = {
        "welcome": vectors()["seed_welcome"], "starttls": vectors()["seed_starttls"], "auth": vectors()["seed_auth"],
        "bind": vectors()["seed_iq_bind"], "priority": vectors()["seed_presence_priority"], "ping": vectors()["seed_iq_ping"],
    }  # fmt: skip
    ids = ["0585c17d30c84247b81d8fb86ad1bd99", "dd401c282d824e8eb8709500cfc5bf77"]
    check_login(startalk.Client(gate.startalk), frames, full.split("/")[0], full, ids, "P[Mac]")


def test_a_login_of_which_the_terms_were_recorded(make_gate):
    """A client for Windows, of which a server's log has what it understood."""
    key = (
        "AGNoYW8uemhhbmcAWGoyTEZxTTdqZHdOWlVuQmE1a2RXUVFsOTF5YTBMWVAyb3VtdjA0WXhhK0tjTytYQ1RieVlLY0V4Ky91bllLamVVcS9Qa2l1T1dZTzk1"
        "ZCszVHIvam9IRk8xcENuQlVBUGhjcDcrQ05JbGJ5cDZ2eVBWWnp2ZUdJS3dqM1RqT1U0T3FweUphM1RXVjBFNHhFUVNGZ3VJc1BheGVBek9lZmN1SndIeGk0"
        "YkY4PQ=="
    )
    bare, resource = "chao.zhang@startalk.tech", "V[200012]_P[PC64]_ID[e85cbbb43c7f4a87acc919ba29c19a5e]_C[1]_PB"
    own = {"from": f"{bare}/{resource}"}
    ids = ["9c5f88670df04730b4654e368f2461c7", "e1c3d38ade11471ea4ffc7f8d1972043"]
    _, name, password = base64.b64decode(key).decode().split("\0")
    gate = seed_gate(make_gate, name, password)
    frames = {
        "welcome": startalk.frame(WELCOME, {"domain": "startalk.tech", "version": "1.0", "user": name}),
        "starttls": startalk.frame(STARTTLS),
        "auth": startalk.frame(startalk.AUTH, {"mechanism": "PLAIN", "authKey": key}, **own),
        "bind": startalk.frame(IQ, {"key": "BIND", "value": resource, "messageId": ids[0]}, **own),
        "priority": startalk.frame(PRESENCE, {"key": "priority", "value": "5", "definedKey": 1}, **own),
        "ping": startalk.frame(IQ, {"key": "PING", "definedKey": 50, "messageId": ids[1]}, **own),
    }
    check_login(startalk.Client(gate.startalk), frames, bare, f"{bare}/{resource}", ids, "P[PC64]")


# ---- logging in


def test_a_wrong_password_may_be_tried_again(talk_gate):
    client = startalk.Client(talk_gate.startalk)
    client.begin("alice")
    answer = client.authenticate("alice", "wrong")
    assert (answer.signal, answer.payload["error"], answer.text) == (FAILURE, "not-authorized", "login failed")
    assert answer.outer["from"] == answer.outer["to"] == "localhost" and "msgId" not in answer.payload
    for payload, error in [({"mechanism": "SCRAM-SHA-1", "authKey": "eA=="}, "no-mechanism"), ({"mechanism": "PLAIN", "authKey": ""}, "bad-protocol")]:
        client.send(startalk.AUTH, payload)
        assert client.next().payload["error"] == error
    assert client.authenticate("alice", gates.PASSWORDS["alice"]).signal == startalk.SUCCEEDED


def test_a_password_may_be_encrypted(make_gate, tmp_path):
    """RSA, PKCS#1 v1.5, of JSON, in base64: what clients for Windows and macOS send."""
    key, public = tmp_path / "key.pem", tmp_path / "public.pem"
    subprocess.run(["openssl", "genrsa", "-out", key, "1024"], check=True, capture_output=True)
    subprocess.run(["openssl", "rsa", "-in", key, "-pubout", "-out", public], check=True, capture_output=True)
    gate = make_gate({"listeners": LISTENERS, "sessiond": {"password_key": str(key)}})

    def encrypted(password):
        text = json.dumps({"a": "testapp", "d": "2021-03-01 19:47:38", "p": password, "u": "bob"}, ensure_ascii=False)
        command = ["openssl", "pkeyutl", "-encrypt", "-pubin", "-inkey", public]
        return base64.b64encode(subprocess.run(command, input=text.encode(), check=True, capture_output=True).stdout).decode()

    client = startalk.Client(gate.startalk)
    client.begin("bob")
    assert client.authenticate("bob", encrypted("wrong")).payload["error"] == "not-authorized"
    assert client.authenticate("bob", encrypted(gates.PASSWORDS["bob"])).signal == startalk.SUCCEEDED


def test_the_id_of_a_login_comes_back(talk_gate):
    client = startalk.Client(talk_gate.startalk)
    client.begin("alice")
    key = base64.b64encode(f"\0alice\0{gates.PASSWORDS['alice']}".encode()).decode()
    client.send(startalk.AUTH, {"mechanism": "PLAIN", "msgId": "mine <1>", "authKey": key})
    assert client.next().payload["msgId"] == "mine <1>"


def ends(client, code=222):
    said = client.wait_end()
    assert said[0] == code, said
    return said[1]


def out_of_order():
    bind = startalk.frame(IQ, {"key": "BIND", "value": "r", "messageId": "1"})
    auth = startalk.frame(startalk.AUTH, {"mechanism": "PLAIN", "authKey": "AGEAYg=="})
    welcome = startalk.frame(WELCOME, {"domain": "localhost", "version": "1.0", "user": "alice"})
    return {
        "auth before welcome": ("new", auth), "starttls before welcome": ("new", startalk.frame(STARTTLS)),
        "an unknown signal before welcome": ("new", startalk.frame(77)), "auth in clear": ("greeted", auth), "bind in clear": ("greeted", bind),
        "welcome again": ("greeted", welcome), "welcome behind tls": ("secure", welcome), "bind before auth": ("secure", bind),
        "a message before auth": ("secure", startalk.frame(CHAT, {"messageType": 1, "clientType": 3, "clientVersion": 1, "messageId": "1"})),
    }  # fmt: skip


@pytest.mark.parametrize("case", out_of_order())
def test_out_of_order(gate_of_startalk, case):
    phase, data = out_of_order()[case]
    client = startalk.Client(gate_of_startalk.startalk)
    if phase == "greeted":
        client.greet("alice")
    elif phase == "secure":
        client.begin("alice")
    client.send_raw(data)
    ends(client)


def test_what_is_not_bind_is_not_answered_before_it(gate_of_startalk):
    client = startalk.Client(gate_of_startalk.startalk)
    client.begin("alice")
    client.authenticate("alice", gates.PASSWORDS["alice"])
    client.send(IQ, {"definedKey": 50, "messageId": "1"})
    client.send(77)
    client.bind("r")
    assert client.next().payload["categoryType"] == 3


@pytest.mark.parametrize("frame", [startalk.frame(77), startalk.frame(startalk.AUTH, {"mechanism": "X", "authKey": "eA=="})], ids=["unknown", "auth"])
def test_what_is_ignored_before_login_is_limited(gate_of_startalk, frame):
    client = startalk.Client(gate_of_startalk.startalk)
    client.begin("alice")
    client.send_raw(frame * 60)
    ends(client, 201)


def test_nothing_may_stand_behind_starttls(gate_of_startalk):
    client = startalk.Client(gate_of_startalk.startalk)
    client.greet("alice")
    client.send_raw(startalk.frame(STARTTLS) + startalk.frame(STARTTLS))
    assert client.wait_end() == (None, None)


# ---- bad input


def bomb():
    return startalk.framed(b"\x10\x01\x32" + startalk.varint(len(data := gzip.compress(bytes(1 << 24), 9))) + data)


BAD = {
    "a length without end": (b"\xff" * 8, 222),
    "longer than the limit": (startalk.varint(300000), 222),
    "no protobuf": (startalk.framed(b"\xff\xff\xff"), 222),
    "an unknown seal": (startalk.framed(b"\x10\x02\x32\x02\x10\x02"), 222),
    "no gzip": (startalk.framed(b"\x10\x01\x32\x02\x10\x02"), 222),
    "a bomb": (None, 222),
    "no signal": (startalk.framed(b"\x10\x00\x32\x00"), 222),
    "ill-formed UTF-8 in from": (startalk.framed(b"\x10\x00\x32\x06\x10\x06\x1a\x02\xc3\x28"), 222),
    "somebody else's from": (startalk.frame(CHAT, {"messageType": 1, "clientType": 3, "clientVersion": 1, "messageId": "1", "body": {"value": "x"}}, **{"from": "bob@localhost"}), 222),
}  # fmt: skip
IGNORED = {
    "an unknown signal": startalk.frame(77),
    "a server's signal": startalk.frame(MSTAT, {"messageType": 1, "clientType": 3, "clientVersion": 1}),
    "an unknown word": startalk.frame(IQ, {"key": "DROP_TABLE", "messageId": "1"}),
    "an element's name": startalk.frame(IQ, {"definedKey": 30, "messageId": "1", "body": {"value": "item><x/><item"}}),
    "an attribute's name": startalk.frame(IQ, {"definedKey": 30, "messageId": "1", "body": {"value": "item", "headers": [{"key": "a='b' c", "value": "v"}]}}),
    "a message without body": startalk.frame(CHAT, {"messageType": 1, "clientType": 3, "clientVersion": 1, "messageId": "1"}),
    "a control character": startalk.frame(CHAT, {"messageType": 1, "clientType": 3, "clientVersion": 1, "messageId": "1", "body": {"value": "\x01"}}),
    "ill-formed UTF-8": startalk.frame(CHAT, {"messageType": 1, "clientType": 3, "clientVersion": 1, "messageId": "1", "body": {"value": "\udcc3("}}),
    "a frame of no bytes": b"\0",
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_the_stream(gate_of_startalk, case):
    client = log_in(gate_of_startalk, "alice", case.replace(" ", "-"))
    client.send_raw(BAD[case][0] or bomb())
    ends(client, BAD[case][1])


def test_odd_input_is_ignored(talk_gate):
    client = log_in(talk_gate, "alice")
    for what, data in IGNORED.items():
        client.send_raw(data)
        client.nothing_came(what)
    # frames of no bytes are none
    assert talk_gate.metrics()['stanzagate_startalk_ignored_total{direction="in"}'] == len(IGNORED) - 1


def test_a_frame_may_come_in_any_pieces(gate_of_startalk):
    client = log_in(gate_of_startalk, "alice")
    frames = b"".join(startalk.frame(IQ, {"definedKey": 50, "messageId": f"p{n}"}, options=n % 2 * 5) for n in range(20))
    for at in range(0, len(frames), 7):
        client.send_raw(frames[at : at + 7])
    assert [client.next().payload["messageId"] for _ in range(20)] == [f"p{n}" for n in range(20)]
    assert client.apart


# ---- ends


def test_a_second_client_of_the_name_replaces_the_first(talk_gate):
    first = log_in(talk_gate, "alice", "r_P[Mac]_x")
    log_in(talk_gate, "alice", "r_P[Mac]_x")
    assert ends(first) == "replaced"


def test_a_shutdown_says_so(make_gate):
    gate = make_gate({"listeners": LISTENERS})
    client = log_in(gate, "alice")
    assert gate.stop() == ""
    ends(client, 111)


def test_who_does_not_log_in_in_time_may_come_again(make_gate):
    gate = make_gate({"listeners": LISTENERS, "limits": {"login_ms_max": 1000}})
    ends(startalk.Client(gate.startalk), 102)


def test_an_unknown_domain(gate_of_startalk):
    client = startalk.Client(gate_of_startalk.startalk, "nowhere.example")
    client.send(WELCOME, {"domain": "nowhere.example", "version": "1.0", "user": "alice"})
    assert ends(client) == "host is not surport"


def test_the_client_may_end_its_stream(talk_gate):
    client = log_in(talk_gate, "alice")
    client.send(STREAM_END)
    assert client.wait_end() == (None, None)
    assert talk_gate.metrics()['stanzagate_clients_closed_total{reason="client_end"}'] == 1


# ---- together with XMPP clients

TEXT = "¿Qué tal? 你好,世界 👩‍👩‍👧 & <b>\n\ttwo lines"


def test_mixed_chat(talk_gate):
    async def conversation():
        bob, marks = Talker("bob", talk_gate), asyncio.Queue()
        of_marks = slixmpp.xmlstream.matcher.MatchXPath("{jabber:client}message/{urn:xmpp:chat-markers:0}displayed")
        bob.register_handler(slixmpp.xmlstream.handler.Callback("marks", of_marks, marks.put_nowait))
        bob.start(talk_gate, False)
        await until(bob.started.wait())
        alice = await asyncio.to_thread(log_in, talk_gate, "alice")
        await asyncio.to_thread(alice.be_there)
        # friends: alice asks, bob's client says yes by itself and asks back
        alice.send(PRESENCE, {"key": "verify_friend", "definedKey": 2, "body": {"headers": [{"key": "body", "value": "hi"}]}}, to="bob@localhost")
        shown = await asyncio.to_thread(alice.wait, lambda p: p.payload.get("value") == "update_user_status")
        assert (shown.outer["from"], shown.headers()["show"]) == (bob.boundjid.full, "online")
        asked = await asyncio.to_thread(alice.wait, lambda p: p.payload.get("value") == "confirm_verify_friend")
        assert asked.outer["from"] == "bob@localhost" and asked.headers()["method"] == "manual_authentication_confirm"
        body = {"headers": [{"definedKey": 32, "value": "allow"}]}
        alice.send(PRESENCE, {"definedKey": 3, "body": body}, to="bob@localhost")
        await until(bob.online.wait())
        assert bob.client_roster.presence("alice@localhost")
        friends = await asyncio.to_thread(alice.ask, 16)
        assert friends.headers() == {"friends": '[{"F":"bob","H":"localhost"}]'}
        # chat, both ways
        alice.say(bob.boundjid.full, TEXT, "m-1", headers=[{"definedKey": 3, "value": '{"x":"y"}'}])
        message = await until(bob.received.get())
        assert (message["from"], message["type"], message["body"], message["id"]) == (alice.full, "chat", TEXT, "m-1")
        taken = await asyncio.to_thread(alice.wait_signal, MSTAT)
        assert (taken.payload["messageId"], taken.text, taken.outer["to"]) == ("m-1", "", "alice@localhost")
        bob.send_message(alice.full, TEXT, mtype="chat")
        answer = await asyncio.to_thread(alice.wait_signal, CHAT)
        assert (answer.outer["from"], answer.text, answer.headers()) == (bob.boundjid.full, TEXT, {"errcode": "0"})
        # what others would not understand is not shown to them
        alice.say("bob@localhost", '[{"id":"b-1"}]', "r-1", READMARK, [{"definedKey": 5, "value": "4"}])
        alice.say("bob@localhost", "the end", "m-2")
        message = await until(marks.get())
        assert message.xml.find("{urn:xmpp:chat-markers:0}displayed").get("id") == "b-1"
        message = await until(bob.received.get())
        assert message["body"] == "the end"
        # status
        alice.send(PRESENCE, {"key": "status", "value": "user_update_status", "body": {"headers": [{"key": "show", "value": "busy"}, {"key": "priority", "value": "5"}]}})
        while bob.client_roster.presence("alice@localhost")[alice.full.split("/")[1]]["show"] != "dnd":
            await asyncio.sleep(0.01)
        bob.send_presence(pshow="xa")
        shown = await asyncio.to_thread(alice.wait, lambda p: p.payload.get("value") == "update_user_status" and p.outer["from"] == bob.boundjid.full)
        assert shown.headers()["show"] == "checkout"
        alice.close()
        await until(bob.offline.wait())
        bob.disconnect()
        await until(bob.ended.wait())

    asyncio.run(asyncio.wait_for(conversation(), 60))


def test_signs_go_both_ways(talk_gate):
    """What says nothing: typing, what has come, what was read, what is taken back."""
    alice, bob = log_in(talk_gate, "alice"), xmpp.Client(talk_gate.starttls, False, talk_gate.authority)
    bob.login("bob", gates.PASSWORDS["bob"], "phone")
    read = '[{"id":"b-1"}]'
    for signal, text, read_type, child in [
        (TYPING, "", None, "<composing xmlns='http://jabber.org/protocol/chatstates'/>"),
        (READMARK, read, "3", "<received xmlns='urn:xmpp:receipts' id='b-1'/>"),
        (READMARK, read, "4", "<displayed xmlns='urn:xmpp:chat-markers:0' id='b-1'/>"),
        (REVOKE, '{"messageId":"a-1"}', None, "<retract xmlns='urn:xmpp:message-retract:1' id='a-1'/>"),
    ]:  # fmt: skip
        alice.say(bob.jid, text, "a-1", signal, [{"definedKey": 5, "value": read_type}] if read_type else [])
        message, wanted = bob.wait(lambda element: element.tag.endswith("}message")), xmpp.ET.fromstring(child)
        assert (message.get("from"), message.find("{jabber:client}body")) == (alice.full, None)
        assert message.find(wanted.tag).get("id") == wanted.get("id")
        bob.send(f"<message to='{alice.full}' type='chat' id='b-2'>{child}</message>")
        packet = alice.wait(lambda p: p.signal not in (MSTAT, PRESENCE))
        assert (packet.signal, packet.outer["from"], packet.headers().get("read_type")) == (signal, bob.jid, read_type)
        if signal == REVOKE:
            assert packet.payload["messageId"] == "a-1" and packet.payload["messageType"] == -1
            assert json.loads(packet.text) == {"messageId": "a-1", "message": "", "fromId": "bob@localhost"}
        else:
            assert packet.text == text


def test_two_of_this_dialect_lose_nothing(talk_gate):
    alice, bob = log_in(talk_gate, "alice"), log_in(talk_gate, "bob")
    headers = [{"definedKey": 3, "value": '{"a":"<b>"}'}, {"definedKey": 4, "value": "[]"}, {"definedKey": 2, "value": '{"cn":"consult"}'}]
    for signal in [CHAT, TYPING, READMARK, REVOKE, 110, 132, 136]:
        alice.say(bob.full, TEXT, f"id-{signal}", signal, headers, realfrom="boss@localhost")
        packet = bob.wait(lambda p: p.signal not in (PRESENCE, IQ))
        assert (packet.signal, packet.text, packet.payload["messageId"]) == (signal, TEXT, f"id-{signal}")
        assert packet.payload["clientVersion"] == 200012 and "realfrom" not in packet.outer
        assert packet.headers() == {"extendInfo": '{"a":"<b>"}', "backupinfo": "[]", "channelid": '{"cn":"consult"}', "errcode": "0"}


def test_rooms_are_not_served_and_say_so(talk_gate):
    alice = log_in(talk_gate, "alice")
    assert alice.ask(36).headers() == {"code": "503"}
    alice.say("room@conference.localhost", "hello", "g-1", GROUPCHAT)
    packet = alice.wait(lambda p: p.signal == ERROR)
    assert (packet.payload["messageId"], packet.outer["from"]) == ("g-1", "room@conference.localhost")
    assert packet.headers()["errcode"] != "0"


def test_other_resources_are_told_of(talk_gate):
    first = log_in(talk_gate, "alice", "V[1]_P[Mac]_ID[1]")
    assert first.be_there().text == '["P[Mac]"]'
    second = log_in(talk_gate, "alice", "V[1]_P[PC64]_ID[2]")
    second.be_there()
    assert first.wait(lambda p: p.payload.get("categoryType") == 9).text == '["P[Mac]","P[PC64]"]'
    second.close()
    assert first.wait(lambda p: p.payload.get("categoryType") == 9).text == '["P[Mac]"]'


@pytest.mark.skipif(not prosody.is_there(), reason="there is no Prosody")
def test_in_front_of_prosody(make_gate):
    """It does not notice."""
    server = prosody.Prosody()
    gate = make_gate({"workers": 1, "listeners": LISTENERS, "backends": [{"name": "prosody-1", "address": server.address}]})
    gates.wait_until(lambda: gate.metrics()["stanzagate_links_up"] == 1)
    alice, bob = log_in(gate, "alice"), xmpp.Client(gate.starttls, False, gate.authority)
    assert alice.be_there().text == '["P[Mac]"]'
    bob.login("bob", gates.PASSWORDS["bob"], "phone")
    bob.send("<presence/>")
    alice.say("bob@localhost/phone", TEXT, "m-1")
    bob.wait_message(TEXT)
    assert alice.wait_signal(MSTAT).payload["messageId"] == "m-1"
    bob.send(f"<message to='{alice.full}' type='chat' id='b-1'><body>你好 😀</body></message>")
    message = alice.wait_signal(CHAT)
    assert (message.text, message.payload["messageId"], message.outer["from"]) == ("你好 😀", "b-1", "bob@localhost/phone")
    assert alice.ask(16).headers() == {"friends": "[]"}
    # rooms are entered with a presence (XEP-0045), for which this dialect has no word
    room = "tea@rooms.localhost"
    bob.send(f"<presence to='{room}/bob'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    bob.wait_presence(f"{room}/bob")
    form = "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>"
    assert bob.ask("set", form, room).get("type") == "result"
    alice.say(room, "hello", "g-1", GROUPCHAT)
    refused = alice.wait_signal(ERROR)
    assert (refused.payload["messageId"], refused.outer["from"], refused.headers()["errcode"]) == ("g-1", room, "406")
    assert server.stop() == ""


def test_long_messages_are_compressed(talk_gate):
    alice = log_in(talk_gate, "alice")
    text = "你好" * 20000
    alice.say(alice.full, text, "long")
    chat, taken = sorted((alice.next(), alice.next()), key=lambda packet: packet.signal)  # either may come first
    assert (chat.signal, chat.text) == (CHAT, text)
    assert (taken.signal, taken.payload["messageId"]) == (MSTAT, "long")


def test_counted_by_protocol(talk_gate):
    alice = log_in(talk_gate, "alice")
    alice.say(alice.full, "x", "m")
    assert {alice.next().signal, alice.next().signal} == {CHAT, MSTAT}
    metrics = talk_gate.metrics()
    assert metrics['stanzagate_connections_accepted_total{transport="startalk"}'] == 1
    assert metrics['stanzagate_clients_by_transport{transport="startalk"}'] == 1
    assert metrics["stanzagate_startalk_acknowledged_total"] == 1 and metrics["stanzagate_startalk_unacknowledged"] == 0
    assert metrics['stanzagate_startalk_frames_total{direction="in"}'] == 5
    assert metrics['stanzagate_startalk_frames_total{direction="out"}'] == 7


@pytest.fixture
def gate_of_startalk():
    """Shared: nothing is kept between two of its clients."""
    return fixtures.POOL.get({"listeners": LISTENERS})
