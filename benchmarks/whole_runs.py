"""What watching costs whole trainings, fixed costs included: a GPT of 1.2 M parameters and a CNN of 0.4 M.

    python -m benchmarks.whole_runs --model gpt|cnn --steps 300 --threads 1 [--every 0 100 10]

Each run is a process of its own: wall and CPU seconds of the training loop and of all (children, beginning and end),
the longest stall (the longest step less the median one, and which step it was), and what `watch` and `close` take.
every = 0 is the training alone. The last column is the steady state: what one more snapshot adds to all CPU time, as a
share of the steps between two, from the difference of the two densest schedules, in which fixed costs cancel.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import statistics
import sys
import tempfile
import time

import torch
from torch import nn
from torch.nn import functional as F

import htmu_diag
from benchmarks.common import in_child, machine, table
from htmu_diag.training.models import CharTransformer

COLUMNS = ("every", "loop wall s", "loop CPU s", "all CPU s", "longest stall ms", "at step", "watch s", "close s")


def gpt() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """Six blocks of width 128 over 96 characters, 6 x 64 tokens a step."""
    tokens = torch.randint(96, (6, 65))
    return CharTransformer(96, context=64, embedding=128, heads=4, layers=6), tokens[:, :-1], tokens[:, 1:]


def cnn() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """Eight 3 x 3 convolutions with BatchNorm, CIFAR-10's shapes, 32 images a step."""
    layers: list[nn.Module] = []
    widths = (3, 16, 32, 32, 32, 64, 64, 128, 128)
    for place, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if place in (1, 4, 6) else []
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))
    return model, torch.randn(32, 3, 32, 32), torch.randint(10, (32,))


def child(name: str, steps: int, threads: int, every: int) -> dict[str, float]:
    """One training, watched or not."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model, inputs, targets = {"gpt": gpt, "cnn": cnn}[name]()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        outputs = model(inputs)
        F.cross_entropy(outputs.flatten(0, -2), targets.flatten()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    for _ in range(5):
        step()
    before_all = cpu()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        monitor = htmu_diag.watch(model, optimizer, log_dir=folder, every=every, verbose=False) if every else None
        found: dict[str, float] = {"watch s": time.perf_counter() - began}
        found |= loop(step, steps)
        began = time.perf_counter()
        if monitor:
            monitor.close()
        found["close s"] = time.perf_counter() - began
    return {**found, "every": every, "all CPU s": cpu() - before_all}


def loop(step: object, steps: int) -> dict[str, float]:
    """Wall and CPU seconds of so many steps, and the longest."""
    assert callable(step)
    taken, began, mine = [], time.perf_counter(), time.process_time()
    for _ in range(steps):
        start = time.perf_counter()
        step()
        taken.append(time.perf_counter() - start)
    wall, longest = time.perf_counter() - began, max(taken)
    stall = 1e3 * (longest - statistics.median(taken))
    found = {"loop wall s": wall, "loop CPU s": time.process_time() - mine, "longest stall ms": stall}
    return {**found, "at step": taken.index(longest) + 1}


def cpu() -> float:
    """CPU seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    """One table, a line a schedule."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=["gpt", "cnn"], default="gpt")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--every", type=int, nargs="+", default=[0, 100, 10])
    given = parser.parse_args()
    runs = [in_child("benchmarks.whole_runs", given.model, given.steps, given.threads, every) for every in given.every]
    print(f"{given.model}, {given.steps} steps, {given.threads} training threads; {machine()}")
    print(table(COLUMNS, [[run[column] for column in COLUMNS] for run in runs]))
    watched = sorted((run for run in runs if run["every"]), key=lambda run: run["every"])
    alone = next((run for run in runs if not run["every"]), None)
    if alone and len(watched) > 1:
        dense, sparse = watched[:2]
        more = given.steps // dense["every"] - given.steps // sparse["every"]
        price = (dense["all CPU s"] - sparse["all CPU s"]) / more
        step = alone["loop CPU s"] / given.steps
        shares = [f"every {run['every']}: {100 * price / step / run['every']:.2f} %" for run in watched]
        print(f"one more snapshot: {price:.3f} CPU s; in steady state {', '.join(shares)} of CPU")


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        print(json.dumps(child(sys.argv[2], *map(int, sys.argv[3:6]))))
    else:
        main()
