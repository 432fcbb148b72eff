"""What watching costs a training on two cores: a 10-layer CNN and a small transformer.

    OMP_WAIT_POLICY=passive python -m benchmarks.overhead            # both tables, half an hour
    OMP_WAIT_POLICY=passive python -m benchmarks.overhead weights    # only what weights every 100 steps add
    OMP_WAIT_POLICY=passive python -m benchmarks.overhead prices     # only the price of a snapshot of each probe

Blocks of 25 steps of one training are timed by turns: nothing measured, or all weight matrices once, shown in
TensorBoard or only stored. A block ends when that is done. Reported is the median over the rounds of what a block with
a snapshot takes longer, as a share of 100 steps without: of wall time, and of CPU time, with that of the process which
diagnoses. The passive wait policy keeps idle OpenMP threads from spinning, which would count as CPU time. The second
table is the price of one snapshot of each probe: what the training waits for it, and CPU time in all.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from torch import nn
from torch.nn import functional as F

import htmu_diag
from benchmarks.common import record
from htmu_diag.errors import MeasurementError
from htmu_diag.probes import registry
from htmu_diag.recording.prices import AFTER
from htmu_diag.training.models import CharTransformer

EVERY, BLOCK, ROUNDS, THREADS = 100, 25, 8, 2
DEAR = 20.0  # seconds: one such snapshot is enough
WIDTHS = (32, 32, 64, 64, 128, 128, 128, 256, 256)


@dataclass
class Training:
    """A model, its optimizer and one batch of random data, used at every step."""

    name: str
    model: nn.Module
    batch: tuple[torch.Tensor, torch.Tensor]
    loss_fn: Callable[[Any, Any], torch.Tensor]

    def __post_init__(self) -> None:
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4)

    def backward(self) -> None:
        self.optimizer.zero_grad()
        self.loss_fn(self.model(self.batch[0]), self.batch[1]).backward()  # type: ignore[no-untyped-call]

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.backward()
            self.optimizer.step()

    def size(self) -> str:
        return f"{self.name}, {sum(parameter.numel() for parameter in self.model.parameters()) / 1e6:.2f} M"


@dataclass(frozen=True)
class Cost:
    """Seconds of the clock, and of all threads of this process."""

    wall: float
    cpu: float

    def since(self, began: Cost) -> Cost:
        return Cost(self.wall - began.wall, self.cpu - began.cpu)

    def over(self, other: Cost) -> tuple[float, float]:
        """Added to the other one, in per cent of as many steps as there are between two snapshots."""
        share = 100 * BLOCK / EVERY
        return share * (self.wall / other.wall - 1), share * (self.cpu / other.cpu - 1)


def main() -> None:
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    trainings = [cnn(), transformer()]
    for training in trainings:
        training.steps(3)
    if sys.argv[1:] != ["prices"]:
        weights_table(trainings)
    if sys.argv[1:] != ["weights"]:
        prices_table(trainings)


def cnn() -> Training:
    """Nine 3 x 3 convolutions with BatchNorm and ReLU, and one linear layer; CIFAR-10's shapes."""
    layers: list[nn.Module] = []
    for place, (inputs, outputs) in enumerate(zip((3, *WIDTHS), WIDTHS, strict=False)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        layers += [nn.MaxPool2d(2)] if place in (1, 3, 6) else []
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(WIDTHS[-1], 10))
    return Training("CNN", model, (torch.randn(32, 3, 32, 32), torch.randint(10, (32,))), F.cross_entropy)


def transformer() -> Training:
    """Four blocks of width 128 over 128 characters."""
    tokens = torch.randint(96, (16, 129))
    model = ClassesSecond(vocabulary=96, context=128, embedding=128, heads=4, layers=4)
    return Training("transformer", model, (tokens[:, :-1], tokens[:, 1:]), F.cross_entropy)


class ClassesSecond(CharTransformer):
    """Logits (batch, characters, positions), as cross_entropy takes them: so the Fisher matrix knows its likelihood."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = super().forward(tokens)
        return logits.mT


def weights_table(trainings: Sequence[Training]) -> None:
    rows: list[list[object]] = []
    for training in trainings:
        shown, stored = Switch(), Switch()
        with (
            _watching(training, ["weights"], shown) as first,
            _watching(training, ["weights"], stored, sinks=()) as second,
        ):
            for _ in range(4):  # whatever is made once is made now
                training.steps(1)
                first.snapshot()
                second.snapshot()
            rounds = [
                (_block(training), _block(training, first, shown), _block(training, second, stored))
                for _ in range(ROUNDS)
            ]
        step = 1e3 / BLOCK * statistics.median(plain.wall for plain, _, _ in rounds)
        for place, sinks in ((1, "TensorBoard"), (2, "store only")):
            added = [costs[place].over(costs[0]) for costs in rounds]
            wall, cpu = sorted(wall for wall, _ in added), statistics.median(cpu for _, cpu in added)
            ends = f"{wall[0]:.1f} to {wall[-1]:.1f}"
            rows.append([training.size(), sinks, step, statistics.median(wall), ends, cpu])
    columns = ["training", "sinks", "ms a step", "wall added, %", "range", "CPU added, %"]
    record("Overhead of watching", columns, rows, f"Weights every {EVERY} steps, {ROUNDS} rounds, {THREADS} threads.")


@dataclass
class Switch:
    """A schedule that is due at one step of a block, where it is on."""

    on: bool = False

    def __call__(self, step: int) -> bool:
        return self.on and step % BLOCK == 0


def _block(training: Training, monitor: htmu_diag.Monitor | None = None, switch: Switch | None = None) -> Cost:
    def steps() -> None:
        training.steps(BLOCK)
        if monitor:
            monitor.flush()

    (switch or Switch()).on = True
    cost = _cost(steps)
    (switch or Switch()).on = False
    return cost


def prices_table(trainings: Sequence[Training]) -> None:
    torch.set_num_threads(1)  # CPU seconds of work, not of threads that wait for each other
    rows: list[list[object]] = []
    for training in trainings:
        step = min(_cost(lambda: training.steps(10)).cpu for _ in range(3)) / 10  # noqa: B023
        for probe in registry:
            try:
                waits, cpu = _price(training, probe)
            except MeasurementError as error:  # tokens have no derivative
                print(f"{training.name}, {probe}: {error}")
                continue
            rows.append([training.size(), probe, waits, cpu, cpu / step])
        seen = _observed_step(training)
        rows.append([training.size(), "trajectory, every step", "", max(seen - step, 0.0), max(seen / step - 1, 0.0)])
    columns = ["training", "probe", "training waits, s", "CPU, s", "CPU in training steps"]
    record("Price of a snapshot", columns, rows, "Default options, the training's batch, one thread.")


def _price(training: Training, probe: str) -> tuple[float, float]:
    """Means of two snapshots after the first one, of one where it is dear: seconds the training waits, CPU seconds with
    the worker's."""
    found = []
    with _watching(training, [probe], every=1, strict=True) as monitor:
        training.steps(AFTER + 1)  # a dear first run is put off so long
        for _ in range(2):
            training.backward()
            monitor.flush()
            began = _now()
            training.optimizer.step()
            waits = _now().since(began).wall
            monitor.flush()
            found.append((waits, _now().since(began).cpu))
            if found[-1][1] > DEAR:
                break
        if monitor.last is None:
            raise RuntimeError(f"{training.name}, {probe}: nothing was measured")
    return statistics.mean(waits for waits, _ in found), statistics.mean(cpu for _, cpu in found)


def _observed_step(training: Training) -> float:
    with _watching(training, ["trajectory"], every=[10**9]):
        training.steps(1)
        return min(_cost(lambda: training.steps(10)).cpu for _ in range(3)) / 10


@contextlib.contextmanager
def _watching(training: Training, probes: Sequence[str], every: Any, **choices: Any) -> Iterator[htmu_diag.Monitor]:
    given = {"batch": training.batch, "loss_fn": training.loss_fn, "run_info": {}, **choices}
    with (
        tempfile.TemporaryDirectory() as folder,
        htmu_diag.watch(
            training.model, training.optimizer, log_dir=folder, probes=probes, every=every, **given
        ) as monitor,
    ):
        yield monitor


def _now() -> Cost:
    """CPU time with that of the process that diagnoses."""
    children = (child.cpu_times() for child in psutil.Process().children())
    return Cost(time.perf_counter(), time.process_time() + sum(spent.user + spent.system for spent in children))


def _cost(call: Callable[[], object]) -> Cost:
    began = _now()
    call()
    return _now().since(began)


if __name__ == "__main__":
    main()
