"""What the tests of both folders share: gates that live as long as the run, and a last test that they end well."""
import json
import signal

import gate as gates
import pytest

# A run that is told to end (tests/run has a limit) is broken off as by hand: what it has started ends, and its folder goes.
signal.signal(signal.SIGTERM, signal.default_int_handler)


class GatePool:
    """Gates that plays and tests share when a shared one is harmless, one for each configuration."""

    def __init__(self):
        self.gates = {}

    def get(self, config=None):
        key = json.dumps(config or {}, sort_keys=True)
        if key in self.gates and not self.gates[key].running():
            del self.gates[key]  # the test that ended it has failed; the next one gets a new one
        if key not in self.gates:
            self.gates[key] = gates.Gate(config)
        return self.gates[key]

    def stop(self):
        problems = [gate.stop() for gate in self.gates.values()]
        self.gates = {}
        return [problem for problem in problems if problem]


POOL = GatePool()


class GatesEnd(pytest.Item):
    def runtest(self):
        problems = POOL.stop()
        assert not problems, "\n".join(problems)

    def repr_failure(self, excinfo):
        return str(excinfo.value)

    def reportinfo(self):
        return self.path, 0, self.name


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session, config, items):
    if items:
        items.append(GatesEnd.from_parent(session, name="the shared gates end well"))


def pytest_sessionfinish(session):
    POOL.stop()  # when the run was broken off before the last test


@pytest.fixture
def gate():
    """A shared gate with its bundled session server."""
    return POOL.get()


@pytest.fixture
def make_gate():
    """Gates of a test's own; each must end well."""
    made = []

    def make(*arguments, **options):
        made.append(gates.Gate(*arguments, **options))
        return made[-1]

    yield make
    problems = [problem for gate in made if gate.process.returncode is None and (problem := gate.stop())]
    assert not problems, "\n".join(problems)


def clients(gate):
    return sum(value for name, value in gate.metrics().items() if name.startswith("stanzagate_clients{"))
