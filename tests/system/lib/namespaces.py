"""
Networks of their own for programs under test: namespaces around a switch, with an address each. Nothing of this machine's
own network is touched.

    with Network({"client": ["10.9.0.1"], "gate": ["10.9.0.2"]}) as network:
        with network.inside("client"): sockets that are made here are the client's
        subprocess.Popen(..., preexec_fn=network.enter("gate"))
"""
import contextlib
import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=60)


def possible():
    """Whether this user may make namespaces on this machine."""
    name = f"sgtry{os.getpid()}"
    try:
        ip("netns", "add", name)
        ip("netns", "del", name)
        return True
    except (OSError, subprocess.CalledProcessError):
        return False


class Network:
    def __init__(self, places):
        self.prefix, self.names = f"sg{os.getpid()}", []
        try:
            self._make(places)
        except BaseException:
            self.close()
            raise

    def _make(self, places):
        self._add("switch")
        switch = self._name("switch")
        ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        ip("-n", switch, "link", "set", "bridge", "up")
        for number, (place, addresses) in enumerate(places.items()):
            self._add(place)
            port, name = f"port{number}", self._name(place)
            ip("link", "add", "eth0", "netns", name, "type", "veth", "peer", "name", port, "netns", switch)
            ip("-n", switch, "link", "set", port, "master", "bridge", "up")
            for address in addresses:
                ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                ip("-n", name, "link", "set", device, "up")

    def _name(self, place):
        return f"{self.prefix}-{place}"

    def _add(self, place):
        ip("netns", "add", self._name(place))
        self.names.append(self._name(place))

    def close(self):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, timeout=60)
        self.names = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _set(self, path):
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if LIBC.setns(handle, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(handle)

    def enter(self, place):
        return lambda: self._set(f"/run/netns/{self._name(place)}")

    @contextlib.contextmanager
    def inside(self, place):
        """For this thread."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.enter(place)()
        try:
            yield
        finally:
            LIBC.setns(home, CLONE_NEWNET)
            os.close(home)
