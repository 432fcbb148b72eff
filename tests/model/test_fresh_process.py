"""In a process that has imported torch alone, watching moves no random stream: what is imported late draws too."""

import json
from pathlib import Path

import pytest

from tests import warm

TRAINING = """
import hashlib, json, random, sys
import numpy as np, torch
random.seed(1); np.random.seed(2); torch.manual_seed(3)
x = torch.randn(64, 12); y = torch.randint(0, 4, (64,))
model = torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.ReLU(), torch.nn.Dropout(0.3), torch.nn.Linear(16, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loss = torch.nn.CrossEntropyLoss()
monitor = None
if sys.argv[1] != "alone":
    exec(sys.argv[2])
    monitor = watch(model, optimizer, log_dir=sys.argv[1], every=3, batch=(x[:16], y[:16]), loss_fn=loss,
                    probes=["weights", "hessian", "ntk", "trajectory", "gradient_noise", "conjugate_kernel"])
for step in range(6):
    rows = random.sample(range(64), 8)
    noise = torch.tensor(np.random.randn(8, 12), dtype=torch.float32)
    optimizer.zero_grad(); loss(model(x[rows] + 0.1 * noise), y[rows]).backward(); optimizer.step()
    if monitor and step == 3:
        monitor.flush()
if monitor:
    monitor.close()
weights = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest()
streams = [random.random(), float(np.random.rand()), float(torch.rand(()))]
print(json.dumps([weights, streams]))
"""
ENTRIES = {
    "htmu_diag": "import htmu_diag; watch = htmu_diag.watch",
    "room": "from htmu_diag.monitor import watch",
    "report first": "import htmu_diag.report; from htmu_diag.monitor import watch",
}


def outcome(folder: str, entry: str = "") -> list[object]:
    done = warm.run("-c", TRAINING, folder, entry, imported=warm.TORCH)
    assert done.returncode == 0, done.stderr
    found: list[object] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def unwatched() -> list[object]:
    return outcome("alone")


@pytest.mark.parametrize("entry", ["htmu_diag", "room", "report first"])
def test_watching_in_a_fresh_process_leaves_every_stream_where_it_was(
    entry: str, unwatched: list[object], tmp_path: Path
) -> None:
    assert outcome(str(tmp_path / "run"), ENTRIES[entry]) == unwatched


def test_one_draw_is_another_training(unwatched: list[object]) -> None:
    assert outcome("anywhere", "watch = lambda *a, **k: random.random() and None") != unwatched


IMPORTING = """
import importlib, random, numpy, torch
state = random.getstate()
for room in ("sinks", "report", "offline", "training", "integrations.transformers"):
    importlib.import_module("htmu_diag." + room)
    assert random.getstate() == state, room
"""


def test_importing_a_room_moves_no_stream() -> None:
    """What a later room shares with an earlier one has been seen with that one."""
    done = warm.run("-c", IMPORTING, imported=warm.TORCH)
    assert done.returncode == 0, done.stderr
