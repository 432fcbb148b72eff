"""Where the system is not POSIX: a stand-in hides what Windows has not, and a run is recorded and kept all the same."""

from __future__ import annotations

from pathlib import Path

from htmu_diag import load_run
from tests import warm

HIDDEN = """
import os, signal, sys
import torch  # reads the system on its own account

for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "fcntl" else found(name, *rest)
for name in ("nice", "register_at_fork", "pread", "pwrite", "sched_getaffinity", "O_NOFOLLOW",
             "O_CLOEXEC", "mkfifo", "killpg", "getloadavg", "statvfs"):
    delattr(os, name)
for name in ("SIGPIPE", "SIGHUP", "SIGALRM", "SIGUSR1", "setitimer", "pthread_sigmask"):
    delattr(signal, name)
"""
TRAIN = """
import htmu_diag
from htmu_diag.errors import StorageError

torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(30, 40), torch.nn.ReLU(), torch.nn.Linear(40, 30))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
monitor = htmu_diag.watch(model, optimizer, log_dir=sys.argv[1], every=2)
for _ in range(4):
    model(torch.randn(8, 30)).square().mean().backward()
    optimizer.step()
try:
    htmu_diag.watch(model, optimizer, log_dir=sys.argv[1], start_step=4)
except StorageError as error:
    print("refused:", error)
monitor.close()
"""


def test_a_run_is_recorded_and_locked_without_what_windows_lacks(tmp_path: Path) -> None:
    done = warm.run("-c", HIDDEN + TRAIN, str(tmp_path), imported=warm.TORCH)
    assert done.returncode == 0, done.stderr
    assert "refused:" in done.stdout
    assert "is being written by another monitor or store of this same process" in done.stdout
    run = load_run(tmp_path)
    assert run.steps == (0, 2, 4)
    assert (tmp_path / ".lock.db").exists()
