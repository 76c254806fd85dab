"""
Where a bench measures: a folder of its own, the programs that run in it, and what they take.

    arguments   a parser of options, with --build, which is a build_folder
    users_make  accounts, in a session server's store
    metrics     of a gate
    link_beyond_xml  what a link carried beyond the XML of clients
    Rig         a folder with a certificate; a session server, gates, and whatever else is started there; with `with` all ends
"""
import argparse
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
START_S, END_S, LOOK_S = 60, 30, 0.05
# Of the gate; a bench puts its own sections over these.
GATE = {
    "workers": 1,
    "listeners": [{"address": "127.0.0.1:0", "tls": "direct"}],
    "tls": {"certificate": "cert.pem", "key": "key.pem"},
    "metrics": {"address": "off"},
}
KEYS = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["rsa:3072"]}


def build_folder(text):
    """What --build takes: with the programs in it."""
    folder = pathlib.Path(text).resolve()
    for program in ("cm/stanzagate", "bench/stanzagate-load"):
        if not (folder / program).exists():
            raise argparse.ArgumentTypeError(f"{folder / program} is not there; a folder is wanted in which meson has built all (-Dtests=enabled)")
    return folder


def arguments(text):
    reader = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--build", type=build_folder, default=str(ROOT / "build"), help="a build folder")
    return reader


def memory_bytes(pid):
    """That is resident."""
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def cpu_s(pid):
    """Processor time, of a program that may have ended: its report tells that."""
    try:
        words = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def users_make(build, server, to, users, prefix="u"):
    command = [build / "bench" / "stanzagate-load", "users", "--server", server, "--to", to, "--user-prefix", prefix, "--users", users]
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)


def metrics(address):
    """Values by name and labels."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=START_S) as answer:
        lines = answer.read().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def link_beyond_xml(before, after, report):
    """Bytes of a gate's links between two looks at its metrics, less those of the text that the load between them sent and received."""
    text = {"out": report["text_sent_bytes"], "in": report["text_received_bytes"]}
    names = {direction: f'stanzagate_link_bytes_total{{direction="{direction}"}}' for direction in text}
    return {direction: after[name] - before[name] - text[direction] for direction, name in names.items()}


def link_beyond_xml_per_stanza(beyond, logins, report):
    """Of a load of messages, less what the same clients' logins alone have. Each message goes over the link once in each direction."""
    each = {direction: (beyond[direction] - logins[direction]) / report["messages_received"] for direction in beyond}
    return {"to_session_server": round(each["out"], 1), "from_session_server": round(each["in"], 1)}


class Rig:
    """name: of the bench; folder: where its own is made, None for the usual place; key: ec or rsa."""

    LISTENING = r"gate.listening address=127\.0\.0\.1:(\d+)\s"

    def __init__(self, name, build, folder=None, key="ec"):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended
        self.name, self.build, self.running = name, build.resolve(), {}
        self.home = pathlib.Path(tempfile.mkdtemp(prefix=f"bench-{name}-", dir=folder))
        self.database = self.home / "accounts.db"
        command = ["openssl", "req", "-x509", "-newkey", *KEYS[key], "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        try:
            subprocess.run([*command, "-keyout", "key.pem", "-out", "cert.pem"], cwd=self.home, check=True, capture_output=True)
        except BaseException:
            self.end()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def program(self, *path):
        return self.build.joinpath(*path)

    def start(self, name, *words, **more):
        """A process, by Popen's arguments; what it says on standard error is its log."""
        with open(self.home / f"{name}.log", "w") as log:
            self.running[name] = subprocess.Popen([str(word) for word in words], stderr=log, cwd=self.home, **more)
        return self.running[name]

    def start_sessiond(self, **more):
        program = self.program("backends", "sessiond", "stanzagate-sessiond")
        words = ["--database", self.database, "--domain", "localhost", "--listen", f"unix:{self.home}/link"]
        return self.start("sessiond", program, "run", *words, **more)

    def start_gate(self, config, name="gate", before=(), **more):
        """Before that session server. `before`: words before its command. await_gate() tells when it serves."""
        config = GATE | {"backends": [{"name": "one", "address": f"unix:{self.home}/link"}]} | config
        config["tls"] = GATE["tls"] | config.get("tls", {})
        (self.home / f"{name}.yaml").write_text(json.dumps(config, indent=1))  # JSON is YAML, too
        return self.start(name, *before, self.program("cm", "stanzagate"), "run", "-c", f"{name}.yaml", **more)

    def await_gate(self, name="gate"):
        """Its port, once it can be used."""
        for pattern in ("gate.ready ", "link.up "):
            self.logged(name, pattern)
        return self.logged(name, self.LISTENING)[1]

    def metrics(self, name="gate"):
        """Of a gate whose configuration has metrics.address at a port of 127.0.0.1."""
        return metrics("127.0.0.1:" + self.logged(name, r"metrics\.listening address=\S+ port=(\d+)\s")[1])

    def start_load(self, name, port, *words, **more):
        program = self.program("bench", "stanzagate-load")
        return self.start(name, program, "--port", port, "--direct", "--insecure", "--quiet", *words, **more)

    def log(self, name):
        return (self.home / f"{name}.log").read_text(errors="replace")

    def logged(self, name, pattern):
        """The first match in a program's log; it must come soon, and before the program ends."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            ended = self.running[name].poll() is not None
            if found := re.search(pattern, self.log(name)):
                return found
            if ended:
                break
            time.sleep(LOOK_S)
        self.fail(f"no '{pattern}' in the log of {name}:\n{self.log(name)}")

    def fail(self, why):
        sys.exit(f"bench/{self.name}: {why}")

    def end(self):
        """The last that was started first."""
        programs = list(reversed(self.running.values()))
        for program in programs:
            program.terminate()
        for program in programs:
            try:
                program.wait(END_S)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()
        shutil.rmtree(self.home)
