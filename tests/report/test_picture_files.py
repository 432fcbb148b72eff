"""Pictures that forked processes draw are those that one process draws, also where one of them is ended."""

import sys
from pathlib import Path

import pytest

from tests import warm

CODE = """
import multiprocessing, os, sys, threading, torch
from pathlib import Path
from htmu_diag import Options, analyze
from htmu_diag.report import picture_files
picture_files._FEW = picture_files._AT_ONCE = 1
net = torch.nn.Sequential(*(torch.nn.Linear(20, 30 + i) for i in range(3)))
found = analyze(net, options=Options(tail_only=True))
said = []
def written(name, processes):
    folder = Path(sys.argv[1], name)
    paths = picture_files.write_pictures(found, folder, lambda *done: said.append(done), processes=processes)
    return [(path.name, path.read_bytes()) for path in paths]
alone, shared = written("alone", 1), written("shared", 2)
assert alone == shared and len(alone) == 3
assert said[:3] == [(1, "0.weight"), (2, "1.weight"), (3, "2.weight")]
assert [count for count, _ in said[3:]] == [1, 2, 3] and sorted(said[3:], key=lambda one: one[1])
others = [thread.name for thread in threading.enumerate() if thread.name == "QueueFeederThread"]
assert not multiprocessing.active_children() and not others, others
parent, png = os.getpid(), picture_files.Pictures.png
picture_files.Pictures.png = lambda *given: png(*given) if os.getpid() == parent else os._exit(9)
assert written("ended", 2) == alone
print("as alone")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")
def test_forked_processes_draw_what_one_draws(tmp_path: Path) -> None:
    done = warm.run("-c", CODE, str(tmp_path))
    assert done.stdout == "as alone\n", done.stderr
