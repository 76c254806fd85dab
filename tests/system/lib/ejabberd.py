"""
ejabberd, with mod_stanzagate and what a server for people has enabled. It runs by itself, without its service, its user or epmd.

    Ejabberd(home)    `address` is where gates dial; `direct` is its own port 5222 for clients
"""
import functools
import glob
import os
import shutil
import socket
import subprocess

import gate as gates

LIBRARIES = sorted(glob.glob("/usr/lib/*/ejabberd-*/ebin"))
CONFIG = """
hosts: [localhost]
loglevel: {level}
certfiles: ["{home}/server.pem"]
auth_password_format: {passwords}
language: en
negotiation_timeout: 10
listen:
  - {{port: {port}, ip: "127.0.0.1", module: ejabberd_c2s, starttls: true, max_stanza_size: 1048576}}
{listeners}
acl: {{local: {{user_regexp: ""}}}}
access_rules: {{muc_create: {{allow: local}}}}
modules:
{modules}
"""
MODULES = """
  mod_adhoc: {}
  mod_announce: {}
  mod_blocking: {}
  mod_bosh: {}
  mod_caps: {}
  mod_carboncopy: {}
  mod_client_state: {}
  mod_disco: {}
  mod_last: {}
  mod_mam: {default: always}
  mod_muc: {host: rooms.localhost, access_create: muc_create, default_room_options: {mam: false}}
  mod_offline: {}
  mod_ping: {}
  mod_privacy: {}
  mod_private: {}
  mod_pubsub: {plugins: [flat, pep]}
  mod_push: {}
  mod_roster: {versioning: true}
  mod_stream_mgmt: {resend_on_timeout: if_offline}
  mod_vcard: {search: false}
  mod_version: {show_os: false}
"""


def is_there():
    return bool(LIBRARIES) and shutil.which("erlc") is not None


@functools.cache
def beams():
    """The folder with our module, compiled once."""
    folder = gates.new_folder("beams")
    sources = sorted((gates.ROOT / "backends" / "ejabberd").glob("*.erl"))
    paths = [word for path in [*LIBRARIES, *glob.glob("/usr/lib/erlang/lib/p1_*/ebin")] for word in ("-pa", path)]
    subprocess.run(["erlc", "-Werror", *paths, "-o", folder, *sources], check=True, timeout=300)
    return folder


class Ejabberd(gates.Program):
    """
    listeners: further ones; ip: of its own on loopback, for a cluster; join: another one, whose cluster it
    becomes part of; path: where our module is; prepare: called with the configuration, which does without our module then; without:
    a module less; users: so many accounts u0, u1... besides; passwords: how they are kept.
    """

    def __init__(
        self, home=None, listeners=(), level="info", ip="127.0.0.1", join=None, path=None, prepare=None, without=None, users=0,
        passwords="plain",
    ):
        home = home or gates.new_folder("ejabberd")
        self.ip, self.join, self.path, self.users = ip, join, path or beams(), users
        self.authority = str(gates.certificate()[0])
        self.direct = ("127.0.0.1", gates.free_port())
        self.link = ("127.0.0.1", gates.free_port())
        self.address = f"tcp:127.0.0.1:{self.link[1]}"
        self.places = [self.direct] if prepare else [self.direct, self.link]
        (home / "server.pem").write_text("".join(path.read_text() for path in gates.certificate()))
        listeners = [f'  - {{port: {self.link[1]}, ip: "127.0.0.1", module: mod_stanzagate, name: ejabberd-{ip[-1]}}}', *listeners]
        modules = [line for line in MODULES.strip("\n").splitlines() if line.split(":")[0].strip() != without]
        self.config = home / "ejabberd.yml"
        self.config.write_text(
            CONFIG.format(
                level=level, home=home, port=self.direct[1], passwords=passwords, listeners="" if prepare else "\n".join(listeners),
                modules="\n".join(modules if prepare else ["  mod_stanzagate: {}", *modules]),
            )
        )
        if prepare:
            prepare(self.config)
        self.cluster_port = join.cluster_port if join else gates.free_port()
        self.node = f"ejabberd{ip[-1]}@{ip}"
        self.start(home)

    def first_steps(self):
        """In Erlang: a new server is told its accounts, or what cluster it belongs to."""
        if self.join:
            return [f"ok = ejabberd_cluster:join('{self.join.node}')"]
        register = 'ejabberd_auth:try_register(<<{}>>, <<"localhost">>, <<{}>>)'
        names = [register.format(f'"{user}"', ",".join(map(str, password.encode()))) for user, password in gates.PASSWORDS.items()]
        return names + [register.format('"u", (integer_to_binary(N))/binary', '"password"').join(("[", f" || N <- lists:seq(0, {self.users - 1})]"))]

    def start(self, home):
        (home / "ready").unlink(missing_ok=True)
        environment = os.environ | {
            "EJABBERD_CONFIG_PATH": str(self.config),
            "EJABBERD_LOG_PATH": str(home / "ejabberd.log"),
            "ERL_LIBS": os.path.dirname(os.path.dirname(LIBRARIES[-1])),
            "HOME": str(home),
            "ERL_CRASH_DUMP_BYTES": "0",
        }
        command = ["erl", "-noinput", "+K", "true", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"]
        command += ["-pa", self.path, "-mnesia", "dir", f'"{home}/database"']
        command += self.network(self.node)
        command += ["-s", "ejabberd", "-eval", ", ".join([*self.first_steps(), f'ok = file:write_file("{home}/ready", "")']) + "."]
        super().__init__(command, home, env=environment)
        gates.wait_until(self.reachable, 3 * gates.PATIENCE_S, what="ejabberd")

    def start_again(self):
        """If it does not run; with all that it had, and in its cluster."""
        if not self.running():
            self.join = None
            self.start(self.home)

    def network(self, node):
        """All nodes of a test have one port, each on an address of its own; so no epmd has to tell which."""
        words = ["-name", node, "-setcookie", "tests", "-start_epmd", "false", "-erl_epmd_port", str(self.cluster_port)]
        return words + ["-kernel", "inet_dist_use_interface", "{" + node.split("@")[1].replace(".", ",") + "}"]

    def tell(self, expression):
        """Has the node do something in Erlang."""
        words = f'{{ok, T, _}} = erl_scan:string("{expression}."), {{ok, E}} = erl_parse:parse_exprs(T),'
        words += f"{{value, _, _}} = rpc:call('{self.node}', erl_eval, exprs, [E, []]), halt()."
        subprocess.run(["erl", "-noinput", *self.network("tell@127.0.0.9"), "-eval", words], check=True, timeout=gates.PATIENCE_S)

    def collect_garbage(self):
        """So that what is left in memory is what is needed."""
        self.tell("[erlang:garbage_collect(Process) || _ <- [1, 2], Process <- processes()]")

    def server_log(self):
        log = self.home / "ejabberd.log"
        return log.read_text("utf-8", "replace") if log.exists() else ""

    def reachable(self):
        if not self.running():
            raise RuntimeError(f"ejabberd ended with {self.process.returncode}:\n{self.log_tail()}\n{self.server_log()}")
        if not (self.home / "ready").exists():
            return False
        try:
            for place in self.places:
                socket.create_connection(place).close()
            return True
        except OSError:
            return False
