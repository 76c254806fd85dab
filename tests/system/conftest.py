import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "lib"), str(HERE.parents[1] / "deploy" / "lib")]

from fixtures import *  # noqa: E402, F403
