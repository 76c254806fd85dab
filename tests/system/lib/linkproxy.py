"""What lies between a gate and its session server, and can fail: a link that is reset, and one that falls silent."""
import contextlib
import random
import socket
import struct
import threading


class Proxy:
    """Between gate and session server: ("127.0.0.1", port), to the path of a Unix socket."""

    def __init__(self, path):
        self.path, self.links, self.lock = path, [], threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp:127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                self.join(self.listener.accept()[0])

    def join(self, gate):
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self.path)
        except OSError:  # there is no session server now
            gate.close()
            return
        link = {"gate": gate, "server": server, "silent": False, "ended": False}
        with self.lock:
            self.links.append(link)
        for source, target in ((gate, server), (server, gate)):
            threading.Thread(target=self.pump, args=(link, source, target), daemon=True).start()

    def pump(self, link, source, target):
        """In pieces of any size, so that a cut is anywhere in a frame."""
        with contextlib.suppress(OSError):
            while data := source.recv(random.randint(1, 5000)):
                if not link["silent"]:
                    target.sendall(data)
        if not link["silent"]:
            self.end(link)

    @staticmethod
    def end(link):
        link["ended"] = True
        for one in (link["gate"], link["server"]):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def live(self):
        """Whether there is a link that can be broken: the last one, or none."""
        return bool(self.links) and not self.links[-1]["silent"] and not self.links[-1]["ended"]

    def reset(self):
        """RST to the gate; the session server sees the end."""
        link = self.links[-1]
        link["ended"] = True
        with contextlib.suppress(OSError):
            link["gate"].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            link["server"].shutdown(socket.SHUT_RDWR)
            link["gate"].shutdown(socket.SHUT_RD)
            link["gate"].close()

    def silence(self):
        """Nothing comes through any more, and nobody is told."""
        self.links[-1]["silent"] = True

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for link in self.links:
            self.end(link)
