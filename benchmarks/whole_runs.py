"""What watching costs whole trainings, fixed costs included: a GPT of 1.2 M parameters and a CNN of 0.4 M.

    python -m benchmarks.whole_runs                                    both tables, once, to RESULTS.md: 25 minutes
    python -m benchmarks.whole_runs --kept FILE --seconds 220          in pieces: call it until nothing is missing
    python -m benchmarks.whole_runs --rows "gpt 300" --rounds 3        some rows (a part of their names), three rounds
    python -m benchmarks.whole_runs --package CHECKOUT ...             of another checkout, by this script

Each run is a process of its own; the schedules of a row (none, every 100, every 10) run one behind the other, each
round in another order. FILE holds one line of JSON a run, so that what was measured is not measured again. Columns:

    ms a step      the median step; faults: pages of new memory that it asked for, of the training's own mostly
    wall, CPU s    of the training loop; CPU of this process, so with the monitor's threads
    ours, CPU s    of that, and of its processes, what the monitor took during the loop, by the scheduler's account
    all CPU s      with its children, `watch` and `close`
    stall ms       the longest step less the median one, and which step it was
    blocked ms     the longest time in a step that the training's thread neither ran nor waited for a core
    watch, close s what these two take (the first import included)

What settles what a snapshot costs is "ours": it does not hold the training's own steps, which vary by a tenth from run
to run; "all CPU", "wall" and "stall" hold these and whatever else runs on the machine, "blocked" neither. A part of the
variation is memory that the C library gives back and asks for again (3,000 pages a step of the CNN, or 6,000): here it
keeps it (MALLOC_*), unless --usual-memory is given. Left out of "ours": what the caches of a core lose to it.

The second table: what one more snapshot adds. First "ours", of the second half of a run, in which nothing starts any
more, until all is diagnosed: by hooks on the training's thread, other threads, processes; as a share of the training's
CPU. Then the older reckoning, from the difference of all CPU time between two schedules. The trainings of 3,000 steps
have a third or a quarter of the batch, so that a run of one takes a minute or two. Both tables go to RESULTS.md when
all rows are there; a part of them, or those of another checkout, are printed.
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
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

import htmu_diag
from benchmarks.shares import Ours, Step, timed
from benchmarks.whole_runs_table import EVERY, PARTS, Run, show
from htmu_diag.training.models import CharTransformer

ROWS = {  # model, steps, training threads, samples of a step
    "gpt 300, 1 thread": ("gpt", 300, 1, 6),
    "gpt 300, 2 threads": ("gpt", 300, 2, 6),
    "gpt 3000, 1 thread": ("gpt", 3000, 1, 2),
    "gpt 3000, 2 threads": ("gpt", 3000, 2, 2),
    "cnn 300, 1 thread": ("cnn", 300, 1, 32),
    "cnn 300, 2 threads": ("cnn", 300, 2, 32),
    "cnn 3000, 1 thread": ("cnn", 3000, 1, 8),
    "cnn 3000, 2 threads": ("cnn", 3000, 2, 8),
}
KEEPS_MEMORY = dict.fromkeys(("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"), str(2**31 - 1))
Data = tuple[nn.Module, torch.Tensor, torch.Tensor]


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
        ours, began = Ours(), time.perf_counter()
        monitor = htmu_diag.watch(model, optimizer, log_dir=folder, every=every, verbose=False) if every else None
        found: Run = {"watch s": time.perf_counter() - began}
        ours.watched()
        at, taken, found["CPU s"] = [ours.parts()], [], 0.0
        for half in (steps // 2, steps - steps // 2):
            began = time.process_time()
            taken += [timed(step) for _ in range(half)]
            found["CPU s"] += time.process_time() - began
            at.append(ours.parts())
            if monitor:
                monitor.flush()
                at.append(ours.parts())
        began = time.perf_counter()
        if monitor:
            monitor.close()
        found["close s"] = time.perf_counter() - began
    if monitor:
        found |= {f"{name} s": end - start for name, end, start in zip(PARTS, at[-1], at[2], strict=True)}
    found["ours s"] = sum(at[-2 if monitor else -1]) - sum(at[0])
    return {**found, **summary(taken), "all CPU s": cpu() - before_all}


def summary(taken: list[Step]) -> Run:
    """Of all steps: the wall time, the median step, the longest, and the longest time in one that it was blocked."""
    walls = [step.wall for step in taken]
    usual, longest = statistics.median(walls), max(walls)
    return {
        "wall s": sum(walls),
        "ms a step": 1e3 * usual,
        "faults": statistics.median(step.faults for step in taken),
        "stall ms": 1e3 * (longest - usual),
        "at step": walls.index(longest) + 1,
        "blocked ms": 1e3 * max(step.blocked for step in taken),
    }


def cpu() -> float:
    """CPU seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def wanted(words: str, rounds: int) -> Iterator[tuple[str, int, int]]:
    """(row, round, every) in the order in which they run: a row's schedules in turn, then the next row."""
    for turn in range(rounds):
        for row in (name for name in ROWS if words in name):
            yield from ((row, turn, every) for every in EVERY[turn % 3 :] + EVERY[: turn % 3])


def measured(row: str, every: int, package: Path, usual_memory: bool) -> Run:
    """One run in a process of its own: this script with that package."""
    environment = {**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{Path(__file__).parents[1]}"}
    environment |= {} if usual_memory else KEEPS_MEMORY
    command = [sys.executable, __file__, "child", *map(str, ROWS[row]), str(every)]
    done = subprocess.run(command, cwd=package, env=environment, check=True, capture_output=True, text=True)
    found: Run = json.loads(done.stdout.splitlines()[-1])
    return found


def known(kept: Path | None, package: Path) -> dict[tuple[str, int, int], Run]:
    """Runs of this package that were measured."""
    lines = kept.read_text().splitlines() if kept is not None and kept.exists() else []
    runs = [json.loads(line) for line in lines]
    return {(run["row"], run["round"], run["every"]): run for run in runs if run["package"] == str(package)}


def main() -> None:
    """Runs what is missing, as far as the time goes, then two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="", help="only rows whose name holds this")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--kept", type=Path, help="a file that keeps what was measured")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no run that would end later")
    parser.add_argument("--package", type=Path, default=Path(__file__).parents[1], help="a checkout of the package")
    parser.add_argument("--usual-memory", action="store_true", help="the C library gives memory back, as for a user")
    given = parser.parse_args()
    package = given.package.resolve()
    began, taken, found = time.monotonic(), 0.0, known(given.kept, package)
    for key in wanted(given.rows, given.rounds):
        if key in found or time.monotonic() - began + taken > given.seconds:
            continue
        start = time.monotonic()
        run = {"package": str(package), "row": key[0], "round": key[1], "every": key[2]}
        found[key] = {**run, **measured(key[0], key[2], package, given.usual_memory)}
        taken = time.monotonic() - start  # as long as the next one may take
        if given.kept is not None:
            with open(given.kept, "a") as file:
                file.write(json.dumps(found[key]) + "\n")
    missing = sum(key not in found for key in wanted(given.rows, given.rounds))
    partial = bool(missing or given.rows or given.usual_memory or package != Path(__file__).parents[1].resolve())
    show(list(found.values()), {row: what[1] for row, what in ROWS.items()}, write=not partial)
    print(f"{missing} runs are missing: call it again" if missing else "nothing is missing")


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        print(json.dumps(child(sys.argv[2], *map(int, sys.argv[3:7]))))
    else:
        main()
