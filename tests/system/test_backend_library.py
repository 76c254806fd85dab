"""libstanzagate-backend as others get it: installed, and a server compiled with nothing else (docs/backend-library.md)."""
import os
import re
import subprocess

import gate as gates
import pytest
import xmppwire as xmpp

pytestmark = pytest.mark.skipif(gates.is_sanitized(), reason="what is built with sanitizers is not installed")
WARNINGS = ["-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror"]


def run(*words, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=gates.PATIENCE_S, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed():
    """(file in the scratch prefix, flags that pkg-config tells for it)"""
    into = gates.new_folder("prefix")
    run("meson", "install", "-C", gates.BUILD, "--no-rebuild", "--tags", "devel", "--destdir", into)
    files = [path for path in into.rglob("*") if path.is_file()]
    [about] = [path for path in files if path.suffix == ".pc"]
    environment = os.environ | {"PKG_CONFIG_PATH": str(about.parent), "PKG_CONFIG_SYSROOT_DIR": str(into)}
    return files, run("pkg-config", "--cflags", "--libs", "stanzagate-backend", env=environment).split()


def test_what_is_installed(installed):
    files, _ = installed
    names = sorted(path.name for path in files)
    assert names == [
        "backend.h", "backlog.h", "bytes.h", "fields.def", "frame.h", "frame_error.def", "frames.def", "libstanzagate-backend.a", "link.h",
        "retained.h", "stanzagate-backend.pc",
    ]
    [library] = [path for path in files if path.suffix == ".a"]
    exported = re.findall(r"^[0-9a-f]+ [TDRB] (\w+)$", run("nm", "--defined-only", "--extern-only", library), re.M)
    strange = [name for name in exported if not re.match(r"(backend|backlog|bytes|frame|link|retained)_", name)]
    assert exported and not strange, "of the gate, or in a caller's way"


def test_each_header_can_be_included_alone(installed, tmp_path):
    files, flags = installed
    for header in [path for path in files if path.suffix == ".h"]:
        (tmp_path / "alone.c").write_text(f"#include <stanzagate/{header.name}>\n")
        run("cc", *WARNINGS, "-fsyntax-only", tmp_path / "alone.c", *flags)


def test_a_server_compiled_with_it_serves_a_gate(installed, tmp_path, make_gate):
    text = (gates.ROOT / "bench" / "compare" / "echo_backend.c").read_text()
    assert text.count('"backend.h"') == 1
    (tmp_path / "server.c").write_text(text.replace('"backend.h"', "<stanzagate/backend.h>"))
    run("cc", *WARNINGS, "-o", tmp_path / "server", tmp_path / "server.c", *installed[1], "-lcrypto")
    server = gates.Program([tmp_path / "server", tmp_path / "link"], tmp_path)
    try:
        server.wait_log(r"^ready$")
        gate = make_gate({"workers": 1, "backends": [{"name": "echo", "address": f"unix:{tmp_path}/link"}]})
        alice = xmpp.Client(gate.direct, True, gate.authority)
        assert alice.login("alice", "anything", "desk", mechanism="PLAIN") == "alice@localhost/desk"
        alice.send("<message to='nobody@localhost'><body>hello</body></message>")
        assert alice.wait_message("hello").get("from") == alice.jid
        assert alice.logout()
    finally:
        server.kill()
