"""
Prosody, with mod_stanzagate and what a server for people has enabled.

    Prosody(home)     `address` is where gates dial; `direct` is its own port 5222 for clients

Environment: STANZAGATE_PROSODY    a folder with another prosody, and its prosodyctl, than those in PATH
"""
import os
import shutil
import socket
import subprocess

import gate as gates

MODULES = (
    "roster saslauth tls disco presence message iq offline carbons pep private smacks csi csi_simple ping version time vcard4 vcard_legacy"
    " blocklist mam limits bookmarks cloud_notify posix c2s stanzagate"
)
CONFIG = """
run_as_root = true
pidfile = "{home}/prosody.pid"
data_path = "{home}/data"
interfaces = {{ "127.0.0.1" }}
{plugins}
c2s_ports = {{ {port} }}
modules_disabled = {{ "s2s" }}
s2s_ports = {{}}
http_ports = {{}}
https_ports = {{}}
modules_enabled = {{ {modules} }}
authentication = "{authentication}"
storage = "internal"
limits = {{ c2s = {{ rate = "{rate}" }} }}
log = {{ {level} = "{home}/prosody.log" }}
ssl = {{ key = "{key}", certificate = "{certificate}" }}
{links}
stanzagate_name = "prosody-1"
{more}
VirtualHost "localhost"
Component "rooms.localhost" "muc"
"""


def program(name):
    """prosody or prosodyctl; None where there is none."""
    return shutil.which(name, path=os.environ.get("STANZAGATE_PROSODY") or None)


def is_there():
    return program("prosody") is not None


class Prosody(gates.Program):
    """more: further lines of configuration; links: where links are accepted, if not at `address`; without: a module less, and no folder of ours; prepare: called with the configuration."""

    def __init__(self, home=None, authentication="internal_hashed", more="", level="info", without=None, prepare=None, modules=MODULES, rate="10mb/s", links=None):
        home = home or gates.new_folder("prosody")
        certificate, key = gates.certificate()
        self.direct = ("127.0.0.1", gates.free_port())
        self.link = ("127.0.0.1", gates.free_port())
        self.address = f"tcp:127.0.0.1:{self.link[1]}"
        self.places = [self.direct] if links else [self.direct, self.link]
        self.authority = str(certificate)
        (home / "data").mkdir(exist_ok=True)
        self.config = home / "prosody.cfg.lua"
        self.config.write_text(
            CONFIG.format(
                home=home,
                plugins="" if without else f'plugin_paths = {{ "{gates.ROOT}/backends/prosody" }}',
                port=self.direct[1],
                links=links or f"stanzagate_ports = {{ {self.link[1]} }}",
                modules=", ".join(f'"{name}"' for name in modules.split() if name != without),
                authentication=authentication,
                key=key,
                certificate=certificate,
                more=more,
                level=level,
                rate=rate,
            )
        )
        if prepare:
            prepare(self.config)
        if not (home / "data" / "localhost").exists():
            for user, password in gates.PASSWORDS.items():
                self.add_account(user, password)
        self.start(home)

    def start(self, home):
        super().__init__([program("prosody"), "--config", self.config, "-F"], home)
        gates.wait_until(self.reachable, what="Prosody")

    def add_account(self, user, password):
        subprocess.run(
            [program("prosodyctl"), "--config", self.config, "register", user, "localhost", password], check=True, capture_output=True, timeout=gates.PATIENCE_S
        )

    def server_log(self):
        log = self.home / "prosody.log"
        return log.read_text("utf-8", "replace") if log.exists() else ""

    def reachable(self):
        if not self.running():
            raise RuntimeError(f"Prosody ended with {self.process.returncode}:\n{self.log_tail()}\n{self.server_log()}")
        try:
            for place in self.places:
                socket.create_connection(place).close()
            return True
        except OSError:
            return False
