"""The files of deploy/ that others read: their own programs say that they are good, and they say what is so."""
import contextlib
import ctypes
import errno
import functools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import gate as gates
import pytest
import xmppwire as xmpp
import yaml

DEPLOY = gates.ROOT / "deploy"
SERVICES = sorted((DEPLOY / "systemd").glob("*.service"))


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("service", SERVICES, ids=[service.stem for service in SERVICES])
def test_services_are_hardened(service):
    code, said = run("systemd-analyze", "security", "--offline=true", "--threshold=20", service)
    assert code == 0, said
    assert float(re.search(r"Overall exposure level for .*: ([\d.]+)", said)[1]) < 2.0


def test_balancers():
    assert run("haproxy", "-c", "-f", DEPLOY / "haproxy" / "haproxy.cfg")[0] == 0
    if os.geteuid() == 0:
        code, said = run("nft", "-c", "-f", DEPLOY / "keepalived" / "nftables.conf")
        if code != 0 and "Operation not permitted" in said:
            pytest.skip("no tables may be looked at here")
        assert code == 0, said


def test_keepalived_leads_both_ports_to_both_gates():
    path = DEPLOY / "keepalived" / "keepalived.conf"
    code, said = run("keepalived", "-t", "-f", path)
    assert code == 0, said
    servers = re.findall(r"^virtual_server (\S+) (\d+) \{(.*?)^\}", path.read_text(), flags=re.M | re.S)
    assert [(address, port) for address, port, _ in servers] == [("192.0.2.10", "5222"), ("192.0.2.10", "5223")]
    for _, port, block in servers:
        assert re.findall(r"real_server (\S+) (\d+)", block) == [("192.0.2.11", port), ("192.0.2.12", port)]
        assert block.count("path /readyz") == 2


def test_every_sysctl_has_its_reason():
    lines = (DEPLOY / "sysctl" / "60-stanzagate.conf").read_text().splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r"#?[-a-z_0-9.]+ = ", line)]
    assert len(keys) > 10
    for number in keys:
        key = lines[number].lstrip("#").split(" = ")[0]
        assert lines[number - 1].startswith("# "), key
        # Of a namespace, of a module that need not be there, of newer kernels.
        elsewhere = key.startswith(("net.", "kernel.io_uring"))
        assert elsewhere or os.path.exists("/proc/sys/" + key.replace(".", "/")), key


# ---- Kubernetes

def manifests():
    return [one for one in yaml.safe_load_all((DEPLOY / "kubernetes" / "stanzagate.yaml").read_text()) if one]


def of_kind(kind, name):
    [found] = [one for one in manifests() if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


def test_selectors_ports_and_volumes_fit():
    workloads = {one["metadata"]["name"]: one for one in manifests() if one["kind"] in ("Deployment", "StatefulSet")}
    for workload in workloads.values():
        template = workload["spec"]["template"]
        assert workload["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
        [container] = template["spec"]["containers"]
        volumes = {each["name"] for each in template["spec"]["volumes"]} | {each["metadata"]["name"] for each in workload["spec"].get("volumeClaimTemplates", [])}
        assert {each["name"] for each in container["volumeMounts"]} == volumes
        ports = {each["name"] for each in container["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            for how in ("httpGet", "tcpSocket"):
                if how in container.get(probe, {}):
                    assert container[probe][how]["port"] in ports
        assert not container["securityContext"]["allowPrivilegeEscalation"] and template["spec"]["securityContext"]["runAsNonRoot"]
    for service in (one for one in manifests() if one["kind"] == "Service"):
        workload = workloads[service["spec"]["selector"]["app"]]
        ports = {each["name"] for each in workload["spec"]["template"]["spec"]["containers"][0]["ports"]}
        assert {each["targetPort"] for each in service["spec"]["ports"]} <= ports
    for budget in (one for one in manifests() if one["kind"] == "PodDisruptionBudget"):
        assert budget["spec"]["selector"]["matchLabels"]["app"] in workloads
    assert of_kind("Service", "sessiond")["spec"]["clusterIP"] == "None"
    [server] = of_kind("StatefulSet", "sessiond")["spec"]["template"]["spec"]["containers"]
    assert server["args"][1:3] == ["--name", "$(POD_NAME)"], "users are spread by name: each has its own"
    assert of_kind("StatefulSet", "sessiond")["spec"]["replicas"] == 1, "users of one domain are in one database"
    assert of_kind("Service", "stanzagate")["spec"]["externalTrafficPolicy"] == "Local"


def test_the_configuration_of_the_pods_is_good(tmp_path, gate):
    text = of_kind("ConfigMap", "stanzagate")["data"]["stanzagate.yaml"]
    config = yaml.safe_load(text)
    grace = of_kind("Deployment", "stanzagate")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert (config["drain_notice_ms"] + config["drain_ms_max"]) / 1000 < grace
    certificate, key = gates.certificate()
    for name, file in (("tls.crt", certificate), ("tls.key", key), ("ca.crt", certificate)):
        shutil.copy(file, tmp_path / name)
    (tmp_path / "stanzagate.yaml").write_text(re.sub(r"/etc/stanzagate-\w+", str(tmp_path), text))
    code, said = run(gates.GATE, "check", "-c", tmp_path / "stanzagate.yaml")
    assert code == 0, said
    container = of_kind("Deployment", "stanzagate")["spec"]["template"]["spec"]["containers"][0]
    for probe in ("livenessProbe", "readinessProbe"):
        assert gate.page(container[probe]["httpGet"]["path"])[0] == 200


# ---- filters of system calls, without who sets them: the container's and the service's

class Comparison(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("how", ctypes.c_int), ("one", ctypes.c_uint64), ("two", ctypes.c_uint64)]


ALLOW, ERRNO, MASKED_EQUAL = 0x7FFF0000, 0x00050000, 7


def profile():
    return json.loads((DEPLOY / "container" / "seccomp.json").read_text())


def enter_filter(otherwise, rules):
    """Rules: names of calls, an action, and what arguments are compared with."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    filter_ = ctypes.c_void_p(library.seccomp_init(otherwise))
    for names, action, arguments in rules:
        assert all(each["op"] == "SCMP_CMP_MASKED_EQ" for each in arguments)
        compared = (Comparison * len(arguments))(*[Comparison(each["index"], MASKED_EQUAL, each["value"], each["valueTwo"]) for each in arguments])
        for name in names:
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number != -1:
                assert library.seccomp_rule_add_array(filter_, ctypes.c_uint32(action), number, len(arguments), compared) == 0, name
    assert library.seccomp_load(filter_) == 0


def enter_profile():
    """What a container's engine does with the profile before it starts the program."""
    rules = [(rule["names"], ALLOW if rule["action"] == "SCMP_ACT_ALLOW" else ERRNO | rule["errnoRet"], rule.get("args", [])) for rule in profile()["syscalls"]]
    enter_filter(ERRNO | profile()["defaultErrnoRet"], rules)


def calls_of_service(service):
    """Names that its SystemCallFilter= lines leave, set by set."""

    @functools.cache
    def of_set(name):
        members = re.findall(r"^ +([-@\w]+)$", run("systemd-analyze", "--no-pager", "syscall-filter", name)[1], re.M)
        assert members, name
        return {call for member in members for call in (of_set(member) if member[0] == "@" else {member})}

    allowed = set()
    for words in re.findall(r"^SystemCallFilter=(.*)$", service.read_text(), re.M):
        named = {call for word in words.lstrip("~").split() for call in (of_set(word) if word[0] == "@" else {word})}
        allowed = allowed - named if words[0] == "~" else allowed | named
    return allowed


def assert_handshakes_give_way(gate):
    """The filters leave it the calls by which the threads that make handshakes become nicer than the others, and do not interrupt them."""
    seen = set()
    for stat in pathlib.Path(f"/proc/{gate.process.pid}/task").glob("*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the kernel's own workers come and go
            words = stat.read_text().rpartition(")")[2].split()
            seen.add((int(words[16]), int(words[38])))  # proc(5): nice, policy
    usual, usual_policy = min(seen)
    assert usual_policy == os.SCHED_OTHER and any(nice > usual and policy == os.SCHED_BATCH for nice, policy in seen), seen


def test_the_profile_has_what_the_gate_has_not_given_up():
    allowed = {name for rule in profile()["syscalls"] for name in rule["names"]}
    wanted = set(re.findall(r"CALL\((\w+)\)", (gates.ROOT / "cm" / "ops" / "sandbox.def").read_text()))
    assert wanted <= allowed and {"io_uring_setup", "io_uring_enter", "io_uring_register"} <= allowed
    assert not allowed & {"mount", "bpf", "ptrace", "unshare", "setns", "init_module", "kexec_load", "keyctl", "perf_event_open", "process_vm_readv"}


@pytest.mark.skipif(gates.is_sanitized(), reason="sanitizers need more")
def test_a_gate_runs_under_the_profile(make_gate):
    gate = make_gate(preexec=enter_profile)
    assert_handshakes_give_way(gate)
    alice = xmpp.Client(gate.direct, True, gate.authority)
    alice.login("alice", gates.PASSWORDS["alice"])
    alice.ping()
    gate.signal(signal.SIGHUP)
    gate.wait_log(r"reload\.done")
    assert alice.logout()
    done = subprocess.run(["unshare", "--mount", "true"], preexec_fn=enter_profile, capture_output=True, text=True, timeout=gates.PATIENCE_S)
    assert done.returncode != 0 and "not permitted" in done.stderr


@pytest.mark.skipif(gates.is_sanitized(), reason="sanitizers need more")
def test_a_gate_sets_its_own_filter_within_that_of_the_service(make_gate):
    calls = calls_of_service(DEPLOY / "systemd" / "stanzagate.service")
    gate = make_gate(preexec=lambda: enter_filter(ERRNO | errno.EPERM, [(calls, ALLOW, [])]))
    gate.wait_log(r"gate\.(un)?confined")
    assert "gate.confined" in gate.log(), gate.log_tail()
    assert_handshakes_give_way(gate)
    alice = xmpp.Client(gate.direct, True, gate.authority)
    alice.login("alice", gates.PASSWORDS["alice"])
    alice.ping()
    assert alice.logout()


@pytest.mark.skipif(gates.is_sanitized(), reason="what is built with sanitizers goes into no container")
def test_the_containerfile_installs_what_the_programs_are_linked_with():
    text = (DEPLOY / "container" / "Containerfile").read_text()
    needed = subprocess.run(["objdump", "-p", gates.GATE], capture_output=True, text=True, check=True).stdout
    for library in re.findall(r"NEEDED\s+(lib\w+)[-.\w]*\.so", needed):
        if library not in ("libc", "libcrypto"):
            name = {"libcares": "libc-ares", "libsqlite3": "libsqlite3-0", "libz": "zlib"}.get(library, library)
            assert name in text, library


def test_what_the_containerfile_copies():
    """Neither the history, nor what was built, nor keys and databases of a trial."""
    ignored = (gates.ROOT / ".dockerignore").read_text().split()
    kept = [line.strip("/") for line in (gates.ROOT / ".gitignore").read_text().split() if "/" in line]
    assert kept and ".git" in ignored
    for line in kept:
        assert line in ignored or f"**/{line}" in ignored, line
    for line in ignored:
        assert not subprocess.run(["git", "-C", gates.ROOT, "ls-files", line], capture_output=True, text=True, check=True).stdout, line


SCRIPTS = {
    "tests/run": ("--build", "--only", "-k"),
    "tests/run-ktls": ("--build",),
    "deploy/debian/build": ("--build", "--out"),
    "deploy/prosody/install": ("--modules", "--config", "--socket"),
    "deploy/ejabberd/install": ("--beams", "--config", "--control", "--secret", "--port", "--name"),
}


@pytest.mark.parametrize("script, option", [(script, option) for script, options in SCRIPTS.items() for option in options])
def test_an_option_without_its_value_is_said(script, option, tmp_path):
    """Nothing is begun. What the scripts need before they have read their options is there, and nothing that they could begin with."""
    for program in ("cat", "dirname", "hostname", "id", "realpath"):
        (tmp_path / program).symlink_to(shutil.which(program))
    for words in ((option,), (option, ""), (option, "--build", "x")):
        command = ["/bin/bash", str(gates.ROOT / script), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, env={"PATH": str(tmp_path)})
        assert done.returncode == 2 and done.stderr.startswith(f"{option} needs a value\nusage: {script} "), done.stderr
