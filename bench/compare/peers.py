"""
What is compared: servers, and what may stand in front of them, each a process or a few on loopback. Everything of a run is in
one temporary folder and has one certificate.

    Peer    .port to connect to; .load_options; .front and .back: lists of pids, either may be empty
"""
import glob
import gzip
import os
import pathlib
import re
import shutil
import socket
import sqlite3
import subprocess
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
USERS = 200
START_S = 60
CPUS = sorted(os.sched_getaffinity(0))
# The first server that clients meet has a processor to itself; all others, and the load, have the rest.
FIRST_CPU, OTHER_CPUS = {CPUS[0]}, set(CPUS[1:]) or {CPUS[0]}


class Missing(Exception):
    """A peer that is not installed."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Peer:
    """A folder, the processes in it, and how they are begun and ended."""

    options = ["--mechanism", "PLAIN", "--users", USERS]

    def __init__(self, run):
        self.run, self.running, self.front, self.back = run, [], [], []
        self.home = run.home / f"peer-{len(list(run.home.iterdir()))}"
        self.home.mkdir()
        self.home.chmod(0o755)
        self.port = free_port()
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self):
        raise NotImplementedError

    def spawn(self, command, is_first, env=None):
        program = shutil.which(str(command[0]))
        if not program:
            raise Missing(f"{command[0]} is not there")
        log = open(self.home / f"{pathlib.Path(program).name}-{len(self.running)}.log", "wb")
        cpus = FIRST_CPU if is_first else OTHER_CPUS
        process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.home,
            env=os.environ | (env or {}), preexec_fn=lambda: os.sched_setaffinity(0, cpus),
        )
        self.running.append((process, log.name))
        return process

    def await_port(self, port):
        deadline = time.monotonic() + START_S
        while True:
            for process, log in self.running:
                if process.poll() is not None:
                    raise RuntimeError(f"{log}: ended with {process.returncode}\n" + pathlib.Path(log).read_text(errors="replace")[-3000:])
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def await_text(self, file, text):
        deadline = time.monotonic() + START_S
        while not file.exists() or text not in file.read_text(errors="replace"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{file} does not say {text}:\n{self.logs()}")
            time.sleep(0.05)

    def logs(self):
        return "\n".join(pathlib.Path(log).read_text(errors="replace")[-2000:] for _, log in self.running)

    def users(self, server, to):
        command = [self.run.program("bench", "stanzagate-load"), "users", "--server", server, "--to", to, "--users", USERS]
        subprocess.run([str(word) for word in command], check=True)

    def stop(self):
        for process, _ in reversed(self.running):
            process.terminate()
        for process, _ in reversed(self.running):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


# ---- servers: each `serve` answers the ports that clients (TLS), proxies (plain) and the gate are led to


class Sessiond:
    def serve(self, peer, is_first):
        peer.users("sessiond", peer.home / "accounts.db")
        link = peer.home / "link"
        command = [peer.run.program("backends", "sessiond", "stanzagate-sessiond"), "run", "--database", "accounts.db", "--domain", "localhost"]
        peer.back = [peer.spawn([*command, "--listen", f"unix:{link}"], is_first).pid]
        return {"link": f"unix:{link}"}


class Echo:
    """Behind the gate, a session server that sends back what comes; behind proxies, one that does so with bytes."""

    def serve(self, peer, is_first):
        plain, link = free_port(), peer.home / "link"
        if isinstance(peer.proxy, Gate):
            peer.back = [peer.spawn([peer.run.program("bench", "compare", "bench-echo-backend"), link], is_first).pid]
        else:
            words = [peer.port, peer.run.certificate, peer.run.key] if peer.proxy is None else [plain]
            peer.back = [peer.spawn([peer.run.program("bench", "compare", "bench-echo"), *words], is_first).pid]
        return {"tls": peer.port, "plain": plain, "link": f"unix:{link}"}


PROSODY = """
run_as_root = true
pidfile = "{home}/prosody.pid"
data_path = "{home}/data"
interfaces = {{ "127.0.0.1" }}
plugin_paths = {{ "{root}/backends/prosody" }}
c2s_ports = {{ {plain} }}
c2s_direct_tls_ports = {{ {tls} }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
modules_disabled = {{ "s2s" }}
s2s_ports = {{}}
http_ports = {{}}
https_ports = {{}}
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "presence", "message", "iq", "ping", "smacks", "csi", "posix", "c2s", "stanzagate" }}
authentication = "internal_plain"
storage = "internal"
log = {{ warn = "{home}/prosody.log" }}
ssl = {{ key = "{key}", certificate = "{certificate}" }}
stanzagate_ports = {{ {link} }}
stanzagate_name = "prosody-1"
VirtualHost "localhost"
"""


class Prosody:
    def serve(self, peer, is_first):
        ports = {"tls": peer.port if peer.proxy is None else free_port(), "plain": free_port(), "link": free_port()}
        peer.users("prosody", peer.home / "data")
        config = peer.home / "prosody.cfg.lua"
        config.write_text(PROSODY.format(home=peer.home, root=ROOT, key=peer.run.key, certificate=peer.run.certificate, **ports))
        peer.back = [peer.spawn(["prosody", "--config", config, "-F"], is_first).pid]
        peer.await_port(ports["plain"])
        return ports | {"link": f"tcp:127.0.0.1:{ports['link']}"}


EJABBERD = """
hosts: [localhost]
loglevel: warning
certfiles: ["{home}/server.pem"]
auth_password_format: plain
listen:
  - {{port: {tls}, ip: "127.0.0.1", module: ejabberd_c2s, tls: true, max_stanza_size: 1048576, max_fsm_queue: 10000, backlog: 4096, access: c2s, shaper: none}}
  - {{port: {plain}, ip: "127.0.0.1", module: ejabberd_c2s, max_stanza_size: 1048576, max_fsm_queue: 10000, backlog: 4096, access: c2s, shaper: none}}
{link}
access_rules: {{c2s: [allow]}}
modules: {{mod_disco: {{}}, mod_ping: {{}}, mod_roster: {{}}, mod_stream_mgmt: {{}}{module}}}
"""


class Ejabberd:
    """As Debian has it, without its service and its user; our module is compiled for it where there is one."""

    def beams(self, peer):
        sources = sorted((ROOT / "backends" / "ejabberd").glob("*.erl"))
        if not sources:
            raise Missing("there is no module for ejabberd")
        if not shutil.which("erlc"):
            raise Missing("erlc is not there")
        paths = [*glob.glob("/usr/lib/*/ejabberd-*/ebin"), *glob.glob("/usr/lib/erlang/lib/p1_*/ebin")]
        words = [word for path in paths for word in ("-pa", path)]
        subprocess.run(["erlc", *words, "-o", peer.home, *map(str, sources)], check=True, timeout=120)

    def serve(self, peer, is_first):
        libraries = sorted(glob.glob("/usr/lib/*/ejabberd-*/ebin"))
        if not libraries:
            raise Missing("ejabberd is not there")
        home, gated = peer.home, isinstance(peer.proxy, Gate)
        ports = {"tls": peer.port if peer.proxy is None else free_port(), "plain": free_port()}
        link = free_port()
        if gated:
            self.beams(peer)
        (home / "server.pem").write_text(peer.run.certificate.read_text() + peer.run.key.read_text())
        listener = f'  - {{port: {link}, ip: "127.0.0.1", module: mod_stanzagate, name: ejabberd-1}}' if gated else ""
        config = EJABBERD.format(home=home, link=listener, module=", mod_stanzagate: {}" if gated else "", **ports)
        (home / "ejabberd.yml").write_text(config)
        peer.users("ejabberd", home / "users.xml")
        environment = {
            "EJABBERD_CONFIG_PATH": str(home / "ejabberd.yml"), "EJABBERD_LOG_PATH": str(home / "ejabberd.log"),
            "ERL_LIBS": os.path.dirname(os.path.dirname(libraries[-1])), "HOME": str(home), "ERL_CRASH_DUMP_BYTES": "0",
        }
        done = f'ok = ejabberd_piefxis:import_file(<<"{home}/users.xml">>), ok = file:write_file("{home}/done", "").'
        command = ["erl", "-noinput", "+K", "true", "-pa", home, "-mnesia", "dir", f'"{home}/database"']
        process = peer.spawn([*command, "-s", "ejabberd", "-eval", done], is_first, environment)
        peer.await_text(home / "done", "")
        peer.back = [process.pid]
        return ports | {"link": f"tcp:127.0.0.1:{link}"}


class Jabberd2:
    """Three processes, with SQLite; its own configuration with addresses, folders and the certificate changed."""

    SCHEMA = pathlib.Path("/usr/share/doc/jabberd2/db-setup.sqlite.gz")

    def configure(self, peer, name, changes):
        source = pathlib.Path("/etc/jabberd2") / f"{name}.xml"
        if not source.exists():
            raise Missing("jabberd2 is not there")
        text = source.read_text()
        for pattern, new in changes:
            text, count = re.subn(pattern, lambda _: new, text, flags=re.S)
            if not count:
                raise RuntimeError(f"{source}: no {pattern}")
        (peer.home / f"{name}.xml").write_text(text)

    def database(self, peer):
        if not self.SCHEMA.exists():
            raise Missing("jabberd2's schema for SQLite is not there")
        text = gzip.open(self.SCHEMA, "rt").read()
        with sqlite3.connect(peer.home / "jabberd2.db") as database:
            database.executescript(text)
            rows = [(f"u{n}", "localhost", "password") for n in range(USERS)]
            database.executemany("INSERT INTO authreg (username, realm, password) VALUES (?, ?, ?)", rows)
            database.executemany("INSERT INTO active (`collection-owner`, `object-sequence`, time) VALUES (?, NULL, 0)", [(f"{u}@{r}",) for u, r, _ in rows])

    def serve(self, peer, is_first):
        home, router = peer.home, free_port()
        self.database(peer)
        pem = home / "server.pem"
        pem.write_text(peer.run.certificate.read_text() + peer.run.key.read_text())
        shutil.copy("/etc/jabberd2/router-users.xml", home)
        shutil.copy("/etc/jabberd2/router-filter.xml", home)
        common = [(r"<pidfile>.*?</pidfile>", ""), (r"<file>/var/log/jabberd2/\w+.log</file>", f"<file>{home}/log</file>"), (r"<port>5347</port>", f"<port>{router}</port>")]
        store = [(r"/var/lib/jabberd2/sqlite.db", f"{home}/jabberd2.db"), (r"<max_fds>\d+</max_fds>", "<max_fds>16384</max_fds>")]
        name = [(r">localhost.localdomain</id>", ">localhost</id>")]
        here = [(r"<ip>0.0.0.0</ip>", "<ip>127.0.0.1</ip>"), (r"/etc/jabberd2/router", f"{home}/router")]
        self.configure(peer, "router", common + here)
        self.configure(peer, "sm", common + name + store[:1])
        self.configure(peer, "c2s", common + name + store + here[:1] + [
            (r"<port>5222</port>", f"<port>{free_port()}</port>"),
            (r"<!--\s*<ssl-port>5223</ssl-port>\s*-->", f"<ssl-port>{peer.port}</ssl-port>"),
            (r"<!--\s*<pemfile>/etc/jabberd2/server.pem</pemfile>\s*-->(?=.{0,200}<private_key_password>|.{0,2000}</local>)", f"<pemfile>{pem}</pemfile>"),
        ])
        for name in ("router", "sm", "c2s"):
            peer.back.append(peer.spawn([f"/usr/sbin/jabberd2-{name}", "-c", home / f"{name}.xml"], is_first).pid)
            if name == "router":
                peer.await_port(router)
            else:
                peer.await_text(home / "log", {"sm": "[localhost] online", "c2s": "[c2s] online"}[name])
        return {"tls": peer.port}


# ---- what stands in front


HAPROXY = """
global
    nbthread 1
    maxconn 9000
    tune.ssl.cachesize 0
    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
frontend clients
    bind 127.0.0.1:{port} ssl crt {home}/front.pem
    default_backend servers
backend servers
    server one 127.0.0.1:{plain}
"""
NGINX = """
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {home}/nginx.pid;
error_log {home}/error.log warn;
events {{ worker_connections 19000; }}
stream {{
    server {{
        listen 127.0.0.1:{port} ssl backlog=4096;
        ssl_certificate {home}/front.pem;
        ssl_certificate_key {home}/front.pem;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache off;
        ssl_session_tickets off;
        proxy_pass 127.0.0.1:{plain};
        proxy_timeout 1h;
    }}
}}
"""
GATE = """
workers: 1
listeners:
  - {{address: "127.0.0.1:{port}", tls: direct}}
tls: {{certificate: {certificate}, key: {key}}}
backends:
  - {{name: prosody-1, address: "{link}"}}
metrics: {{address: "127.0.0.1:{metrics}"}}
addresses: {{exempt: ["127.0.0.0/8"]}}
link: {{logins_per_s: 0}}
limits: {{idle_ms_max: 0}}
"""


class Proxy:
    def prepare(self, peer):
        (peer.home / "front.pem").write_text(peer.run.certificate.read_text() + peer.run.key.read_text())


class Haproxy(Proxy):
    def start(self, peer, ports):
        self.prepare(peer)
        (peer.home / "haproxy.cfg").write_text(HAPROXY.format(home=peer.home, port=peer.port, plain=ports["plain"]))
        peer.front = [peer.spawn(["haproxy", "-db", "-f", peer.home / "haproxy.cfg"], True).pid]


class Nginx(Proxy):
    def start(self, peer, ports):
        self.prepare(peer)
        if not pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so").exists():
            raise Missing("nginx's stream module is not there")
        (peer.home / "nginx.conf").write_text(NGINX.format(home=peer.home, port=peer.port, plain=ports["plain"]))
        master = peer.spawn(["nginx", "-c", peer.home / "nginx.conf", "-p", peer.home, "-e", peer.home / "error.log"], True)
        peer.await_port(peer.port)
        children = pathlib.Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text().split()
        peer.front = [int(pid) for pid in children]


class Gate(Proxy):
    def start(self, peer, ports):
        link = ports["link"]
        name = {"Prosody": "prosody-1", "Ejabberd": "ejabberd-1", "Echo": "echo"}.get(type(peer.server).__name__, "sessiond")
        self.metrics = free_port()
        text = GATE.format(port=peer.port, certificate=peer.run.certificate, key=peer.run.key, link=link, metrics=self.metrics)
        (peer.home / "gate.yaml").write_text(text.replace("prosody-1", name))
        peer.front = [peer.spawn([peer.run.program("cm", "stanzagate"), "run", "-c", "gate.yaml"], True).pid]
        peer.await_text(pathlib.Path(peer.running[-1][1]), "link.up")

    def times(self):
        """Of stanzas within the gate, by path: [(at most so many seconds, how many so far)], to infinity."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics", timeout=10) as page:
            text = page.read().decode()
        found = {}
        for path, bound, count in re.findall(r'^stanzagate_latency_seconds_bucket\{path="(\w+)",le="([^"]+)"\} (\d+)', text, re.M):
            found.setdefault(path, []).append((float(bound), int(count)))
        return found


class Pair(Peer):
    """A server, and perhaps what stands in front of it."""

    def __init__(self, run, server, proxy=None, options=()):
        self.server, self.proxy, self.more = server, proxy, [*options]
        super().__init__(run)

    @property
    def load_options(self):
        return ["--direct", *self.options, *self.more]

    def start(self):
        ports = self.server.serve(self, self.proxy is None)
        if self.proxy:
            if "plain" in ports and not isinstance(self.proxy, Gate):
                self.await_port(ports["plain"])
            self.proxy.start(self, ports)
        self.await_port(self.port)


RAW = ("--raw",)
BACK = ("--echo",)
# Name, group, and how it is made. Within a group all do the same work.
PEERS = {
    "TLS echo, nothing else": ("echo", lambda run: Pair(run, Echo(), None, RAW)),
    "HAProxy, echo": ("echo", lambda run: Pair(run, Echo(), Haproxy(), RAW)),
    "nginx, echo": ("echo", lambda run: Pair(run, Echo(), Nginx(), RAW)),
    "stanzagate, echo": ("echo", lambda run: Pair(run, Echo(), Gate(), BACK)),
    "stanzagate, sessiond": ("servers", lambda run: Pair(run, Sessiond(), Gate())),
    "Prosody": ("servers", lambda run: Pair(run, Prosody())),
    "HAProxy, Prosody": ("servers", lambda run: Pair(run, Prosody(), Haproxy())),
    "nginx, Prosody": ("servers", lambda run: Pair(run, Prosody(), Nginx())),
    "stanzagate, Prosody": ("servers", lambda run: Pair(run, Prosody(), Gate())),
    "ejabberd": ("servers", lambda run: Pair(run, Ejabberd())),
    "HAProxy, ejabberd": ("servers", lambda run: Pair(run, Ejabberd(), Haproxy())),
    "nginx, ejabberd": ("servers", lambda run: Pair(run, Ejabberd(), Nginx())),
    "stanzagate, ejabberd": ("servers", lambda run: Pair(run, Ejabberd(), Gate())),
    "jabberd2": ("servers", lambda run: Pair(run, Jabberd2())),
}
