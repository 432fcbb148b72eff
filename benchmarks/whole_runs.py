"""What watching costs whole trainings, fixed costs included: a GPT of 1.2 M parameters and a CNN of 0.4 M.

    python -m benchmarks.whole_runs                                    the whole table, once: 20 minutes
    python -m benchmarks.whole_runs --kept FILE --seconds 220          in pieces: call it until nothing is missing
    python -m benchmarks.whole_runs --rows "gpt 300" --rounds 3        some rows (a part of their names), three rounds
    python -m benchmarks.whole_runs --package CHECKOUT ...             of another checkout, by this script

Each run is a process of its own; the schedules of a row (none, every 100, every 10) run one behind the other, each
round in another order. FILE holds one line of JSON a run, so that what was measured is not measured again. Columns:

    ms a step      the median step
    wall, CPU s    of the training loop; CPU of this process, so with the monitor's threads
    all CPU s      with its children, `watch` and `close`
    stall ms       the longest step less the median one, and which step it was
    watch, close s what these two take (the first import included)

The lines below the table: what one more snapshot adds to all CPU time, from the difference of the two schedules, in
which fixed costs cancel, and as a share of the training's own CPU: the steady state. The training of 3,000 steps has a
quarter of the batch, so that a run of it takes less than four minutes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

import htmu_diag
from benchmarks.common import machine, table
from htmu_diag.training.models import CharTransformer

EVERY = (0, 100, 10)
ROWS = {  # model, steps, training threads, samples of a step
    "gpt 300, 1 thread": ("gpt", 300, 1, 6),
    "gpt 300, 2 threads": ("gpt", 300, 2, 6),
    "cnn 300, 1 thread": ("cnn", 300, 1, 32),
    "cnn 300, 2 threads": ("cnn", 300, 2, 32),
    "cnn 3000, 1 thread": ("cnn", 3000, 1, 8),
    "cnn 3000, 2 threads": ("cnn", 3000, 2, 8),
}
NUMBERS = ("ms a step", "wall s", "CPU s", "all CPU s", "stall ms", "at step", "watch s", "close s")
Data = tuple[nn.Module, torch.Tensor, torch.Tensor]
Run = dict[str, Any]


def gpt(samples: int = 6) -> Data:
    """Six blocks of width 128 over 96 characters, 64 tokens a sample."""
    tokens = torch.randint(96, (samples, 65))
    return CharTransformer(96, context=64, embedding=128, heads=4, layers=6), tokens[:, :-1], tokens[:, 1:]


def cnn(samples: int = 32) -> Data:
    """Eight 3 x 3 convolutions with BatchNorm, images of CIFAR-10's shape."""
    layers: list[nn.Module] = []
    widths = (3, 16, 32, 32, 32, 64, 64, 128, 128)
    for place, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if place in (1, 4, 6) else []
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))
    return model, torch.randn(samples, 3, 32, 32), torch.randint(10, (samples,))


def child(name: str, steps: int, threads: int, samples: int, every: int) -> Run:
    """One training, watched or not."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model, inputs, targets = {"gpt": gpt, "cnn": cnn}[name](samples)
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
        found: Run = {"watch s": time.perf_counter() - began}
        found |= loop(step, steps)
        began = time.perf_counter()
        if monitor:
            monitor.close()
        found["close s"] = time.perf_counter() - began
    return {**found, "all CPU s": cpu() - before_all}


def loop(step: Callable[[], None], steps: int) -> Run:
    """Wall and CPU seconds of so many steps, the median one and the longest."""
    taken, began, mine = [], time.perf_counter(), time.process_time()
    for _ in range(steps):
        start = time.perf_counter()
        step()
        taken.append(time.perf_counter() - start)
    wall, spent = time.perf_counter() - began, time.process_time() - mine
    usual, longest = statistics.median(taken), max(taken)
    found = {"wall s": wall, "CPU s": spent, "ms a step": 1e3 * usual, "stall ms": 1e3 * (longest - usual)}
    return {**found, "at step": taken.index(longest) + 1}


def cpu() -> float:
    """CPU seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def wanted(words: str, rounds: int) -> Iterator[tuple[str, int, int]]:
    """(row, round, every) in the order in which they run: a row's schedules in turn, then the next row."""
    for turn in range(rounds):
        for row in (name for name in ROWS if words in name):
            yield from ((row, turn, every) for every in EVERY[turn % 3 :] + EVERY[: turn % 3])


def measured(row: str, every: int, package: Path) -> Run:
    """One run in a process of its own: this script with that package."""
    environment = {**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{Path(__file__).parents[1]}"}
    command = [sys.executable, __file__, "child", *map(str, ROWS[row]), str(every)]
    done = subprocess.run(command, cwd=package, env=environment, check=True, capture_output=True, text=True)
    found: Run = json.loads(done.stdout.splitlines()[-1])
    return found


def known(kept: Path | None, package: Path) -> dict[tuple[str, int, int], Run]:
    """Runs of this package that were measured."""
    lines = kept.read_text().splitlines() if kept is not None and kept.exists() else []
    runs = [json.loads(line) for line in lines]
    return {(run["row"], run["round"], run["every"]): run for run in runs if run["package"] == str(package)}


def show(runs: list[Run]) -> None:
    """The medians of each row over its rounds, the largest stall, and what a snapshot adds."""
    lines, sentences = [], []
    for row in ROWS:
        of_row = {every: [run for run in runs if (run["row"], run["every"]) == (row, every)] for every in EVERY}
        lines += [[row, every or "alone", len(found), *_numbers(found)] for every, found in of_row.items() if found]
        if all(of_row.values()):
            sentences.append(f"{row}: {_steady(of_row, ROWS[row][1])}")
    print(f"htmu_diag {htmu_diag.__version__}; {machine()}")
    print(table(("training", "every", "rounds", *NUMBERS), lines))
    print("\n".join(sentences))


def _numbers(runs: list[Run]) -> list[object]:
    worst = max(runs, key=lambda run: float(run["stall ms"]))
    return [worst[name] if name in ("stall ms", "at step") else _median(runs, name) for name in NUMBERS]


def _median(runs: list[Run], name: str) -> float:
    return statistics.median(float(run[name]) for run in runs)


def _steady(runs: dict[int, list[Run]], steps: int) -> str:
    alone, sparse, dense = (_median(runs[every], "all CPU s") for every in EVERY)
    price = (dense - sparse) / (steps // EVERY[2] - steps // EVERY[1])
    shares = [f"every {every}: {100 * price * steps / alone / every:.2f} % of CPU" for every in EVERY[1:]]
    wall = [f"{100 * (_median(runs[e], 'wall s') / _median(runs[0], 'wall s') - 1):+.1f} %" for e in EVERY[1:]]
    return f"one more snapshot {price:.3f} CPU s, in steady state {', '.join(shares)}; wall {' and '.join(wall)}"


def main() -> None:
    """Runs what is missing, as far as the time goes, then one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="", help="only rows whose name holds this")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--kept", type=Path, help="a file that keeps what was measured")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no run that would end later")
    parser.add_argument("--package", type=Path, default=Path(__file__).parents[1], help="a checkout of the package")
    given = parser.parse_args()
    package = given.package.resolve()
    began, taken, found = time.monotonic(), 0.0, known(given.kept, package)
    for key in wanted(given.rows, given.rounds):
        if key in found or time.monotonic() - began + taken > given.seconds:
            continue
        start = time.monotonic()
        run = {"package": str(package), "row": key[0], "round": key[1], "every": key[2]}
        found[key] = {**run, **measured(key[0], key[2], package)}
        taken = time.monotonic() - start  # as long as the next one may take
        if given.kept is not None:
            with open(given.kept, "a") as file:
                file.write(json.dumps(found[key]) + "\n")
    show(list(found.values()))
    missing = sum(key not in found for key in wanted(given.rows, given.rounds))
    print(f"{missing} runs are missing: call it again" if missing else "nothing is missing")


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        print(json.dumps(child(sys.argv[2], *map(int, sys.argv[3:7]))))
    else:
        main()
