#!/usr/bin/python3
"""The first process of the guest: makes its world, runs the command of the job, leaves its exit code, turns the guest off."""
import ctypes
import fcntl
import json
import os
import pathlib
import platform
import re
import resource
import socket
import struct
import subprocess
import traceback
import tty

MODULES = ["ipv6", "tls", "gcm", "ctr", "ghash-generic", "chacha20poly1305"]
MODULES += ["chacha", "chacha_generic", "poly1305_generic"]  # by one kernel's names or another's
FINIT_MODULE = 313  # x86-64, the only machine there is
RB_POWER_OFF = 0x4321FEDC
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
MS_RDONLY = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def must(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, kind, options="", flags=0):
    must(LIBC.mount(source.encode(), str(target).encode(), kind.encode(), flags, options.encode()), f"mount {target}")


def mount_host(folder, flags=0):
    os.makedirs(folder, exist_ok=True)
    mount("none", folder, "hostfs", folder, flags)


class Modules:
    """Those of the kernel, by name; one that is not there is built in. Each is inserted once, behind what it depends on."""

    def __init__(self, folder):
        self.paths = {self.plain(path.stem): path for path in pathlib.Path(folder, platform.release()).rglob("*.ko")}

    @staticmethod
    def plain(name):
        return name.replace("_", "-")

    def insert(self, name):
        path = self.paths.pop(self.plain(name), None)
        if path is None:
            return
        for needed in re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())[1].decode().split(","):
            self.insert(needed)
        with open(path, "rb") as file:
            must(LIBC.syscall(FINIT_MODULE, file.fileno(), b"", 0), f"insert {name}")


def loopback_up():
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def make_world(job):
    mount("proc", "/proc", "proc")
    mount("sys", "/sys", "sysfs")
    modules = Modules(job["modules"])
    for name in MODULES:
        modules.insert(name)
    if not os.path.exists("/dev/tty1"):
        mount("dev", "/dev", "devtmpfs")
    os.makedirs("/dev/pts", exist_ok=True)
    os.makedirs("/dev/shm", exist_ok=True)
    mount("pts", "/dev/pts", "devpts")
    if not os.path.exists("/dev/fd"):
        os.symlink("/proc/self/fd", "/dev/fd")
    for folder in ["/run", "/tmp", "/dev/shm"]:
        mount("tmp", folder, "tmpfs", "mode=1777")
    mount_host(job["cwd"], MS_RDONLY)
    for folder in job["folders"]:
        mount_host(folder)
    loopback_up()
    resource.setrlimit(resource.RLIMIT_NOFILE, (65536, 65536))
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def perform(job, out):
    """Through a pipe: a terminal would change what is said."""
    environment = {**job["environment"], "TMPDIR": "/tmp"}
    command = subprocess.Popen(
        job["command"], cwd=job["cwd"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    while said := os.read(command.stdout.fileno(), 65536):
        while said:
            said = said[os.write(out, said) :]
    code = command.wait()
    return code if code >= 0 else 128 - code


def main():
    place = os.environ["VM_JOB"]
    with open(place) as file:
        job = json.load(file)
    make_world(job)
    out = os.open("/dev/tty1", os.O_WRONLY | os.O_NOCTTY)
    tty.setraw(out)
    code = perform(job, out)
    tty.tcdrain(out)
    with open(pathlib.Path(place).parent / "status", "w") as status:
        status.write(str(code))


try:
    main()
except BaseException:
    traceback.print_exc()
finally:
    os.sync()
    LIBC.reboot(RB_POWER_OFF)
