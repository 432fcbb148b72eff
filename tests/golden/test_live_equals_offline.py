"""Every curve that was written live comes out of the stored spectra again, to the last bit."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import htmu_diag
from htmu_diag.analysis import Options
from htmu_diag.sinks import JSONLSink, TensorBoardSink

OFFLINE = """
import json, sys
from htmu_diag import load_run
run = load_run(sys.argv[1])
print(json.dumps({step: run.diagnose(step).metrics() for step in run.steps}))
assert "torch" not in sys.modules
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 6 steps of a small network, watched at every second one."""
    folder = tmp_path_factory.mktemp("golden")
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(32, 48), torch.nn.ReLU(), torch.nn.Linear(48, 24))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    x, y = torch.randn(64, 32), torch.randn(64, 24)
    sinks = [TensorBoardSink(folder, scalars="all"), JSONLSink(folder / "live.jsonl")]
    options = Options(bootstrap=20, seed=5)
    with htmu_diag.watch(model, optimizer, log_dir=folder, every=2, sinks=sinks, options=options):
        for _ in range(6):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
    return folder


def live(folder: Path) -> dict[int, dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "live.jsonl").read_text().splitlines()]
    return {line["step"]: line["metrics"] for line in lines}


def test_the_live_numbers_are_those_of_the_stored_spectra(trained: Path) -> None:
    run = htmu_diag.load_run(trained)
    offline = {step: run.diagnose(step).metrics() for step in run.steps}
    assert list(offline) == [0, 2, 4, 6]
    assert offline == live(trained)
    assert "weights_p/0.weight" in offline[6]


def test_the_stored_numbers_are_the_live_ones_and_nothing_is_fitted(trained: Path) -> None:
    run = htmu_diag.load_run(trained)
    assert run.undiagnosed() == ()
    assert {record.step: record.metrics() for record in run.records(fit=False)} == live(trained)


def test_another_process_without_torch_finds_the_same_numbers(trained: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(trained)], cwd=Path(__file__).parents[2], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert {int(step): metrics for step, metrics in json.loads(done.stdout).items()} == live(trained)


def test_tensorboard_shows_the_same_numbers_in_single_precision(trained: Path) -> None:
    events = EventAccumulator(str(trained)).Reload()
    numbers = live(trained)
    shown = {tag for metrics in numbers.values() for tag in metrics}
    assert shown == set(events.Tags()["scalars"])
    for tag in shown:
        expected = [(step, float(np.float32(m[tag]))) for step, m in numbers.items() if tag in m]
        assert [(e.step, e.value) for e in events.Scalars(tag)] == expected


class Adapted(torch.nn.Module):
    """A linear layer with a low-rank change, named as peft does, in half and in single precision."""

    def __init__(self) -> None:
        super().__init__()
        self.base = torch.nn.Linear(40, 96)
        self.lora_A = torch.nn.ModuleDict({"default": torch.nn.Linear(40, 12, bias=False)})
        self.lora_B = torch.nn.ModuleDict({"default": torch.nn.Linear(12, 96, bias=False)})
        self.narrow = torch.nn.Linear(96, 40).bfloat16()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        whole = self.base(x) + self.lora_B["default"](self.lora_A["default"](x))
        return self.narrow(whole.bfloat16()).float()


def test_a_low_rank_product_has_the_same_bits_live_and_offline(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, options = Adapted(), Options(bootstrap=0)
    with htmu_diag.watch(model, log_dir=tmp_path / "run", every=[7], sinks=[], start_step=7, options=options):
        torch.save(model.state_dict(), tmp_path / "step_7.pt")
    live_step = htmu_diag.load_run(tmp_path / "run").diagnose(7)
    offline = htmu_diag.analyze(tmp_path / "step_7.pt", options=options)
    (product,) = (d for d in live_step.diagnoses if "lora_delta" in d.source.name)
    assert product.spectrum.estimator.routine.startswith("qr_svdvals")
    assert {d.source.name: d.spectrum.values.tobytes() for d in live_step.diagnoses} == {
        d.source.name: d.spectrum.values.tobytes() for d in offline.diagnoses
    }
    assert [d.row() for d in live_step.diagnoses] == [d.row() for d in offline.diagnoses]
