"""What people see of a gate: the status page, in a browser."""
import json
import os
import pathlib
import re
import threading
import urllib.request

import browser
import gate as gates
import xmppwire as xmpp

# A table as a list of its rows' texts.
ROWS = "[...document.querySelectorAll('#%s tr')].map(row => [...row.children].map(cell => cell.textContent))"
TILES = "Object.fromEntries([...document.querySelectorAll('#tiles div')].map(tile => [tile.children[1].textContent, tile.children[0].textContent]))"
# Headings of cards of which something is behind a scrollbar, with counts of some size in the narrow ones.
CUT_OFF = """document.querySelectorAll("section:not(.wide) td.n").forEach(cell => cell.textContent = "1,234,567"),
    [...document.querySelectorAll("section")].filter(card => card.scrollWidth > card.clientWidth).map(card => card.textContent.slice(0, 30))"""
GROUND = "getComputedStyle(document.body).backgroundColor"


def login(gate, user, direct=True, version=None):
    client = xmpp.Client(gate.direct if direct else gate.starttls, direct, gate.authority, version)
    client.login(user, gates.PASSWORDS[user])
    return client


def test_the_page_is_whole_and_asks_nobody_else(gate):
    with urllib.request.urlopen(f"http://{gate.metrics_address}/", timeout=gates.PATIENCE_S) as answer:
        page, policy = answer.read().decode(), answer.headers["Content-Security-Policy"]
    assert page == (gates.ROOT / "cm" / "ops" / "page" / "status.html").read_text()
    assert "default-src 'none'" in policy and "connect-src 'self'" in policy
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?!data:)\w""", page), "nothing is loaded besides"
    assert set(re.findall(r"https?://[^\"' ]+", page)) == {"http://www.w3.org/2000/svg"}, "the name of SVG"


def test_status_json_has_every_counter(gate):
    status = json.loads(gate.page("/status.json")[1])
    table = (gates.ROOT / "cm" / "base" / "counters.def").read_text()
    assert set(status["counters"]) == set(re.findall(r"^COUNTER\((\w+),", table, re.M))
    page = (gates.ROOT / "cm" / "ops" / "page" / "status.html").read_text()
    for name in re.findall(r"\bc\.(\w+)", page):
        assert name in status["counters"], f"the page asks for {name}"
    slabs = re.search(r"SLABS = \[([^]]*)\]", page)[1]
    assert sorted(re.findall(r'"(\w+)"', slabs)) == sorted(name[7:] for name in status["counters"] if name.startswith("memory_"))
    states = re.search(r"STATES = \[([^]]*)\]", page)[1]
    assert {"clients_" + name for name in re.findall(r'"(\w+)"', states)} | {"clients_waiting"} == {name for name in status["counters"] if name.startswith("clients_")}


def test_the_page_lives(make_gate):
    gate = make_gate()
    alice, bob, old = login(gate, "alice"), login(gate, "bob", False), login(gate, "carol", True, "1.2")
    assert old.logout()
    done = threading.Event()

    def talk():
        while not done.wait(0.02):
            alice.send("<message to='bob@localhost'><body>x</body></message>")
            alice.ping()
            bob.ping()

    talking = threading.Thread(target=talk)
    talking.start()
    try:
        with browser.Browser() as page:
            page.dark(False)
            page.open(f"http://{gate.metrics_address}/")
            gates.wait_until(lambda: page.value("document.body && document.body.dataset.shown"), what="the page's first look")

            def rated():
                tiles = page.value(TILES)
                return float(tiles["stanzas a second, in"].replace(",", "")) > 0 and not tiles["p99 to servers"].startswith("0") and tiles

            tiles = gates.wait_until(rated, what="a rate")
            assert (tiles["clients"], tiles["bound"], tiles["logins"]) == ("2", "2", "3")
            assert re.fullmatch(r"[1-9]\d* µs", tiles["p99 to servers"]) and re.fullmatch(r"\d+\.\d MiB", tiles["memory"])
            assert page.value("document.getElementById('health').textContent") == "healthy"
            assert page.value("document.getElementById('ready').textContent") == "ready"
            assert page.value(ROWS % "backends")[1][:4] == ["bundled", "up", "2/2", "2"]
            assert ["TLS 1.3", "AES-128-GCM", "2"] in page.value(ROWS % "tls")
            assert ["waiting for their turn", "", "0"] in page.value(ROWS % "tls")
            assert sum(int(row[2]) for row in page.value(ROWS % "tls") if row[0] == "TLS 1.2") == 1
            assert page.value(ROWS % "closes") == [["client_end", "1"]]
            assert page.value("document.querySelectorAll('polyline').length") == 8
            assert page.value("show({...before, time_s: before.time_s - 3600}), Date.now() / 1000 - before.time_s > 3000"), "a clock that was set back"
            for width in (1000, 1400, 1920):
                page.width(width)
                assert page.value(CUT_OFF) == [], width
            light = page.value(GROUND)
            page.dark(True)
            assert page.value(GROUND) != light
            if "STANZAGATE_SCREENSHOT" in os.environ:
                pathlib.Path(os.environ["STANZAGATE_SCREENSHOT"]).write_bytes(page.screenshot())
            assert page.complaints == []
            assert {re.sub(r"^http://[^/]*", "", url) for url in page.requests if not url.startswith("data:")} <= {"/", "/status.json", "about:blank"}
            done.set()
            talking.join()
            gate.signal(15)
            gates.wait_until(lambda: page.value("document.getElementById('health').className") == "mark bad", what="the page's notice of its end")
    finally:
        done.set()
        talking.join()
