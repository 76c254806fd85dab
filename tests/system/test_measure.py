"""bench/measure: what it prints, and that the bytes of the link are the XML's, the frames' and the sender's address."""
import json
import subprocess

import gate as gates
import pytest

HEAD_BYTES = 12  # of a frame
STAMP = " from='u0@localhost/'"
# The end of a session may be on its way yet when the gate is asked; ACK; a resource, and numbers of more digits.
CLIENTS, CLIENT_BYTES, RESOURCE_BYTES = 200, 100, 40


@pytest.fixture(scope="module")
def printed():
    command = [gates.ROOT / "bench" / "measure", "--build", gates.BUILD, "--clients", 20, "--seconds", 1]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    return {phase: json.loads(figures) for phase, _, figures in (line.partition(" ") for line in done.stdout.splitlines())}


def test_processor_time_and_memory(printed):
    assert printed["idle"]["online"] == 20
    for program in (printed["chat"], printed["chat"]["watched"]["sessiond"]):
        assert program["cpu_us_per_stanza_user"] + program["cpu_us_per_stanza_system"] > 0


def test_what_the_link_carries_beyond_xml(printed):
    link, slack = printed["link"], CLIENTS * CLIENT_BYTES / printed["chat"]["messages_received"]
    assert abs(link["from_session_server"] - HEAD_BYTES) < slack
    assert -slack < link["to_session_server"] - HEAD_BYTES - len(STAMP) < slack + RESOURCE_BYTES


def test_nothing_to_measure_is_refused():
    command = [str(gates.ROOT / "bench" / "measure"), "--build", str(gates.BUILD), "--seconds", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=gates.PATIENCE_S)
    assert done.returncode == 2 and "at least 1 is allowed" in done.stderr
