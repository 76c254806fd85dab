"""The README and what it speaks of."""
import os
import re
import subprocess

import gate as gates


def packages():
    lines = (gates.ROOT / "deploy" / "packages.txt").read_text().splitlines()
    return [line.split(None, 2) for line in lines if line and not line.startswith("#")]


def test_every_package_has_its_reason():
    readme = (gates.ROOT / "README.md").read_text()
    marks = {"build": "", "test": " (tests)", "bench": " (bench)", "cross": " (cross)", "scan": " (scan)",
             "guest": " (guest)", "compare": " (compare)"}
    for kind, name, reason in packages():
        mark = marks[kind]
        assert f"| `{name}`{mark} | {reason} |" in readme, name
    assert len(re.findall(r"^\| `[a-z0-9.+-]+`( \([a-z]+\))? \|", readme, re.M)) == len(packages()), "and no other"


def test_every_path_is_there():
    readme = (gates.ROOT / "README.md").read_text()
    for path in re.findall(r"\]\(([^)]+)\)", readme) + re.findall(r"^\| `([a-z/]+/[a-z]*)`", readme, re.M):
        assert (gates.ROOT / path).exists(), path


def test_every_command_says_what_it_does():
    """Asked for --help, it does nothing else."""
    commands = [path for place in ("bench/*", "bench/*/*", "deploy/quickstart", "deploy/*/*", "tests/*", "tests/*/run", "tests/coverage/*")
                for path in gates.ROOT.glob(place) if path.is_file() and os.access(path, os.X_OK) and path.parent.name != "debian"]
    commands.append(gates.ROOT / "deploy" / "debian" / "build")
    assert len(commands) > 20
    running = [(path, subprocess.Popen([path, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)) for path in commands]
    for path, process in running:
        said, complaint = process.communicate(timeout=gates.PATIENCE_S)
        assert (process.returncode, complaint) == (0, "") and path.name in said, path
