"""A kernel that does not let us have io_uring (as in many containers)."""
import ctypes
import errno
import platform
import struct

import gate as gates
import pytest

IO_URING_SETUP = 425  # the same on x86-64 and arm64
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF
ALLOW, ERRNO = 0x7FFF0000, 0x00050000  # seccomp
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2


def refuse_io_uring(error):
    """In the child, before exec: io_uring_setup fails with `error`."""
    program = b"".join(
        struct.pack("HBBI", *step)
        for step in [(LOAD, 0, 0, 0), (JUMP_EQUAL, 0, 1, IO_URING_SETUP), (RETURN, 0, 0, ERRNO | error), (RETURN, 0, 0, ALLOW)]
    )
    steps = ctypes.create_string_buffer(program, len(program))
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(steps)))
    libc = ctypes.CDLL(None, use_errno=True)

    def install():
        if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, head, 0, 0):
            raise OSError(ctypes.get_errno(), "seccomp")

    install.kept = steps, head
    return install


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="the number of the system call is not known here")
@pytest.mark.parametrize("error, advice", [(errno.EPERM, "seccomp"), (errno.EPERM, "kernel.io_uring_disabled"), (errno.ENOSYS, "Linux 6.1")])
def test_io_uring_refused(error, advice):
    gate = gates.Gate(preexec=refuse_io_uring(error), ready=False)
    try:
        assert gate.wait_exit() not in (0, -6, -11), "an exit code of its own, and no crash"
        log = gate.log()
        assert "io_uring" in log
        assert advice in log
        assert "gate.ready" not in log
    finally:
        if gate.running():
            gate.kill()
