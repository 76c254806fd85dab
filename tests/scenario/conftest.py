"""Collects plays (see play.py) as tests."""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system" / "lib"), str(HERE.parents[1] / "deploy" / "lib")]

import gate as gates  # noqa: E402
import play as plays  # noqa: E402
import pytest  # noqa: E402
from fixtures import *  # noqa: E402, F403
from fixtures import POOL, clients  # noqa: E402


def pytest_collect_file(file_path, parent):
    return PlayFile.from_parent(parent, path=file_path) if file_path.suffix == ".play" else None


class PlayFile(pytest.File):
    def collect(self):
        for play in plays.read_plays(self.path):
            for words, variables, bytewise in play.variants():
                yield PlayItem.from_parent(self, name=play.title + words, play=play, variables=variables, bytewise=bytewise)


class PlayItem(pytest.Item):
    def __init__(self, *, play, variables, bytewise, **rest):
        super().__init__(**rest)
        self.play, self.variables, self.bytewise = play, variables, bytewise

    def runtest(self):
        gate = gates.Gate(self.play.config) if self.play.own else POOL.get(self.play.config)
        try:
            plays.perform(self.play, gate, self.variables, self.bytewise)
            if gate.running():
                gates.wait_until(lambda: clients(gate) == 0, what="no client left behind")
            else:
                assert self.play.own, f"the gate is gone: {gate.log_tail()}"
        finally:
            problem = gate.stop() if self.play.own and gate.running() else ""
        assert not problem, problem

    def repr_failure(self, excinfo):
        if isinstance(excinfo.value, (plays.Mismatch, AssertionError, TimeoutError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self):
        return self.path, self.play.line, self.name
