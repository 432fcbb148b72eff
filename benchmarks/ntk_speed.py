"""The neural tangent kernel beside the plain torch.func recipe, in one run, one thread, each in a fresh process.

    OMP_NUM_THREADS=1 python -m benchmarks.ntk_speed   # the tables of RESULTS.md, about 15 minutes
    OMP_NUM_THREADS=1 python -m benchmarks.ntk_speed one cnn 200 trace layers   # one row, as JSON

Recipes: "dense" is vmap(jacrev) over the batch, then J J^T; "by output" is vmap(grad) for one output at a time, with
J_c J_c^T summed (it holds n x P numbers); "layers" is empirical_ntk; "sketch" the same with 3 of 10 output directions;
"product" one kernel-vector product; "exact", "top_k" (k = 5) and "slq" the routes of full_ntk_spectrum.
Memory is what the call adds to the process's largest resident set, after one call on two samples has loaded everything.
Calls of less than a second are repeated five times; the median counts.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, vmap

from benchmarks.common import peak_rss_mb, record
from htmu_diag.operators.ntk import Outputs, empirical_ntk, ntk_operator
from htmu_diag.solvers import full_ntk_spectrum, ntk_cost

REPEATS = 5
COLUMNS = ("model", "samples", "kernel", "recipe", "CPU s", "extra MB", "relative difference")


def block(inside: int, outside: int, pool: bool = False) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Conv2d(inside, outside, 3, padding=1, bias=False), nn.BatchNorm2d(outside), nn.ReLU()]
    return [*layers, nn.MaxPool2d(2)] if pool else layers


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*block(width, width), *block(width, width))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


def cnn(width: int = 16) -> nn.Module:
    """A ResNet9 of width 16 (412,954 parameters) on 32 x 32 images, in eval mode."""
    w = width
    stem = [*block(3, w), *block(w, 2 * w, True), Residual(2 * w), *block(2 * w, 4 * w, True)]
    body = [*block(4 * w, 8 * w, True), Residual(8 * w), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(8 * w, 10)]
    return nn.Sequential(*stem, *body).eval()


def mlp(width: int = 512) -> nn.Module:
    """784-512-512-10: 669,706 parameters."""
    layers = [nn.Linear(784, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)]
    return nn.Sequential(*layers)


def problem(name: str, n: int) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    kind, _, width = name.partition("-")
    make, shape, default = (cnn, (3, 32, 32), 16) if kind == "cnn" else (mlp, (784,), 512)
    return make(int(width or default)), torch.randn(n, *shape)


def dense(model: nn.Module, inputs: Tensor, kernel: str) -> Tensor:
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    jacobian = vmap(jacrev(lambda p, x: functional_call(model, p, (x[None],))[0]), (None, 0))(parameters, inputs)
    rows = torch.cat([part.flatten(2) for part in jacobian.values()], 2)
    if kernel == "full":
        return rows.flatten(0, 1) @ rows.flatten(0, 1).T
    return sum((rows[:, c] @ rows[:, c].T for c in range(rows.shape[1])), torch.zeros(()))


def by_output(model: nn.Module, inputs: Tensor, kernel: str) -> Tensor:
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    total = torch.zeros(len(inputs), len(inputs))
    for c in range(10):
        one = grad(lambda p, x, c=c: functional_call(model, p, (x[None],))[0, c])
        parts = vmap(one, (None, 0), chunk_size=50)(parameters, inputs)
        rows = torch.cat([part.flatten(1) for part in parts.values()], 1)
        total += rows @ rows.T
    return total


def measure(name: str, n: int, kernel: str, recipe: str) -> dict[str, float]:
    """CPU seconds, extra megabytes and (for n <= 200, and sketches) the relative difference from the exact kernel."""
    model, inputs = problem(name, n)
    outputs: Outputs = "full" if kernel == "full" else "trace"
    run: Callable[[Tensor], Tensor] = {
        "dense": lambda x: dense(model, x, kernel),
        "by output": lambda x: by_output(model, x, kernel),
        "layers": lambda x: empirical_ntk(model, x, outputs=outputs).matrix,
        "sketch": lambda x: empirical_ntk(model, x, outputs=outputs, sketch=3).matrix,
        "layers, 200 MB": lambda x: empirical_ntk(model, x, outputs=outputs, memory=200_000_000).matrix,
        "layers, 400 MB": lambda x: empirical_ntk(model, x, outputs=outputs, memory=400_000_000).matrix,
        "product": lambda x: ntk_operator(model, x) @ torch.ones(10 * len(x)),
        "exact": lambda x: torch.tensor(full_ntk_spectrum(model, x, method="exact").values[-5:]),
        "top_k": lambda x: torch.tensor(full_ntk_spectrum(model, x, k=5, method="top_k").values),
        "slq": lambda x: torch.tensor(full_ntk_spectrum(model, x, method="slq").values),
    }[recipe]
    run(inputs[:2])
    before = peak_rss_mb()
    found, first = timed(run, inputs)
    extra = peak_rss_mb() - before
    seconds = [first] + [timed(run, inputs)[1] for _ in range(REPEATS - 1 if first < 1 else 0)]
    difference = math.nan
    if n <= 200 and recipe in ("dense", "by output", "sketch"):
        exact = empirical_ntk(model, inputs, outputs=outputs).matrix
        difference = float((found - exact).norm() / exact.norm())
    return {"seconds": statistics.median(seconds), "mb": extra, "difference": difference}


def timed(run: Callable[[Tensor], Tensor], inputs: Tensor) -> tuple[Tensor, float]:
    """What a recipe returns, and its CPU seconds."""
    start = time.process_time()
    found = run(inputs)
    return found, time.process_time() - start


def row(name: str, n: int, kernel: str, recipe: str) -> tuple[object, ...]:
    """One measurement in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.ntk_speed", "one", name, str(n), kernel, recipe]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    print(command[4:], found, flush=True)
    return (name, n, kernel, recipe, found["seconds"], found["mb"], found["difference"])


def recorded(section: str, columns: Sequence[str], rows: Iterable[tuple[object, ...]], note: str) -> None:
    """The table so far after every row, so that an interrupted run leaves what it measured."""
    found: list[tuple[object, ...]] = []
    for each in rows:
        found.append(each[: len(columns)])
        record(section, columns, found, note)


def main() -> None:
    cases = [
        *((("mlp", 200, "trace", recipe)) for recipe in ("layers", "dense", "by output")),
        *((("cnn", 200, "trace", recipe)) for recipe in ("layers", "sketch", "by output", "dense")),
        *((("cnn", 200, "full", recipe)) for recipe in ("layers", "dense")),
        *((("mlp", 200, "full", recipe)) for recipe in ("layers", "dense")),
        *((("cnn", 1000, "trace", recipe)) for recipe in ("layers", "sketch", "by output")),
    ]
    note = "CPU seconds, one thread; dense and by output are plain torch.func. Difference: from layers."
    recorded("Neural tangent kernel: layers beside torch.func", COLUMNS, (row(*case) for case in cases), note)
    cases = [("cnn", n, "trace", "layers") for n in (125, 250, 500)]
    cases += [(name, 200, "trace", "layers") for name in ("cnn-8", "cnn-32", "mlp-1024", "mlp-2048")]
    cases += [("cnn", 300, "trace", "layers, 200 MB"), ("cnn", 200, "full", "layers, 400 MB")]
    note = "What is held is at most the Jacobian of one output, and at most half the limit (2 GB unless said)."
    recorded("Neural tangent kernel: growth", COLUMNS[:-1], (row(*case) for case in cases), note)
    columns = (*COLUMNS[:-1], "multiply-adds counted")
    note = "Counted by the cost model; auto takes the route with the smaller count. product: with its set-up."
    recorded("Neural tangent kernel: spectra", columns, routes(), note)


def routes() -> Iterator[tuple[object, ...]]:
    """Both routes to a spectrum of the full kernel: what they take, and what the cost model counts."""
    for name, recipe in (("mlp", "exact"), ("mlp", "top_k"), ("mlp", "slq"), ("cnn", "exact"), ("cnn", "top_k")):
        cost = ntk_cost(*problem(name, 200), k=None if recipe == "slq" else 5)
        yield (*row(name, 200, "full", recipe)[:-1], cost.exact if recipe == "exact" else cost.products)
    for name in ("mlp", "cnn"):
        cost = ntk_cost(*problem(name, 200), k=5)
        yield (*row(name, 200, "full", "product")[:-1], cost.products / cost.count)


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        print(json.dumps(measure(sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5])))
    else:
        main()
