"""
Plays: conversations between clients and the gate, written down as text (plays/*.play) and acted out against the real binary.

A file holds plays. A play is its title, directives, a line of dashes, and steps:

    === a title, which names what the play shows
    config limits.login_ms_max 1000      a setting of the gate; plays with the same settings share one gate
    own                                  a gate of its own, ended with the play
    cut bytes                            played whole, and again with every C: sent one byte at a time
    vary bad | condition                 played once for each line below it; {bad} and {condition} stand for its columns
      <a><b></a> | not-well-formed
    ---
    connect                              to the STARTTLS listener; `connect direct` to the other one
    C: <stream:stream ...>               the client sends (`C: header` is the usual header, `C: header to=x` another one)
    S: header                            the server's header is expected
    S: <stream:features>...</stream:features>

Steps. Several clients: write a name in front (`bob C: ...`). Lines that begin with white space go on
with the line before (a space stands between, but not after >).
    connect [direct]      tls [1.2|1.3]       tls fails            the TLS handshake; after it the streams begin anew
    tls ends                                  the client's close_notify
    login USER [RESOURCE] [direct] [1.2|1.3]  connects, logs in, binds; {jid} (for bob: {bob.jid}) is then the full JID
    secure [direct] [1.2|1.3]                 the same up to the features of the encrypted stream
    authenticated USER                        the same up to the features behind the login
    restart                                   the next item of the server belongs to a new stream
    C: TEXT                                   sent as it is, in one piece
    C/: TEXT                                  sent in two pieces; the play is repeated for every place to cut
    raw: TEXT                                 sent under TLS's feet
    S: XML                                    the next item must be this element (see below)
    S: any of XML || XML                      or one of these
    S: maybe XML                              it may come, or not
    S: header [name=value ...], S: footer
    S: error CONDITION                        a stream error, the footer, and a proper end of TLS and TCP
    S: failure CONDITION                      <failure/> of SASL
    S: closed                                 nothing more comes; TLS (when there is some) and TCP are ended
    S: dropped                                TCP is ended; whatever came before is let pass, if it is no XML element
    until XML, until footer                   the same, but other elements may come before it
    ping                                      the stream still answers, and nothing else came
    close                                     the client goes, without a word
    unseen TEXT                               nothing received so far by this client contains it
    counts REASON                             one more client was closed for this reason (cm/base/close.def)
    metric SAMPLE +N                          so much higher than when the play began
    log TEXT                                  the gate has logged it since the play began
    signal TERM|HUP, gate exits               the gate's process

In C: \\xNN \\r \\n \\t \\0 \\\\ are bytes. {TEXT * N} is TEXT N times (# in it: 0, 1, 2...), {fill N} as many x as make the whole
text N bytes long, {plain USER [PASSWORD]} a response of SASL PLAIN, {b64 TEXT} base64.
In S: an attribute or text * is anything; {name} is anything and remembered, or, when it is known, that value; the text ...
says that there may be more children and attributes than are written. Otherwise the element is as it is written.
"""
import base64
import pathlib
import re
import shlex
import time
import xml.etree.ElementTree as ET

import gate as gates
import xmppwire as xmpp
from matcher import Matcher
from peek import PEEK

VERBS = ("connect", "tls", "restart", "login", "secure", "authenticated", "C:", "C/:", "raw:", "S:", "until", "ping", "close", "unseen", "counts", "metric", "log", "signal", "gate")
METRIC_S = gates.PATIENCE_S  # how long a counter or a log line may take
CLOSED = 'stanzagate_clients_closed_total{{reason="{}"}}'
HEADER = f"<stream:stream xmlns='{xmpp.CLIENT_NS}' xmlns:stream='{xmpp.STREAM_NS}'>"


class Mismatch(AssertionError):
    pass


class Play:
    def __init__(self, title, path, line):
        self.title, self.path, self.line = title, path, line
        self.config, self.own, self.cut_bytes = {}, False, False
        self.names, self.rows, self.steps = [], [], []

    @property
    def verbs(self):
        """A verb may be one of the things that vary."""
        return {"{" + name + "}" for name in self.names}

    def variants(self):
        """(words for the test's name, variables, whether in single bytes)"""
        for number, row in enumerate(self.rows or [()]):
            words = f"[{number + 1}]" if self.rows else ""
            yield words, dict(zip(self.names, row)), False
            if self.cut_bytes:
                yield words + "[bytes]", dict(zip(self.names, row)), True


def read_plays(path):
    plays, last, in_steps = [], None, False
    for number, line in enumerate(pathlib.Path(path).read_text(encoding="utf-8").splitlines(), 1):
        where = f"{path}:{number}"
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("=== "):
            plays.append(Play(line[4:].strip(), path, number))
            in_steps, last = False, None
        elif not plays:
            raise SyntaxError(f"{where}: a play begins with ===")
        elif line.startswith("---"):
            in_steps, last = True, None
        elif line[0].isspace():
            continue_line(plays[-1], last, line.strip(), where)
        elif in_steps:
            last = read_step(plays[-1], line, number, where)
        else:
            last = read_directive(plays[-1], line, where)
    return plays


def continue_line(play, last, text, where):
    if isinstance(last, list):  # a step
        last[2] += text if last[2].endswith(">") else " " + text
    elif last == "vary":
        row = [column.strip() for column in text.split(" | ")]
        if len(row) != len(play.names):
            raise SyntaxError(f"{where}: {len(row)} columns, but {len(play.names)} names")
        play.rows.append(row)
    else:
        raise SyntaxError(f"{where}: goes on with what?")


def read_directive(play, line, where):
    word, _, rest = line.partition(" ")
    if word == "config":
        key, value = rest.split(None, 1)
        value = int(value) if value.isdigit() else value
        for part in reversed(key.split(".")):
            value = {part: value}
        play.config = gates.merged(play.config, value)
    elif word == "own":
        play.own = True
    elif word == "cut" and rest == "bytes":
        play.cut_bytes = True
    elif word == "vary":
        play.names = [name.strip() for name in rest.split("|")]
    else:
        raise SyntaxError(f"{where}: {word} is no directive")
    return word


def read_step(play, line, number, where):
    """[client's name, verb, the rest, number of the line]"""
    words = line.split(None, 1)
    name = "" if words[0] in VERBS or words[0] in play.verbs else words[0]
    if name:
        words = words[1].split(None, 1) if len(words) > 1 else [""]
    if words[0] not in VERBS and words[0] not in play.verbs:
        raise SyntaxError(f"{where}: {words[0] or 'nothing'} is no step")
    play.steps.append([name, words[0], words[1] if len(words) > 1 else "", number])
    return play.steps[-1]


def unescape(text):
    """\\xNN and friends; everything else as UTF-8."""
    known = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}

    def byte(match):
        return bytes([int(match[2], 16)]) if match[2] else known[match[1]]

    return re.sub(rb"\\(x([0-9a-fA-F]{2})|[rnt0\\])", byte, text.encode())


class Actor:
    """One client of a play."""

    def __init__(self, stage):
        self.stage, self.client, self.seen = stage, None, b""

    def connect(self, direct=False, version=None):
        address = self.stage.gate.direct if direct else self.stage.gate.starttls
        self.client = xmpp.Client(address, direct, self.stage.gate.authority, version)
        self.wire = self.client.wire
        receive = self.wire.receive

        def listen(deadline):
            data = receive(deadline)
            self.seen += data
            return data

        self.wire.receive = listen

    def send(self, data, raw=False):
        send = self.wire.send_raw if raw else self.wire.send
        if not self.stage.bytewise:
            send(data)
            return
        for at in range(len(data)):
            if not send(data[at : at + 1]):
                break
            self.taken()

    def send_cut(self, data, place):
        if self.wire.send(data[:place]):
            self.taken()
            self.wire.send(data[place:])

    def taken(self):
        deadline = time.monotonic() + xmpp.TIMEOUT_S
        while not PEEK.has_read(self.wire):
            assert time.monotonic() < deadline, "the gate does not read"
            time.sleep(0.00002)

    def next(self):
        return self.client.next()


class Stage:
    """One performance of a play."""

    def __init__(self, play, gate, variables, bytewise=False, cut=None):
        self.play, self.gate, self.bytewise, self.cut = play, gate, bytewise, cut
        self.variables, self.actors, self.cut_length = dict(variables), {}, 0
        self.held = {}
        self.log_from = len(gate.log())
        self.before = gate.metrics() if any(step[1] in ("metric", "counts") for step in play.steps) else {}

    def perform(self):
        try:
            for name, verb, rest, line in self.play.steps:
                self.where = f"{pathlib.Path(self.play.path).name}:{line}: {name} {verb} {rest[:200]}"
                actor = self.actors.setdefault(name, Actor(self))
                verb = self.fill_in(verb).strip(":").replace("/", "_cut")
                getattr(self, "do_" + verb)(actor, name, rest)
        except (AssertionError, xmpp.Closed, xmpp.Late, TimeoutError, ValueError, OSError, ET.ParseError) as error:
            raise Mismatch(self.report(error)) from error
        finally:
            for actor in self.actors.values():
                if actor.client:
                    actor.client.close()

    def report(self, error):
        lines = [f"{self.where}", f"{type(error).__name__}: {error}"]
        if self.variables:
            lines.append(f"with { {name: value[:100] for name, value in self.variables.items()} }")
        for name, actor in self.actors.items():
            lines.append(f"received{' by ' + name if name else ''}: {actor.seen[-1500:].decode('utf-8', 'replace')}")
        lines += ["log of the gate:", "\n".join(self.gate.log()[self.log_from :].splitlines()[-15:])]
        return "\n".join(lines)

    # What stands in braces.

    def fill_in(self, text, whole=False):
        def known(match):
            if match[1] not in self.variables and whole:
                raise ValueError(f"{match[1]} is not known")
            return self.variables.get(match[1], match[0])

        return re.sub(r"\{([a-z][a-z_.]*)\}", known, text)

    def bytes_of(self, text):
        text = self.fill_in(text)
        text = re.sub(r"\{plain (\w+)(?: (\S+))?\}", lambda m: xmpp.plain_response(m[1], m[2] or gates.PASSWORDS[m[1]]), text)
        text = re.sub(r"\{b64 (.*?)\}", lambda m: base64.b64encode(unescape(m[1])).decode(), text)
        text = re.sub(r"\{(.+?) \* (\d+)\}", lambda m: "".join(m[1].replace("#", str(n)) for n in range(int(m[2]))), text)
        fill = re.search(r"\{fill (\d+)\}", text)
        data = unescape(text if not fill else text.replace(fill[0], "\0", 1))
        if fill:
            data = data.replace(b"\0", b"x" * (int(fill[1]) - len(data) + 1))
            assert len(data) == int(fill[1]), f"no room to fill: {len(data)}"
        return data

    # Steps of a client.

    def do_connect(self, actor, name, rest):
        actor.connect("direct" in rest.split())

    def do_tls(self, actor, name, rest):
        words = self.fill_in(rest).split()
        version = next((word for word in words if word in ("1.2", "1.3")), None)
        if "ends" in words:
            actor.wire.end_tls()
            return
        context = xmpp.tls_context(self.gate.authority, version)
        try:
            actor.wire.start_tls(context)
        except (xmpp.Closed, OSError) as error:
            if "fails" not in words:
                raise
            return
        assert "fails" not in words, "TLS was made"
        actor.client.restart()

    def do_restart(self, actor, name, rest):
        actor.client.restart()

    def do_secure(self, actor, name, rest):
        words = self.fill_in(rest).split()
        actor.connect("direct" in words, next((word for word in words if word in ("1.2", "1.3")), None))
        actor.client.secure()

    def do_authenticated(self, actor, name, rest):
        rest = self.fill_in(rest)
        user = rest.split()[0]
        self.do_secure(actor, name, rest)
        actor.client.authenticate(user, gates.PASSWORDS[user])
        actor.client.greet()

    def do_login(self, actor, name, rest):
        words = [word for word in self.fill_in(rest).split() if word not in ("direct", "1.2", "1.3")]
        self.do_authenticated(actor, name, rest)
        jid = actor.client.bind(words[1] if len(words) > 1 else None)
        self.variables[f"{name}.jid" if name else "jid"] = jid

    def do_C(self, actor, name, rest):
        if rest.split()[:1] == ["header"]:
            actor.client.send_header(**({"to": "localhost"} | pairs(self.fill_in(rest))))
        else:
            actor.send(self.bytes_of(rest))

    def do_C_cut(self, actor, name, rest):
        data = self.bytes_of(rest)
        self.cut_length = len(data)
        if self.cut is None:
            actor.send(data)
        else:
            actor.send_cut(data, self.cut)

    def do_raw(self, actor, name, rest):
        actor.send(self.bytes_of(rest), raw=True)

    def do_ping(self, actor, name, rest):
        actor.client.missed.clear()
        actor.client.ping()
        assert not actor.client.missed, f"something else came first: {[ET.tostring(e) for e in actor.client.missed]}"

    def do_close(self, actor, name, rest):
        actor.client.close()

    def do_unseen(self, actor, name, rest):
        assert unescape(rest) not in actor.seen, f"{rest} was received"

    def do_S(self, actor, name, rest):
        rest = self.fill_in(rest)
        word, _, more = rest.partition(" ")
        if rest.startswith("<"):
            self.expect_element(actor, name, [rest])
        elif rest.startswith("any of "):
            self.expect_element(actor, name, rest[7:].split("||"))
        elif word == "maybe":
            self.expect_maybe(actor, name, more)
        else:
            getattr(self, "expect_" + word)(actor, name, self.fill_in(more, whole=True))

    def do_until(self, actor, name, rest):
        wanted = "FOOTER" if rest == "footer" else "ELEMENT"
        while True:
            item = self.take(actor, name)
            if item.kind == "FOOTER" or (wanted == "ELEMENT" and not self.difference(item, rest)):
                break
        assert item.kind == wanted, "the stream has ended"

    # What the server says.

    def take(self, actor, name):
        return self.held.pop(name, None) or actor.next()

    def expect_element(self, actor, name, patterns):
        item = self.take(actor, name)
        differences = [self.difference(item, pattern.strip()) for pattern in patterns]
        assert "" in differences, f"{'; '.join(differences)}\nin {item}"

    def difference(self, item, pattern):
        if item.kind != "ELEMENT":
            return f"an element expected, came {item}"
        wanted = ET.fromstring(HEADER + self.fill_in(pattern) + "</stream:stream>")[0]
        return Matcher(self.variables).element(wanted, item.element)

    def expect_maybe(self, actor, name, pattern):
        try:
            item = actor.next()
        except xmpp.Closed:
            return
        if self.difference(item, pattern):
            self.held[name] = item

    def expect_header(self, actor, name, rest):
        item = self.take(actor, name)
        assert item.kind == "HEADER", f"a header expected, came {item}"
        wanted = {"from": "localhost", "id": "*", "version": "1.0"} | pairs(rest)
        for key, value in wanted.items():
            found = item.element.get(key)
            assert attribute_fits(value, found), f"{key}={found!r}, expected {value}, in {item}"
        assert item.element.tag == f"{{{xmpp.STREAM_NS}}}stream", item
        assert b"xmlns='jabber:client'" in item.raw or b'xmlns="jabber:client"' in item.raw, item
        streams = self.variables.setdefault("stream ids", "").split()
        assert item.element.get("id") not in streams, "the stream's id was used before"
        self.variables["stream ids"] += f" {item.element.get('id')}"

    def expect_footer(self, actor, name, rest):
        item = self.take(actor, name)
        assert item.kind == "FOOTER", f"the footer expected, came {item}"

    def expect_features(self, actor, name, rest):
        self.expect_element(actor, name, ["<stream:features>...</stream:features>"])

    def expect_error(self, actor, name, rest):
        conditions = rest.split()
        item = self.take(actor, name)
        found = xmpp.stream_error(item.element)
        assert found in conditions, f"stream error {rest} expected, came {item}"
        for child in item.element[1:]:
            assert child.tag == f"{{{xmpp.ERROR_NS}}}text", f"an unexpected child in {item}"
        self.expect_footer(actor, name, "")
        self.expect_closed(actor, name, "")

    def expect_failure(self, actor, name, rest):
        pattern = f"<failure xmlns='{xmpp.SASL_NS}'><{rest}/>...</failure>"
        self.expect_element(actor, name, [pattern])

    def expect_closed(self, actor, name, rest):
        assert name not in self.held, f"not closed, came {self.held[name]}"
        more = actor.client.splitter.buffer.strip() + actor.wire.wait_end().strip()
        assert not more, f"nothing more expected, came {more!r}"
        assert actor.wire.close_notify or not actor.wire.tls, "TLS was not ended"

    def expect_dropped(self, actor, name, rest):
        more = actor.client.splitter.buffer + actor.wire.wait_end()
        assert b"<" not in more, f"came {more!r}"

    # The gate.

    def do_metric(self, actor, name, rest):
        sample, amount = self.fill_in(rest).rsplit(" ", 1)
        sample, amount = sample.strip(), int(amount)

        def change():
            now = self.gate.metrics()
            assert sample in now, f"no sample {sample}"
            return now[sample] - self.before.get(sample, 0)

        deadline = time.monotonic() + METRIC_S
        while change() != amount and time.monotonic() < deadline:
            time.sleep(0.02)
        assert change() == amount, f"{sample} changed by {change()}"

    def do_counts(self, actor, name, rest):
        self.do_metric(actor, name, f'{CLOSED.format(self.fill_in(rest).lower())} +1')

    def do_log(self, actor, name, rest):
        text = self.fill_in(rest)
        gates.wait_until(lambda: text in self.gate.log()[self.log_from :], METRIC_S, f"log with {text}")

    def do_signal(self, actor, name, rest):
        self.gate.signal({"TERM": 15, "HUP": 1}[rest.strip()])

    def do_gate(self, actor, name, rest):
        assert rest.strip() == "exits", rest
        problem = self.gate.stop()
        assert not problem, problem


def attribute_fits(wanted, found):
    """Of a header. *: something, ?: something or the empty text, absent: not there."""
    if wanted == "absent" or found is None:
        return wanted == "absent" and found is None
    return wanted == "?" or (wanted == "*" and bool(found)) or wanted == found


def pairs(text):
    """name=value words; value may be quoted, and absent (for the client: not sent)."""
    found = dict(word.split("=", 1) for word in shlex.split(text) if "=" in word)
    return {key: (None if value == "none" else value) for key, value in found.items()}


def perform(play, gate, variables, bytewise):
    """A play with C/: is repeated for every place where its text can be cut."""
    stage = Stage(play, gate, variables, bytewise)
    stage.perform()
    for place in range(1, stage.cut_length):
        Stage(play, gate, variables, False, place).perform()
