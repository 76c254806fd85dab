"""Startalk's own words, one after the other: what a session server of its own is asked, and what clients are told of what it says."""
import re
import time

import fakebackend as fake
import gate as gates
import pytest
import startalk
from fakebackend import Backend
from startalk import IQ, PRESENCE
from test_startalk import LISTENERS

MUC = "http://jabber.org/protocol/muc"
ROOM = "room@conference.localhost"


class Stage:
    """A client, and the session server that it is logged in to: what it says comes to `heard`, what `say` sends goes to it."""

    def __init__(self, backend, gate):
        self.backend, self.gate, self.heard = backend, gate, []
        self.client = startalk.Client(gate.startalk).login("alice", "any", "V[1]_P[Mac]_ID[1]")
        backend.on_element = lambda session, xml: self.heard.append(xml)

    def hear(self, signal, payload, **more):
        self.heard.clear()
        self.client.send(signal, payload, **more)
        return gates.wait_until(lambda: self.heard)[0]

    def say(self, xml):
        self.backend.sessions[-1].send(xml)
        return self.client.next()


@pytest.fixture(scope="module")
def stage():
    with Backend(gates.new_folder("link") / "s.sock") as backend:
        link = {"workers": 1, "backends": [{"name": "s", "address": f"unix:{backend.path}"}]}
        gate = gates.Gate({"listeners": LISTENERS, "startalk": {"native": True}, **link})
        gates.wait_until(lambda: gate.metrics()["stanzagate_links_up"] == 1)
        there = Stage(backend, gate)
        yield there
        there.client.close()
        problem = gate.stop()
    assert not problem


def body(value=None, bodys=None, **headers):
    numbers = {name: number for number, name in startalk.DEFINED.items()}
    listed = [{"definedKey": numbers[name], "value": text} if name in numbers else {"key": name, "value": text} for name, text in headers.items()]
    return {key: what for key, what in (("headers", listed), ("value", value), ("bodys", bodys)) if what}


def query(space, inside="", name="query"):
    return f"<{name} xmlns='{space}'{inside}" + ("" if inside.endswith(">") else "/>")


def holding(space, child):
    return query(space, f">{child}</query>")


# word: number, what else the request says, type and child of the iq
REQUESTS = {
    "CREATE_MUC": (2, {"value": "new@conference.localhost"}, "set", query("http://jabber.org/protocol/create_muc")),
    "MUC_CREATE": (3, {}, "set", query("http://jabber.org/protocol/create_muc")),
    "MUC_INVITE_V2": (4, {"bodys": [body("invite", jid="b@x"), body("invite", jid="c@x")]}, "set", holding(MUC + "#invite_v2", "<invite jid='b@x'/><invite jid='c@x'/>")),
    "GET_MUC_USER": (5, {}, "get", query(MUC + "#register")),
    "SET_MUC_USER": (6, {}, "set", query(MUC + "#register")),
    "DEL_MUC_USER": (7, {}, "set", query(MUC + "#del_register")),
    "ADD_USER_SUBSCRIBE": (8, {}, "set", holding(MUC + "#muc_user_subscribe", "<subscribe action='add'/>")),
    "DEL_USER_SUBSCRIBE": (9, {}, "set", holding(MUC + "#muc_user_subscribe", "<subscribe action='delete'/>")),
    "GET_USER_SUBSCRIBE": (10, {}, "get", query(MUC + "#muc_user_subscribe")),
    "GET_USER_OPT": (11, {"value": "bob@x"}, "get", query("jabber:iq:verify_friend_mode", " jid='bob'", "get_verify_friend_mode")),
    "SET_USER_OPT": (12, {"body": body("set_verify_friend_mode", mode="1")}, "set", query("jabber:iq:verify_friend_mode", " mode='1'", "set_verify_friend_mode")),
    "SET_USER_SUBSCRIBE_V2": (13, {"value": "5"}, "set", holding(MUC + "#muc_user_subscribe_v2", "<subscribe action='5'/>")),
    "GET_USER_SUBSCRIBE_V2": (14, {}, "get", query(MUC + "#muc_user_subscribe_v2")),
    "GET_USER_FRIEND": (16, {}, "get", query("jabber:x:get_friend", name="get_user_friends")),
    "DEL_USER_FRIEND": (18, {"body": body("delete_friend", jid="bob", domain="x", mode="2")}, "set", query("jabber:x:delete_friend", " jid='bob' domain='x' mode='2'", "delete_friend")),
    "GET_USER_KEY": (20, {}, "get", query("urn:xmpp:key", name="key")),
    "SET_ADMIN": (28, {"body": body("item", real_jid="b@x", nick="b", affiliation="admin")}, "set", holding(MUC + "#admin", "<item xmlns='jabber:x:mask_user' real_jid='b@x' nick='b' affiliation='admin'/>")),
    "SET_MEMBER": (30, {"body": body("item", real_jid="b@x", affiliation="member")}, "set", holding(MUC + "#admin", "<item real_jid='b@x' affiliation='member'/>")),
    "CANCEL_MEMBER": (32, {"body": body("item", nick="b", role="none")}, "set", holding(MUC + "#admin", "<item nick='b' role='none'/>")),
    "USER_MUCS": (36, {}, "get", query(MUC + "#user_mucs")),
    "DESTROY_MUC": (40, {}, "set", holding(MUC + "#owner", "<destroy/>")),
    "PING": (50, {}, "get", query("urn:xmpp:ping", name="ping")),
    "GET_FORBIDDEN_WORDS": (100, {}, "get", query(MUC + "#muc_forbidden_words")),
    "SET_FORBIDDEN_WORDS": (101, {"body": body(forbidden_words="<b>")}, "set", query(MUC + "#muc_forbidden_words", " forbidden_words='&lt;b&gt;'")),
}  # fmt: skip

# the iq's child: value, body
ANSWERS = {
    holding(MUC + "#user_mucs", "<muc_rooms name='r' host='h'/><muc_rooms name='s' host='h'/>"): ("user_mucs", None, [body("muc_room", name="r", host="h"), body("muc_room", name="s", host="h")]),
    holding("http://jabber.org/protocol/create_muc", "<create_muc result='success'/>"): ("create_muc", body("success")),
    holding(MUC + "#invite_v2", "<muc_invites jid='b@x' status='success'/>"): ("muc_invite_user_v2", None, [body("muc_invites", jid="b@x", status="success")]),
    holding(MUC + "#register", "<m_user jid='b@x' affiliation='owner'/><m_user jid='c@x' affiliation='none'/>"): ("muc_users", None, [body("m_user", jid="b@x", affiliation="owner"), body("m_user", jid="c@x")]),
    query(MUC + "#register"): ("muc_set_register", body("set_register")),
    query(MUC + "#del_register"): ("muc_del_register", body("del_register")),
    query(MUC + "#admin"): ("muc_admin", None),
    query(MUC + "#owner"): ("desctroy_muc", body("desctroy_muc", result="success")),
    holding(MUC + "#muc_forbidden_words", "<forbidden_words forbidden='true'/>"): ("forbidden_words", body("forbidden_words", result="true")),
    query("jabber:iq:verify_friend_mode", " jid='b' mode='3' question='1+1?' answer='2'", "get_verify_friend_mode"): ("get_verify_friend_mode", body("result", jid="b", mode="3", question="1+1?", answer="2")),
    query("jabber:iq:verify_friend_mode", " result='success'", "set_verify_friend_mode"): ("set_verify_friend_mode", body("set_verify_friend_mode", result="success")),
    query("jabber:x:get_friend", """ friends='[{"F":"b","H":"x"}]'""", "get_user_friends"): ("user_get_friends", body("get_friends", friends='[{"F":"b","H":"x"}]')),
    query("jabber:x:delete_friend", " jid='b' result='success'", "delete_friend"): ("user_del_friend", body("del_user_friend", jid="b", result="success")),
    holding("jabber:x:mask_user_v2", "<get_mask_user masked_user='b@x'/>"): ("get_mask_users", None, [body("get_mask_user", masked_user="b@x")]),
    query("jabber:x:mask_user", " result='success'", "mask_user"): ("set_mask_user", body("mask_user", result="success")),
    query("jabber:x:mask_user", " result='failed'", "cancel_mask_user"): ("cancel_mask_user", body("mask_user", result="failed")),
    holding(MUC + "#muc_user_subscribe", "<delete_subscribe status='success'/>"): ("subscribe", body("delete_subscribe", status="success")),
    holding(MUC + "#muc_user_subscribe_v2", "<subscribe status='5'/>"): ("subscribe", body("subscribe", status="5")),
    query("jabber:x:virtual_user", " vuser='v'", "virtual_user"): ("get_vuser", body("get_vuser", vuser="v")),
    query("jabber:x:virtual_user", " vitual_user='v'", "on_duty_virtual_user"): ("on_duty_virtual_user", body("on_duty_virtual_user", vitual_user="v")),
    query("jabber:x:virtual_user", " start_session='s' real_user='r'", "start_session"): ("start_session", body("start_session", start_session="s", real_user="r")),
    query("jabber:x:virtual_user", " result='success'", "end_session"): ("end_session", body("end_session", result="success")),
}  # fmt: skip

# inside of the presence's tag, and children: value, body
NOTICES = {
    (f"xmlns='{MUC}#invite' invite_jid='b@x' status='1'", ""): ("invite_user", body("invite_info", invite_jid="b@x", status="1")),
    (f"xmlns='{MUC}#del_register' del_jid='b@x'", ""): ("del_muc_register", body("del_muc_register", del_jid="b@x")),
    (f"xmlns='{MUC}#muc_user_subscribe_v2'", "<subscribe_updte status='5'/>"): ("subscribe_update", body("subscribe_update", status="5")),
    (f"xmlns='{MUC}#vcard_update'", "<vcard_updte nick='n' desc='d' title='t' pic='p' version='2'/>"): ("update_muc_vcard", body("update_muc_vcard", nick="n", desc="d", title="t", pic="p", version="2")),
    ("xmlns='jabber:x:verify_friend' type='t' result='allow' reason='r' method='m' body='b'", ""): ("verify_friend", body("verify_friend", type="t", result="allow", reason="r", method="m", body="b")),
    ("xmlns='http://jabber.org/protocol/user#invite_rslt' result='deny'", ""): ("verify_friend", body("verify_friend", result="deny")),
    ("xmlns='jabber:x:verify_friend' method='manual_authentication_confirm' body='hi' friend_num='2'", ""): ("confirm_verify_friend", body("verify_friend", method="manual_authentication_confirm", body="hi", friend_num="2")),
    ("xmlns='jabber:x:delete_friend' type='t' result='r' jid='b' domain='x'", ""): ("delete_friend", body("delete_friend", type="t", result="r", jid="b", domain="x")),
    ("xmlns='jabber:x:mask_user'", "<mask_user jid='b@x'/>"): ("mask_user", body("mask_user", jid="b@x")),
    ("xmlns='jabber:x:mask_user'", "<cancel_masked_user jid='b@x'/>"): ("cancel_mask_user", body("cancel_mask_user", jid="b@x")),
    (f"xmlns='{MUC}#muc_forbidden_words' forbidden_words='w'", ""): ("forbidden_words", body("forbidden_words", forbidden_words="w")),
    ("", f"<x xmlns='{MUC}#user'><item jid='b@x/r' affiliation='member'/></x>"): ("user_join_muc", body("user_info", jid="b", affiliation="member", domain="x")),
    ("type='unavailable'", f"<x xmlns='{MUC}#user'><item affiliation='none' role='none'/><destroy/></x>"): ("destory_muc", body("item", affiliation="none", role="none")),
    ("type='unavailable'", f"<x xmlns='{MUC}#user'><item affiliation='none' role='none'/><status code='307'/></x>"): ("del_muc_user", body("item", affiliation="none", role="none", code="307")),
    ("", "<show>away</show><priority>5</priority>"): ("update_user_status", body("update_user_status", show="away", priority="5")),
}  # fmt: skip


@pytest.mark.parametrize("word", REQUESTS)
def test_requests(stage, word):
    number, more, kind, child = REQUESTS[word]
    to = more["value"] if word == "CREATE_MUC" else ROOM
    wanted = f"<iq from='{stage.client.full}' to='{to}' id='{word}' type='{kind}'>{child}</iq>"
    assert stage.hear(IQ, {"key": word, "messageId": word, **more}, to=ROOM) == wanted
    assert stage.hear(IQ, {"definedKey": number, "messageId": word, **more}, to=ROOM) == wanted


@pytest.mark.parametrize("child", ANSWERS, ids=lambda child: re.sub(r".*/|'.*", "", child.split(">")[0]))
def test_answers(stage, child):
    value, one, *many = ANSWERS[child]
    payload = stage.say(f"<iq from='{ROOM}' id='a1' type='result'>{child}</iq>").payload
    assert abs(payload.pop("receivedTime") - time.time()) < 60
    wanted = {"value": value, "messageId": "a1", "definedKey": 80, "body": one, "bodys": many[0] if many else None}
    assert payload == {key: what for key, what in wanted.items() if what}


def test_the_answer_with_a_key(stage):
    payload = stage.say("<iq id='a1' type='result'><key xmlns='urn:xmpp:key' value='k'/></iq>").payload
    (when, key), seconds = payload["body"]["headers"], payload["receivedTime"]
    assert (payload["value"], payload["body"]["value"]) == ("get_key", "get_key")
    assert (when["key"], key) == ("time_key", {"definedKey": 70, "value": "k"}) and abs(int(when["value"]) - seconds) <= 1


@pytest.mark.parametrize("notice", NOTICES, ids=lambda notice: NOTICES[notice][0])
def test_notices(stage, notice):
    value, what = NOTICES[notice]
    packet = stage.say(f"<presence from='{ROOM}/bob' {notice[0]}>{notice[1]}</presence>")
    payload = packet.payload
    assert (packet.signal, packet.outer["from"], payload["value"], payload["body"]) == (PRESENCE, ROOM + "/bob", value, what)
    asks = value == "confirm_verify_friend"
    assert (payload["key"], payload.get("definedKey")) == (("manual_authentication_confirm", None) if asks else ("result", 6))


def test_an_error_has_code_and_text(stage):
    error = "<error code='503' type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text>no</text></error>"
    payload = stage.say(f"<iq from='{ROOM}' id='a1' type='error'>{error}</iq>").payload
    assert payload["definedKey"] == 90 and "value" not in payload
    assert payload["body"] == body("error_info", code="503", data="no")


def test_a_groups_message_names_its_sender(stage):
    said = f"<message from='{ROOM}/bob' realfrom='bob@localhost' sendjid='bob@localhost' type='groupchat' client_type='ClientTypeiOS' client_ver='7'"
    packet = stage.say(f"{said} msec_times='1614599258867'><body id='g-1' msgType='5' extendInfo='{{}}'>你好</body></message>")
    assert (packet.signal, packet.outer["from"]) == (startalk.GROUPCHAT, ROOM + "/bob")
    assert packet.outer["realfrom"] == packet.outer["sendjid"] == "bob@localhost"
    more = {"messageType": 5, "clientType": 2, "clientVersion": 7, "messageId": "g-1", "receivedTime": 1614599258867}
    assert packet.payload == {**more, "body": body("你好", extendInfo="{}", errcode="0")}
