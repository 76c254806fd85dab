"""
Certificates of several tenants on one gate: who is shown which, renewals, staples.

STANZAGATE_TEST_RELOADS: how many reloads come while clients shake hands (40).
"""
import os
import pathlib
import re
import socket
import ssl
import subprocess
import threading

import gate as gates
import pytest
import xmppwire as xmpp

EXPIRY = "stanzagate_tls_certificate_expiry"
RELOADS = int(os.environ.get("STANZAGATE_TEST_RELOADS", "40"))


def make(home, name, days=30):
    home.mkdir(exist_ok=True)
    gates.make_certificate(home, name, days)
    return {"certificate": str(home / "certificate.pem"), "key": str(home / "key.pem")}


@pytest.fixture
def tenants(tmp_path):
    return {name: make(tmp_path / name, name) for name in ("localhost", "tenant.example", "third.example")}


def settings(tenants, **more):
    return {
        "workers": 1,
        "tls": tenants["localhost"] | more,
        "certificates": [tenants["tenant.example"], tenants["third.example"]],
        "sessiond": {"domains": ["localhost", "tenant.example", "nocert.example"]},
    }


def shown(address, *options, starttls=None):
    """Name of the certificate that s_client is shown; its output when there is none."""
    command = ["openssl", "s_client", "-connect", "%s:%d" % address, *options]
    if starttls:
        command += ["-starttls", "xmpp", "-xmpphost", starttls]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=gates.PATIENCE_S)
    names = re.findall(r"^subject=CN = (\S+)", done.stdout, re.M)
    return names[0] if names else done.stdout + done.stderr


def test_by_sni_and_by_the_stream_s_to(make_gate, tenants):
    gate = make_gate(settings(tenants))
    assert shown(gate.direct, "-servername", "tenant.example") == "tenant.example"
    assert shown(gate.direct, "-servername", "third.example") == "third.example"
    assert shown(gate.direct, "-servername", "unknown.example") == "localhost"
    assert shown(gate.direct, "-noservername") == "localhost"
    assert shown(gate.starttls, "-noservername", starttls="tenant.example") == "tenant.example"
    assert shown(gate.starttls, "-noservername", starttls="localhost") == "localhost"
    assert shown(gate.starttls, "-servername", "third.example", starttls="tenant.example") == "third.example"
    days = {name: value for name, value in gate.metrics().items() if name.startswith(EXPIRY + "{")}
    assert len(days) == 3 and all(29 < value <= 30 for value in days.values()), days


def test_many_tenants(make_gate, tmp_path):
    """As many certificates as one gate takes and 200 asked for: by SNI, and by the stream's `to`."""
    names = [f"tenant{number}.example" for number in range(255)]
    pairs = {name: make(tmp_path / name, name) for name in names}
    gate = make_gate({"workers": 1, "certificates": list(pairs.values()), "sessiond": {"domains": ["localhost", names[254]]}})
    context = xmpp.tls_context()

    def shown_der(name):
        with socket.create_connection(gate.direct, timeout=gates.PATIENCE_S) as wire, context.wrap_socket(wire, server_hostname=name) as tls:
            return tls.getpeercert(True)

    wanted = {name: ssl.PEM_cert_to_DER_cert(pathlib.Path(pairs[name]["certificate"]).read_text()) for name in names}
    assert len(set(wanted.values())) == len(names)
    for name in names[::-1][:200]:
        assert shown_der(name) == wanted[name], name
    assert shown(gate.starttls, "-noservername", starttls=names[254]) == names[254]
    assert sum(name.startswith(EXPIRY + "{") for name in gate.metrics()) == 256


def test_strict(make_gate, tenants):
    gate = make_gate(settings(tenants, strict_names=True))
    assert "alert number 112" in shown(gate.direct, "-servername", "unknown.example")
    assert "alert number 112" in shown(gate.starttls, "-noservername", starttls="nocert.example")
    assert shown(gate.direct, "-noservername") == "localhost"


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("direct", [False, True])
def test_another_domain_than_the_certificate_s(make_gate, tenants, direct, strict):
    """What is encrypted under one tenant's certificate is no stream of another's, when names are strict."""
    gate = make_gate(settings(tenants, strict_names=strict))
    client = xmpp.Client(gate.direct if direct else gate.starttls, direct, None, domain="localhost")
    if not direct:
        client.greet()
        client.send(f"<starttls xmlns='{xmpp.TLS_NS}'/>")
        client.expect("ELEMENT")
    client.wire.start_tls(client.context, "localhost")
    client.restart()
    client.send_header("tenant.example")
    client.expect("HEADER")
    element = client.expect("ELEMENT")
    if strict or not direct:  # after STARTTLS the domain may not change at all
        assert xmpp.stream_error(element) == "host-unknown"
    else:
        assert element.tag == f"{{{xmpp.STREAM_NS}}}features"
    client.close()


def test_a_renewal_needs_no_signal(make_gate, tenants, tmp_path):
    gate = make_gate(settings(tenants))
    before = ssl.get_server_certificate(gate.direct)
    make(tmp_path / "localhost", "localhost", 60)
    gate.wait_log("certificate.renewed")
    gates.wait_until(lambda: ssl.get_server_certificate(gate.direct) != before)
    metrics = gate.metrics()
    assert metrics['stanzagate_tls_renewals_total{result="taken"}'] == 1
    assert 59 < metrics[f'{EXPIRY}{{certificate="{tenants["localhost"]["certificate"]}"}}'] <= 60


@pytest.mark.parametrize("spoil", ["cut", "other key", "gone"])
def test_a_bad_renewal_leaves_the_old_in_force(make_gate, tenants, tmp_path, spoil):
    gate = make_gate(settings(tenants))
    before = ssl.get_server_certificate(gate.direct)
    path = tmp_path / "tenant.example" / "certificate.pem"
    good = path.read_bytes()
    if spoil == "cut":
        os.truncate(path, 100)
    elif spoil == "gone":
        path.unlink()
    else:
        path.write_bytes((tmp_path / "third.example" / "certificate.pem").read_bytes())
    gate.wait_log(r"certificate.refused .*tenant.example")
    gates.wait_until(lambda: gate.metrics()['stanzagate_tls_renewals_total{result="failed"}'] == 1, what="the counter, which comes behind the line")
    assert shown(gate.direct, "-servername", "tenant.example") == "tenant.example"
    assert ssl.get_server_certificate(gate.direct) == before
    path.write_bytes(good)
    gate.wait_log("certificate.renewed")
    assert shown(gate.direct, "-servername", "tenant.example") == "tenant.example"


def test_no_handshake_is_lost_by_renewals(make_gate, tenants, tmp_path):
    """Good files and bad come and go while clients shake hands: nobody fails, and nobody sees half a pair."""
    gate = make_gate(settings(tenants) | {"workers": 2})
    home = tmp_path / "localhost"
    pairs = []
    for number in range(3):
        make(tmp_path / f"pair{number}", "localhost")
        pairs.append([(tmp_path / f"pair{number}" / name).read_bytes() for name in ("certificate.pem", "key.pem")])
    wrong, done, stop = [], [0], threading.Event()

    def shake():
        context = xmpp.tls_context()
        while not stop.is_set():
            try:
                with socket.create_connection(gate.direct, timeout=gates.PATIENCE_S) as wire, context.wrap_socket(wire):
                    done[0] += 1
            except OSError as error:
                wrong.append(error)

    threads = [threading.Thread(target=shake, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(RELOADS):
        certificate, key = pairs[number % 3]
        bad = number % 4 == 3
        (home / "certificate.pem").write_bytes(certificate[:200] if bad else certificate)
        (home / "key.pem").write_bytes(key)
        gate.signal(1)
        result = 'stanzagate_reloads_total{result="%s"}' % ("failed" if bad else "taken")
        wanted = number // 4 + 1 if bad else number - number // 4 + 1  # the log would tell only 20 of a kind in a second
        gates.wait_until(lambda result=result, wanted=wanted: gate.metrics()[result] == wanted)
        shaken = done[0]
        gates.wait_until(lambda shaken=shaken: wrong or done[0] >= shaken + 3, what="some handshakes between two reloads")
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong and done[0] > 100, (wrong[:3], done)
    print(f"{RELOADS} reloads, {done[0]} handshakes")


def test_a_reload_brings_another_list(make_gate, tenants, tmp_path):
    gate = make_gate(settings(tenants))
    gate.config["certificates"] = [make(tmp_path / "new", "new.example")]
    gate.write_config({})
    gate.signal(1)
    gate.wait_log("reload.done")
    gates.wait_until(lambda: shown(gate.direct, "-servername", "new.example") == "new.example")
    assert shown(gate.direct, "-servername", "tenant.example") == "localhost"
    assert sum(name.startswith(EXPIRY + "{") for name in gate.metrics()) == 2


def staple_make(home, status="V"):
    """An OCSP response for the certificate in the folder, signed by itself."""
    serial = subprocess.run(["openssl", "x509", "-in", "certificate.pem", "-noout", "-serial"], cwd=home, check=True,
                            capture_output=True, text=True).stdout.split("=")[1].strip()
    revoked = "200101000000Z" if status == "R" else ""
    (home / "index").write_text(f"{status}\t400101000000Z\t{revoked}\t{serial}\tunknown\t/CN=x\n")
    pem = ["-issuer", "certificate.pem"]
    subprocess.run(["openssl", "ocsp", *pem, "-cert", "certificate.pem", "-reqout", "request", "-no_nonce"], cwd=home, check=True,
                   capture_output=True)
    subprocess.run(["openssl", "ocsp", "-index", "index", "-CA", "certificate.pem", "-rsigner", "certificate.pem", "-rkey", "key.pem",
                    "-reqin", "request", "-respout", "staple", "-ndays", "1"], cwd=home, check=True, capture_output=True)
    return str(home / "staple")


def test_staples(make_gate, tenants, tmp_path):
    tenants["tenant.example"]["ocsp"] = staple_make(tmp_path / "tenant.example")
    gate = make_gate(settings(tenants))
    for version in ("-tls1_2", "-tls1_3"):
        command = ["openssl", "s_client", "-connect", "%s:%d" % gate.direct, "-status", version, "-servername"]
        done = subprocess.run([*command, "tenant.example"], input="", capture_output=True, text=True, timeout=gates.PATIENCE_S)
        assert "OCSP Response Status: successful" in done.stdout and "Cert Status: good" in done.stdout
        done = subprocess.run([*command, "third.example"], input="", capture_output=True, text=True, timeout=gates.PATIENCE_S)
        assert "OCSP response: no response sent" in done.stdout


@pytest.mark.parametrize("what, fault", [("revoked", "does not say good"), ("another", "another certificate"), ("garbage", "no OCSP")])
def test_bad_staples_are_not_shown(make_gate, tenants, tmp_path, what, fault):
    """The certificate is used all the same; a line and a number tell, and a good one is taken up without a signal."""
    home = tmp_path / "tenant.example"
    staple = tmp_path / "shown"
    if what == "garbage":
        staple.write_bytes(b"\0" * 100)
    else:
        staple.write_bytes(pathlib.Path(staple_make(home, "R") if what == "revoked" else staple_make(tmp_path / "third.example")).read_bytes())
    tenants["tenant.example"]["ocsp"] = str(staple)
    gate = make_gate(settings(tenants))
    command = ["openssl", "s_client", "-connect", "%s:%d" % gate.direct, "-status", "-servername", "tenant.example"]
    metric = f'stanzagate_tls_staple_expiry{{certificate="{tenants["tenant.example"]["certificate"]}"}}'

    def answer():
        done = subprocess.run(command, input="", capture_output=True, text=True, timeout=gates.PATIENCE_S).stdout
        assert "subject=CN = tenant.example" in done
        return "OCSP Response Status: successful" in done

    assert len(gate.wait_log(rf"staple\.refused .*{fault}")) == 1
    assert not answer() and gate.metrics()[metric] == 0
    staple.write_bytes(pathlib.Path(staple_make(home)).read_bytes())
    gate.wait_log("certificate.renewed")
    gates.wait_until(answer)
    assert 0.9 < gate.metrics()[metric] <= 1
