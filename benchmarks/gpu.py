"""What measuring costs on a GPU: eigenvalues by route and size, a GPT of 124 M in bfloat16, one snapshot of each probe.

    python -m benchmarks.gpu            # everything, about five minutes on an H100
    python -m benchmarks.gpu routes     # only the eigenvalues
    python -m benchmarks.gpu drivers    # only the routines for singular values
    python -m benchmarks.gpu overhead   # only the training with and without weights every 100 steps
    python -m benchmarks.gpu prices     # only one snapshot of each probe

Nothing is downloaded. Times are of the wall, with the device waited for; the smallest of the repeats for routes,
medians of paired blocks for the training.
"""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import htmu_diag
from benchmarks.common import record
from benchmarks.gpt import Training
from htmu_diag.errors import HTMUError
from htmu_diag.probes import StepContext, TrajectoryProbe, WeightsProbe, quiet, registry
from htmu_diag.solvers.gram import gram
from htmu_diag.training.models import CharTransformer

SIDES = (32, 64, 128, 256, 512, 768, 1024, 2048, 4096)
BATCH = 16  # matrices of one shape in a batched call
BLOCK, ROUNDS = 100, 3
WARM = 40  # steps before each block


def main() -> None:
    if not torch.cuda.is_available():
        sys.exit("this benchmark needs a CUDA device; the others run everywhere")
    parts = {"routes": routes, "drivers": drivers, "overhead": overhead, "prices": prices}
    for name in sys.argv[1:] or parts:
        parts[name]()


def seconds(call: Callable[[], object], repeats: int = 3) -> float:
    """Least of the repeats after a first call that is not counted."""
    found = []
    for _ in range(repeats + 1):
        torch.cuda.synchronize()
        began = time.perf_counter()
        call()
        torch.cuda.synchronize()
        found.append(time.perf_counter() - began)
    return min(found[1:])


def card() -> str:
    return f"{torch.cuda.get_device_name()}, torch {torch.__version__}."


def routes() -> None:
    """From W (n, 4n) to its eigenvalues, ms a matrix."""
    rows: list[list[object]] = []
    for side in SIDES:
        weight = torch.randn(side, 4 * side, device="cuda")
        product = gram(weight, torch.float64)
        stack = product.expand(BATCH, side, side).clone()
        calls: list[Callable[[], Any]] = [
            lambda: gram(weight, torch.float64),  # noqa: B023
            lambda: gram(weight, torch.float32),  # noqa: B023
            lambda: torch.linalg.eigvalsh(product),  # noqa: B023
            lambda: np.linalg.eigvalsh(product.cpu().numpy()),  # noqa: B023
        ]
        found: list[object] = [1e3 * seconds(call) for call in calls]
        found.insert(3, 1e3 * seconds(lambda: torch.linalg.eigvalsh(stack)) / BATCH if side <= 1024 else "")  # noqa: B023
        rows.append([side, *found])
        print(rows[-1], flush=True)
    columns = ["n", "Gram 64", "Gram 32", "eigvalsh", f"of {BATCH} at once", "on the host"]
    record("Eigenvalues on a GPU", columns, rows, f"{card()} ms a matrix of n x 4n.")


def drivers() -> None:
    """Singular values that fall over ten decades: what each routine takes, and how far off it is."""
    rows: list[list[object]] = []
    for side in (64, 256, 1024):
        known = torch.logspace(0, -10, side, dtype=torch.float64, device="cuda")
        left, right = (torch.linalg.qr(torch.randn(side, side, dtype=torch.float64, device="cuda")).Q for _ in range(2))
        matrix = left * known @ right
        for driver in ("gesvd", "gesvdj", "gesvda"):
            try:
                spent = 1e3 * seconds(lambda: torch.linalg.svdvals(matrix, driver=driver))  # noqa: B023
                off = float((torch.linalg.svdvals(matrix, driver=driver) - known).abs().max())
                rows.append([side, driver, spent, off])
            except RuntimeError:  # torch's LinAlgError
                rows.append([side, driver, "", "did not converge"])
    columns = ["n", "driver", "ms", "largest error over the largest value"]
    record("Singular values on a GPU", columns, rows, card())


def overhead() -> None:
    rows = []
    for row in (row for compiled in (True, False) for row in _overhead(compiled)):
        rows.append(row)
        print(row, flush=True)
    columns = ["training", "probes", "ms a step", "wall added, %", "range", "longest extra step, ms", "until shown, s"]
    columns += ["taking copies, ms"]
    note = f"{card()} GPT of 124 M, bfloat16, 16 x 1024 tokens a step, fused AdamW, TensorBoard."
    record("Overhead on a GPU", columns, rows, f"{note} One snapshot in {BLOCK} steps, {ROUNDS} rounds.")


def _overhead(compiled: bool) -> Iterator[list[object]]:
    training = Training(16, 1024, compiled)
    training.steps(20)
    switch = Switch()
    with _watching(training.model, training.optimizer, ["weights"], switch, strict=True) as monitor:
        for _ in range(2):  # what is made once is made now
            training.steps(1)
            monitor.snapshot()
        found = [_round(training, monitor, switch) for _ in range(ROUNDS)]
    added = sorted(100 * (with_ / plain - 1) for plain, with_, _, _ in found)
    step = 1e3 / BLOCK * statistics.median(plain for plain, *_ in found)
    extra, shown = (statistics.median(column) for column in list(zip(*found, strict=True))[2:])
    name = "compiled" if compiled else "eager"
    row = [name, "weights", step, statistics.median(added), f"{added[0]:.2f} to {added[-1]:.2f}", 1e3 * extra, shown]
    yield [*row, 1e3 * _copying(training.model)]
    observed = TrajectoryProbe()
    with _watching(training.model, training.optimizer, [observed], [10**9]):
        training.steps(5)
        seen = [training.steps(BLOCK // 2) for _ in range(2)]
    plain = [training.steps(BLOCK // 2) for _ in range(2)]
    yield [name, "trajectory", step, 100 * (min(seen) / min(plain) - 1), "", "", "", ""]


def _copying(model: nn.Module) -> float:
    """Seconds in which the host asks for copies of all matrices; the device is not waited for."""
    context, found = StepContext(0, model), []
    for _ in range(4):
        torch.cuda.synchronize()
        began = time.perf_counter()
        pending = list(WeightsProbe().capture(context))
        found.append(time.perf_counter() - began)
        del pending
    return min(found)


def _round(training: Training, monitor: htmu_diag.Monitor, switch: Switch) -> tuple[float, float, float, float]:
    """Seconds of a block without and with a snapshot, the extra seconds of its longest step, and until it is shown.

    Both blocks begin on a device that is warm: after a pause its clock is higher.
    """
    training.steps(WARM)
    plain, usual = training.steps(BLOCK), max(training.waits)
    training.steps(WARM)
    switch.due = monitor.steps_taken + BLOCK // 10
    began = time.perf_counter()
    with_, longest = training.steps(BLOCK), max(training.waits)
    monitor.flush()
    shown = time.perf_counter() - began
    return plain, with_, longest - usual, shown


@dataclasses.dataclass
class Switch:
    """A schedule of one step."""

    due: int = -1

    def __call__(self, step: int) -> bool:
        return step == self.due


@contextlib.contextmanager
def _watching(
    model: nn.Module, optimizer: torch.optim.Optimizer, probes: Sequence[Any], every: Any, **choices: Any
) -> Iterator[htmu_diag.Monitor]:
    with (
        tempfile.TemporaryDirectory() as folder,
        htmu_diag.watch(
            model, optimizer, log_dir=folder, probes=probes, every=every, run_info={}, **choices
        ) as monitor,
    ):
        yield monitor


def prices() -> None:
    """One snapshot of each probe on three models, s; of the host too where that is below a minute."""
    rows: list[list[object]] = []
    for name, model, batch in _models():
        for probe in sorted(set(registry) - {"trajectory", "fisher_layers", "ggn_layers", "hessian_layers"}):
            rows.append([name, probe, *(_price(model, batch, probe, device) for device in ("cuda", "cpu"))])
            print(rows[-1], flush=True)
    record("Price of a snapshot on a GPU", ["model", "probe", "device, s", "host, s"], rows, card())


def _models() -> Iterator[tuple[str, nn.Module, tuple[torch.Tensor, torch.Tensor]]]:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for inputs, outputs, stride in ((3, 32, 1), (32, 64, 2), (64, 128, 2), (128, 128, 1)):
        layers += [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    cnn = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))
    yield "CNN, 0.24 M", cnn, (torch.randn(256, 3, 32, 32), torch.randint(10, (256,)))
    tokens = torch.randint(96, (16, 129))
    gpt = CharTransformer(vocabulary=96, context=128, embedding=128, heads=4, layers=4)
    yield "transformer, 0.8 M", _ClassesSecond(gpt), (tokens[:, :-1], tokens[:, 1:])


class _ClassesSecond(nn.Module):
    """Logits (batch, characters, positions), as cross_entropy takes them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(tokens)
        return logits.mT


def _price(model: nn.Module, batch: Sequence[torch.Tensor], probe: str, device: str) -> object:
    if device == "cpu" and probe.split("_")[0] in ("hessian", "ggn", "fisher", "ntk", "gradient"):
        return ""
    moved = (batch[0].to(device), batch[1].to(device))
    context = StepContext(0, model.to(device), batch=moved, loss_fn=F.cross_entropy, seed=0)
    made = registry[probe]()

    def once() -> None:
        with quiet(*context.modules):
            for _ in made.measure(context):
                pass

    try:
        return seconds(once, repeats=1)
    except HTMUError as error:  # tokens have no derivative
        return str(error)[:60]


if __name__ == "__main__":
    main()
