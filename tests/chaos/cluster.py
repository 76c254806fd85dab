"""
The servers that chaos is let loose on: session servers that share a store, gates in front of them, and between each gate and
each session server something that can cut their link. And the faults themselves.
"""
import asyncio
import pathlib
import signal
import subprocess

import gate as gates
from linkproxy import Proxy

STOPPED_S = 5.0
LIVE_S = 60.0


class Backend:
    def __init__(self, cluster, index):
        self.cluster, self.path = cluster, cluster.home / f"link-{index}"
        self.home = cluster.home / f"sessiond-{index}"
        self.home.mkdir()
        self.busy = False  # a fault is under way
        self.start()

    def start(self):
        name = ("--name", self.home.name)
        self.server = gates.Sessiond(f"unix:{self.path}", home=self.home, database=self.cluster.database, more=name)

    def begin(self):
        """Without waiting until it can be reached."""
        command = self.server.process.args
        self.server = gates.Program(command, self.home)


class Cluster:
    def __init__(self, backends, gates_count, users, link):
        self.home = gates.new_folder("chaos")
        self.database = self.home / "accounts.db"
        self.add_users(users)
        self.backends = [Backend(self, index) for index in range(backends)]
        self.proxies, self.gates = [], []
        for _ in range(gates_count):
            proxies = [Proxy(str(backend.path)) for backend in self.backends]
            self.proxies.append(proxies)
            named = [{"name": f"session-{index}", "address": proxy.address} for index, proxy in enumerate(proxies)]
            config = {"workers": 1, "backends": named, "link": link, "addresses": {"connects_per_second": 0, "handshakes_per_second": 0}}
            self.gates.append(gates.Gate(config))

    def add_users(self, count):
        for index in range(count):
            command = [gates.SESSIOND, "user", "add", f"u{index}@localhost", "--database", self.database, "--iterations", "4096"]
            subprocess.run(command, input="password\n", text=True, check=True, capture_output=True, timeout=gates.PATIENCE_S)

    def addresses(self):
        return [gate.direct for gate in self.gates]

    def metric(self, name):
        return sum(gate.metrics().get(name, 0) for gate in self.gates)

    def stop(self):
        """What ended badly, a text for each."""
        problems = [gate.stop() for gate in self.gates]
        for proxies in self.proxies:
            for proxy in proxies:
                proxy.close()
        problems += [backend.server.stop() for backend in self.backends]
        return [problem for problem in problems if problem]


# ---- faults: each a coroutine that is over when what was broken is whole again


async def kill(cluster, backend, random):
    """kill -9, and the same again, with an empty memory, after a while that others may use to adopt."""
    backend.server.kill()
    await asyncio.sleep(random.uniform(0.3, 3.0))
    backend.begin()


async def restart(cluster, backend, random):
    """kill -9, and at once the same again, with an empty memory."""
    backend.server.kill()
    backend.begin()
    await asyncio.sleep(0.2)


async def stop(cluster, backend, random):
    """SIGSTOP: it is neither dead nor alive, and wakes up in a world that has gone on."""
    backend.server.process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(STOPPED_S)
    backend.server.process.send_signal(signal.SIGCONT)


async def live_link(cluster, backend, random):
    """Of a gate to this session server. All may just have been broken: what is broken already cannot be."""
    links = [proxies[cluster.backends.index(backend)] for proxies in cluster.proxies]
    until = asyncio.get_running_loop().time() + LIVE_S
    while not (there := [proxy for proxy in links if proxy.live()]):
        if asyncio.get_running_loop().time() > until:
            raise TimeoutError(f"no link to {backend.home.name} in {LIVE_S} s")
        await asyncio.sleep(0.01)
    return random.choice(there)


async def reset(cluster, backend, random):
    (await live_link(cluster, backend, random)).reset()
    await asyncio.sleep(0.1)


async def silence(cluster, backend, random):
    (await live_link(cluster, backend, random)).silence()
    await asyncio.sleep(random.uniform(0.5, 3.0))


FAULTS = {fault.__name__: fault for fault in (kill, restart, stop, reset, silence)}
