"""The Debian package: made, installed, run and removed on a copy of this system that is thrown away."""
import os
import shutil
import subprocess

import gate as gates
import pytest

pytestmark = pytest.mark.skipif(gates.is_sanitized(), reason="what is built with sanitizers is not packaged")
BUILD = gates.ROOT / "deploy" / "debian" / "build"

# The copy: what is written goes to memory. Its network and processes are its own.
COPY = """
set -e
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs none "$1/root/run"
mount -t tmpfs none "$1/root/tmp"
ip link set lo up
cp "$2" "$1/root/tmp/package.deb"
cp "$3" "$1/root/tmp/install"
"""

INSTALL = r"""
set -e
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive
touch /tmp/before
dpkg -i /tmp/package.deb >/dev/null
stanzagate --version
stanzagate-load users --server prosody --to /tmp/accounts --users 1 && [ -e /tmp/accounts/localhost/accounts/u0.dat ]
printf 'modules_enabled = {\n}\n' >/tmp/prosody.cfg.lua
/usr/share/stanzagate/deploy/prosody/install --modules /tmp/modules --config /tmp/prosody.cfg.lua
[ -e /tmp/modules/mod_stanzagate.lua ] && [ -e /tmp/modules/stanzagate/frames.lib.lua ] && grep -q '"stanzagate"' /tmp/prosody.cfg.lua
printf 'listen:\n  -\n    port: 5222\nmodules:\n  mod_ping: {}\n' >/tmp/ejabberd.yml
touch /tmp/ejabberdctl.cfg
/usr/share/stanzagate/deploy/ejabberd/install --beams /tmp/beams --config /tmp/ejabberd.yml --control /tmp/ejabberdctl.cfg --secret /tmp/key
[ -e /tmp/beams/mod_stanzagate.beam ]
stanzagate check -c /etc/stanzagate/stanzagate.yaml
[ "$(stat -c %U:%G:%a /etc/stanzagate/key.pem)" = root:stanzagate:640 ]
[ "$(stat -c %U:%a /var/lib/stanzagate)" = stanzagate:700 ]
! setpriv --reuid=nobody --clear-groups cat /etc/stanzagate/key.pem 2>/dev/null
systemd-analyze verify /lib/systemd/system/stanzagate.service /lib/systemd/system/stanzagate-sessiond.service /lib/systemd/system/stanzagate-sessiond@.service
install -d -o stanzagate /run/stanzagate
cd /
setpriv --reuid=stanzagate --regid=stanzagate --init-groups --no-new-privs stanzagate run -c /etc/stanzagate/stanzagate.yaml 2>/tmp/log &
gate=$!
for i in $(seq 1200); do stanzagate ctl status >/tmp/status 2>/dev/null && grep -q 'healthy; ready' /tmp/status && break; sleep .05; done
grep 'healthy; ready' /tmp/status
kill -TERM $gate
wait $gate
echo ended $?
dpkg -i /tmp/package.deb >/dev/null
dpkg -r stanzagate >/dev/null
[ ! -e /usr/bin/stanzagate ] && [ -e /var/lib/stanzagate/sessiond.db ] && [ -e /etc/stanzagate/stanzagate.yaml ] && echo removed
dpkg -P stanzagate >/dev/null
! getent passwd stanzagate
find / -xdev -newer /tmp/before \( -name '*stanzagate*' -o -path '*stanzagate/*' \) ! -path '/tmp/*' ! -path '/proc/*' ! -path '*/info/*' 2>/dev/null
echo gone
"""


def run(command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300, **options)


@pytest.fixture(scope="module")
def package():
    home = gates.new_folder("package")
    done = run([BUILD, "--build", gates.BUILD, "--out", home], env=os.environ | {"DEBFULLNAME": "Who Makes It", "DEBEMAIL": "maker@example.org"})
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_is_in_it(package):
    about = run(["dpkg-deb", "-f", package]).stdout
    assert "Package: stanzagate\n" in about and "Maintainer: Who Makes It <maker@example.org>\n" in about
    for library in ("liburing2", "libssl3", "libsqlite3-0", "libseccomp2", "libjansson4"):
        assert library in about, library
    files = run(["dpkg-deb", "-c", package]).stdout
    for wanted in ("./usr/bin/stanzagate", "./usr/bin/stanzagate-sessiond", "./usr/bin/stanzagate-load", "./lib/systemd/system/stanzagate.service", "./etc/stanzagate/stanzagate.yaml"):
        assert f" {wanted}\n" in files, wanted
    assert " root/root " in files and all(" root/root " in line for line in files.splitlines())


def below(folder):
    """What is there, and who may run it."""
    return {str(path.relative_to(folder)): (path.read_bytes(), os.access(path, os.X_OK)) for path in folder.rglob("*") if path.is_file()}


def test_meson_installs_the_same_programs_and_modules(package, tmp_path):
    done = run(["meson", "install", "-C", gates.BUILD, "--no-rebuild", "--quiet", "--destdir", tmp_path / "meson"])
    assert done.returncode == 0, done.stderr
    assert run(["dpkg-deb", "-x", package, tmp_path / "package"]).returncode == 0
    (by_meson,), by_package = (tmp_path / "meson").glob("usr/*"), tmp_path / "package" / "usr"
    assert {path.name for path in (by_meson / "bin").iterdir()} == {path.name for path in (by_package / "bin").iterdir()}
    modules = below(by_package / "share" / "stanzagate")
    assert {"backends/prosody/mod_stanzagate.lua", "backends/ejabberd/stanzagate_client.hrl", "deploy/ejabberd/install"} <= set(modules)
    assert below(by_meson / "share" / "stanzagate") == modules


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can install")
def test_installed_run_removed(package, tmp_path):
    (tmp_path / "install").write_text(INSTALL)
    (tmp_path / "copy").mkdir()
    words = ["unshare", "--mount", "--pid", "--fork", "--net", "--kill-child", "bash", "-c"]
    arguments = ["copy", str(tmp_path / "copy"), package, str(tmp_path / "install")]
    probe = run([*words, COPY, *arguments])
    if probe.returncode != 0:
        pytest.skip(f"no copy of the system can be made here: {probe.stderr.strip()}")
    done = run([*words, COPY + 'exec chroot "$1/root" /bin/bash /tmp/install\n', *arguments])
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("stanzagate ") and lines[-1] == "gone" and "removed" in lines and "ended 0" in lines, done.stdout + done.stderr
    assert lines[lines.index("removed") + 1:] == ["gone"], f"left behind: {done.stdout}"
    assert shutil.which("stanzagate") is None, "nothing of this was done to the system itself"
