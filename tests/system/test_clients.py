"""slixmpp, a client that others have written."""
import asyncio
import ssl

import gate as gates
import pytest
import slixmpp

TIMEOUT_S = gates.PATIENCE_S


class Talker(slixmpp.ClientXMPP):
    def __init__(self, user, gate, mechanism=None, version=None):
        super().__init__(f"{user}@localhost", gates.PASSWORDS[user], sasl_mech=mechanism)
        self.ca_certs = gate.authority
        if version:
            self.ssl_context.maximum_version = version
        if mechanism:
            sasl = self["feature_mechanisms"]
            sasl.sasl_callback = lambda needed, more: sasl._default_credentials(needed, set(more) - {"channel_binding"})
        self.received, self.failures = asyncio.Queue(), asyncio.Queue()
        self.started, self.ended, self.online, self.offline, self.roster_news = (asyncio.Event() for _ in range(5))
        self.auto_authorize = self.auto_subscribe = True
        self.register_plugin("xep_0199")
        self.register_plugin("xep_0030")
        self.add_event_handler("session_start", self.on_start)
        self.add_event_handler("message", lambda message: self.received.put_nowait(message))
        self.add_event_handler("disconnected", lambda _: self.ended.set())
        self.add_event_handler("roster_update", lambda _: self.roster_news.set())
        self.add_event_handler("failed_auth", lambda failure: self.failures.put_nowait(failure))
        self.add_event_handler("got_online", lambda presence: presence["from"].bare != self.boundjid.bare and self.online.set())
        self.add_event_handler("got_offline", lambda presence: presence["from"].bare != self.boundjid.bare and self.offline.set())

    async def on_start(self, _):
        self.send_presence()
        await self.get_roster()
        self.started.set()

    def start(self, gate, direct):
        self.connect(gate.direct if direct else gate.starttls, use_ssl=direct)


async def until(awaitable):
    return await asyncio.wait_for(awaitable, TIMEOUT_S)


# This slixmpp knows no channel binding but tls-unique, which we do not have, and says that it does without it because we have none.
# That is refused where -PLUS is offered (RFC 5802, 6): left to itself, it goes on to PLAIN. For SCRAM it has to be told.
@pytest.mark.parametrize("mechanism", [None, "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"])
@pytest.mark.parametrize("version", [None, ssl.TLSVersion.TLSv1_2], ids=["1.3", "1.2"])
@pytest.mark.parametrize("direct", [False, True], ids=["starttls", "direct"])
def test_slixmpp(make_gate, mechanism, version, direct):
    gate = make_gate()

    async def conversation():
        alice, bob = Talker("alice", gate, mechanism, version), Talker("bob", gate, mechanism, version)
        alice.start(gate, direct)
        bob.start(gate, not direct)
        await until(alice.started.wait())
        await until(bob.started.wait())
        alice.send_presence_subscription("bob@localhost")
        await until(alice.online.wait())
        await until(bob.online.wait())
        while alice.client_roster["bob@localhost"]["subscription"] != "both":  # Bob may hear of it first
            await until(alice.roster_news.wait())
            alice.roster_news.clear()
        alice.send_message(bob.boundjid.full, "¿Qué tal? 今日は 👩‍👩‍👧 & <b>", mtype="chat")
        message = await until(bob.received.get())
        assert (message["from"], message["body"]) == (alice.boundjid, "¿Qué tal? 今日は 👩‍👩‍👧 & <b>")
        message.reply("Ça va, שלום").send()
        message = await until(alice.received.get())
        assert (message["from"], message["body"]) == (bob.boundjid, "Ça va, שלום")
        assert await until(alice["xep_0199"].ping("localhost")) > 0
        info = await until(alice["xep_0030"].get_info("localhost"))
        assert any(kind[0] == "server" for kind in info["disco_info"]["identities"])
        bob.disconnect()
        await until(bob.ended.wait())
        await until(alice.offline.wait())
        alice.disconnect()
        await until(alice.ended.wait())

    asyncio.run(conversation())


def test_slixmpp_with_a_wrong_password(gate):
    async def conversation():
        alice = Talker("alice", gate)
        alice.password = "wrong"
        alice.credentials["password"] = "wrong"
        alice.start(gate, False)
        failure = await until(alice.failures.get())
        assert failure["condition"] == "not-authorized"
        alice.abort()

    asyncio.run(conversation())


def test_slixmpp_refuses_a_certificate_it_does_not_know(gate, tmp_path):
    """The test of the tests above: their clients do look at the certificate."""
    gates.make_certificate(tmp_path, "localhost")

    async def conversation():
        alice = Talker("alice", gate)
        alice.ca_certs = str(tmp_path / "certificate.pem")
        failed = asyncio.Event()
        alice.add_event_handler("ssl_invalid_chain", lambda _: failed.set())
        alice.add_event_handler("connection_failed", lambda _: failed.set())
        alice.start(gate, True)
        await until(failed.wait())
        assert not alice.started.is_set()
        alice.abort()

    asyncio.run(conversation())
