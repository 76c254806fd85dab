"""profanity, a client for terminals, driven as a person would."""
import contextlib
import os
import re
import shutil
import subprocess
import tempfile

import gate as gates


class Terminal:
    """profanity in a terminal of its own."""

    def __init__(self, name):
        # Not pytest's folder: a socket's path must be short.
        self.home = tempfile.mkdtemp(prefix="profanity-")
        self.name, self.socket = name, f"{self.home}/tmux"
        env = {"PATH": os.environ["PATH"], "HOME": self.home, "TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "110", "-y", "40", "-s", "main", "profanity", env=env)

    def tmux(self, *command, env=None):
        done = subprocess.run(["tmux", "-u", "-S", self.socket, *command], capture_output=True, text=True, env=env, timeout=gates.PATIENCE_S)
        if done.returncode:
            raise RuntimeError(f"tmux {command[0]}: {done.stderr}")
        return done.stdout

    def screen(self):
        return self.tmux("capture-pane", "-p", "-t", "main")

    def type(self, text):
        self.tmux("send-keys", "-t", "main", "-l", text)
        self.tmux("send-keys", "-t", "main", "Enter")

    def wait(self, pattern, timeout=gates.PATIENCE_S):
        try:
            return gates.wait_until(lambda: re.search(pattern, self.screen()), timeout, pattern)
        except TimeoutError as late:
            raise TimeoutError(f"{self.name}: {late}\n{self.screen()}") from None

    def end(self):
        try:
            self.tmux("kill-server")
        except RuntimeError:
            pass
        shutil.rmtree(self.home, ignore_errors=True)


@contextlib.contextmanager
def terminals():
    """Alice's and Bob's."""
    made = [Terminal("alice"), Terminal("bob")]
    try:
        yield made
    finally:
        for terminal in made:
            terminal.end()


def connect(terminal, user, address, tls):
    terminal.wait(r"Profanity")
    terminal.type(f"/connect {user}@localhost server {address[0]} port {address[1]} tls {tls}")
    terminal.wait(r"(?i)password")
    terminal.type(gates.PASSWORDS[user])
    if tls == "legacy":  # direct TLS; the certificate is shown, and a person decides
        terminal.wait(r"/tls allow")
        terminal.type("/tls allow")
    terminal.wait(rf"{user}@localhost\S* logged in successfully")


def connect_both(gate, alice, bob):
    connect(alice, "alice", gate.starttls, "trust")
    connect(bob, "bob", gate.direct, "legacy")


def talk(alice, bob):
    alice.type("/msg bob@localhost Ĉu vi aŭdas min? Да, 你好")
    bob.wait(r"message.*alice@localhost.*win 2")
    bob.type("/win 2")
    bob.wait(r"Ĉu vi aŭdas min\? Да, 你好")
    bob.type("Jes! Добрый день, 再见")
    alice.wait(r"Jes! Добрый день, 再见")


def leave(terminal):
    terminal.type("/disconnect")
    terminal.wait(r"logged out successfully")
