"""
The programs under test, started with their own configuration, ports and files, and watched.

    Gate      `stanzagate run`, in a directory of its own; addresses as its log gives them; metrics; log
    Sessiond  `stanzagate-sessiond`, as a process of its own
"""
import atexit
import collections
import contextlib
import functools
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("STANZAGATE_BUILD", ROOT / "build")).resolve()
GATE = BUILD / "cm" / "stanzagate"
SESSIOND = BUILD / "backends" / "sessiond" / "stanzagate-sessiond"
PASSWORDS = {"alice": "al1ce's \"pass\" & <more>", "bob": "b0b-\u043f\u0430\u0440\u043e\u043b\u044c", "carol": "c a r o l"}
# A guard against hanging, and no measure: what is waited for comes long before, also on a machine that is slow and busy.
PATIENCE_S = 60.0
os.environ.setdefault("STANZAGATE_TEST_TIMEOUT_S", str(PATIENCE_S))  # that of xmppwire, which is imported later
# What a sanitizer or an assertion says when it has found something.
ALARM = re.compile(r"(AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error:|Assertion .* failed).*")


def wait_until(condition, timeout=PATIENCE_S, what="the condition"):
    """Its first true value."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true in {timeout} s")
        time.sleep(0.005)
    return value


@functools.cache
def run_folder():
    """Where this run keeps everything; taken away in the end, unless STANZAGATE_TEST_KEEP is set."""
    folder = tempfile.mkdtemp(prefix="stanzagate-tests-")
    if not os.environ.get("STANZAGATE_TEST_KEEP"):
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def new_folder(name):
    return pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=run_folder()))


HELD_PORTS = collections.deque(maxlen=400)


def free_port():
    """
    One that the kernel gives to nobody who asks for any (ip_local_port_range), and that is given to no other test: whoever draws it
    binds a socket of its name, which is held for long after the port is in use, and by nobody once this process has ended.
    """
    while True:
        port, name = random.randrange(10000, 32768), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with socket.socket() as probe, contextlib.suppress(OSError):
            name.bind(f"\0stanzagate-test-port-{port}")
            probe.bind(("127.0.0.1", port))
            HELD_PORTS.append(name)
            return port
        name.close()


@functools.cache
def is_sanitized():
    """Whether the programs were built with AddressSanitizer."""
    return b"__asan_init" in GATE.read_bytes()


@functools.cache
def certificate():
    """(certificate, key) for localhost, made once."""
    home = new_folder("certificate")
    make_certificate(home, "localhost")
    return home / "certificate.pem", home / "key.pem"


def make_certificate(home, name, days=30):
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days)]
    command += ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    command += ["-keyout", home / "key.pem", "-out", home / "certificate.pem"]
    subprocess.run(command, check=True, capture_output=True)


@functools.cache
def accounts():
    """A database with the accounts of PASSWORDS; copy it."""
    database = new_folder("accounts") / "accounts.db"
    for user, password in PASSWORDS.items():
        add_account(database, user, password)
    return database


def add_account(database, user, password):
    add_account_at(database, "localhost", user, password)


def add_account_at(database, domain, user, password):
    command = [SESSIOND, "user", "add", f"{user}@{domain}", "--database", database]
    subprocess.run(command, input=password + "\n", text=True, check=True, capture_output=True, timeout=PATIENCE_S)


@functools.cache
def begun():
    """Processes of all programs; those that still run when this one ends, by a signal say, are killed, and gone, before their folder goes."""
    processes = []

    def kill():
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()

    atexit.register(kill)
    return processes


class Program:
    """A process with a log file that is read as it grows."""

    def __init__(self, command, home, env=None, preexec=None):
        self.asked = False
        self.home, self.log_path = home, home / f"{pathlib.Path(command[0]).name}.log"
        self.log_from = self.log_path.stat().st_size if self.log_path.exists() else 0
        # A second start in the same directory goes on in the same file.
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=home, env=env, preexec_fn=preexec
            )
        begun().append(self.process)

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        with open(self.log_path, "rb") as log:
            log.seek(self.log_from)
            return log.read().decode("utf-8", "replace")

    def log_tail(self, lines=25):
        return "\n".join(self.log().splitlines()[-lines:])

    def wait_log(self, pattern, timeout=PATIENCE_S, count=1):
        """All matches, once there are so many; fails at once when the process ends without."""

        def found():
            matches = list(re.finditer(pattern, self.log(), re.M))
            if len(matches) < count and self.process.poll() is not None:
                raise RuntimeError(f"ended with {self.process.returncode} before its log said {pattern}:\n{self.log_tail()}")
            return matches if len(matches) >= count else None

        try:
            return wait_until(found, timeout, f"log line {pattern}")
        except TimeoutError as late:
            raise TimeoutError(f"{late}:\n{self.log_tail()}") from None

    def cpu_s(self):
        words = open(f"/proc/{self.pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def memory_bytes(self):
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def running(self):
        return self.process.poll() is None

    def signal(self, number):
        self.asked |= number in (signal.SIGTERM, signal.SIGINT)
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def wait_exit(self, timeout=PATIENCE_S):
        return self.process.wait(timeout)

    def stop(self):
        """
        Ends it as an operator would, unless it has been told already (asked twice it would not end properly). Answers what is
        wrong with that, '' for nothing.
        """
        if self.running() and not self.asked:
            self.signal(signal.SIGTERM)
        try:
            code = self.wait_exit()
        except subprocess.TimeoutExpired:
            self.kill()
            return f"did not end within {PATIENCE_S} s of SIGTERM:\n{self.log_tail()}"
        alarm = ALARM.search(self.log())
        if alarm or code != 0:
            return f"exit code {code} {alarm.group() if alarm else ''}\n{self.log_tail(60)}"
        return ""


def merged(base, more):
    """Nested dictionaries; what is in `more` wins, None takes a key away."""
    result = dict(base)
    for key, value in more.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key, {}), value) if isinstance(value, dict) else value
    return result


def tls_kernel():
    """What tests/run-ktls asks for in all tests that it runs."""
    use = os.environ.get("STANZAGATE_TLS_KERNEL")
    return {"kernel": use, "kernel_bytes_per_s": 1000} if use else {}


class Gate(Program):
    """config: nested dictionary, merged over the one below. listeners are (tls, ...) as in the configuration."""

    def __init__(self, config=None, home=None, env=None, preexec=None, ready=True):
        home = home or new_folder("gate")
        authority, key = certificate()
        self.authority = str(authority)
        self.metrics_address = f"127.0.0.1:{free_port()}"
        self.config = merged(
            {
                "workers": 2,
                "listeners": [{"address": "127.0.0.1:0", "tls": "starttls"}, {"address": "127.0.0.1:0", "tls": "direct"}],
                "tls": {"certificate": str(authority), "key": str(key), **tls_kernel()},
                "metrics": {"address": self.metrics_address},
            },
            config or {},
        )
        if "backends" not in self.config:
            database = home / "accounts.db"
            if not database.exists():
                shutil.copy(accounts(), database)
            # Without an archive messages arrive as they were sent, with nothing added.
            sessiond = {"database": str(database), "domains": ["localhost"], "archive_days_max": 0}
            self.config = merged({"sessiond": sessiond}, self.config)
        self.config_path = home / "stanzagate.yaml"
        self.write_config({})
        super().__init__([GATE, "run", "-c", self.config_path], home, env, preexec)
        if ready:
            try:
                self.wait_ready()
            except BaseException:
                if self.running():
                    self.kill()
                raise

    def write_config(self, more):
        """JSON is YAML, too."""
        self.config = merged(self.config, more)
        self.config_path.write_text(json.dumps(self.config, indent=1, ensure_ascii=False))

    def wait_ready(self):
        wanted = len(self.config["listeners"])
        found = self.wait_log(r"\blistening\b.*?\baddress=\"?([^\s\"]+)\"?.*?\bprotocol=(xmpp|startalk) tls=\"?(starttls|direct)", count=wanted)
        self.addresses = {}
        for match in found:
            host, port = match[1].rsplit(":", 1)
            self.addresses[match[3] if match[2] == "xmpp" else match[2]] = (host.strip("[]"), int(port))
        self.wait_log(r"\bready\b")
        self._remove_bundled_later()

    def _remove_bundled_later(self):
        """The folder of the bundled session server's socket, which is left where a gate was killed."""
        with contextlib.suppress(OSError):
            own = {os.readlink(entry.path) for entry in os.scandir(f"/proc/{self.pid}/fd")}
            for line in open("/proc/net/unix", encoding="ascii", errors="replace"):
                number, _, path = line.rstrip().partition(" /tmp/stanzagate-")
                if path.endswith("/link") and f"socket:[{number.split()[-1]}]" in own:
                    atexit.register(shutil.rmtree, f"/tmp/stanzagate-{path.removesuffix('/link')}", ignore_errors=True)

    @property
    def starttls(self):
        return self.addresses["starttls"]

    @property
    def direct(self):
        return self.addresses["direct"]

    @property
    def startalk(self):
        return self.addresses["startalk"]

    def kernel_can(self, version, cipher, what):
        """What the gate found that the kernel can do with TLS records: send, receive or rekey."""
        name = f'stanzagate_tls_kernel_capability{{version="{version}",cipher="{cipher}",can="{what}"}}'
        return self.metrics().get(name) == 1

    def engine(self, version, cipher):
        """Who should seal and open the records of a busy connection (docs/architecture.md)."""
        use = self.config["tls"].get("kernel", "off")
        if use == "off" or not self.kernel_can(version, cipher, "send"):
            return "user"
        if version == "1.2" or self.kernel_can(version, cipher, "rekey"):
            return "kernel"
        return "kernel_send" if use == "on" else "user"

    def page(self, path="/metrics"):
        """(status, text)"""
        try:
            with urllib.request.urlopen(f"http://{self.metrics_address}{path}", timeout=PATIENCE_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metrics(self):
        """Sample with its labels -> number."""
        samples = {}
        for line in self.page()[1].splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        return samples


class Sessiond(Program):
    """listen: 'unix:/path', 'tls:127.0.0.1:port' or 'tcp:127.0.0.1:port'; more: further arguments."""

    def __init__(self, listen, home=None, database=None, more=()):
        home = home or new_folder("sessiond")
        self.listen = listen
        self.database = database or home / "accounts.db"
        if not self.database.exists():
            shutil.copy(accounts(), self.database)
        super().__init__([SESSIOND, "run", "--database", self.database, "--domain", "localhost", "--listen", listen, "--archive-days", "0", *more], home)
        wait_until(self._reachable, what=f"sessiond at {listen}")

    def _reachable(self):
        if not self.running():
            raise RuntimeError(f"sessiond ended with {self.process.returncode}:\n{self.log_tail()}")
        kind, place = self.listen.split(":", 1)
        with socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET) as probe:
            try:
                probe.connect(place if kind == "unix" else (place.rsplit(":", 1)[0], int(place.rsplit(":", 1)[1])))
                return True
            except OSError:
                return False
