"""The two tables of whole runs: what `benchmarks.whole_runs` measured, and what one more snapshot adds."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.common import record, table

__all__ = ["EVERY", "PARTS", "Run", "show"]

EVERY = (0, 100, 10)
GOALS = {100: ("below 1", "at most 30"), 10: ("below 10", "")}  # per cent of CPU, ms of the longest stall
NUMBERS = (
    *("ms a step", "faults", "wall s", "CPU s", "ours s", "all CPU s"),
    *("stall ms", "at step", "blocked ms", "watch s", "close s"),
)
PARTS = ("hooks", "threads", "processes")
ADDED = (
    *(f"{part}, CPU ms" for part in PARTS),
    *("sum, CPU ms", "% of the training's", "goal", "stall ms", "goal", "by differences, CPU ms", "wall, %"),
)
Run = dict[str, Any]
Runs = dict[int, list[Run]]


def show(runs: list[Run], steps: dict[str, int], write: bool) -> None:
    """Print the two tables, or write them to RESULTS.md: medians of each row over its rounds, the largest stall.

    ``steps`` has the rows in their order, with the steps of each.
    """
    measured, added = [], []
    for row in steps:
        of_row = {every: [run for run in runs if (run["row"], run["every"]) == (row, every)] for every in EVERY}
        measured += [[row, every or "alone", len(found), *_numbers(found)] for every, found in of_row.items() if found]
        if all(of_row.values()):
            added += [[row, every, *_added(of_row, every, steps[row])] for every in EVERY[1:]]
    for section, columns, lines, note in (
        ("Whole runs", ("training", "every", "rounds", *NUMBERS), measured, "Of 3,000 steps: smaller batches."),
        ("Whole runs: one more snapshot", ("training", "every", *ADDED), added, "From the second half of each run."),
    ):
        if write:
            record(section, columns, lines, f"{note} `python -m benchmarks.whole_runs`.")
        else:
            print(table(columns, lines))


def _median(runs: list[Run], name: str) -> float:
    return statistics.median(float(run[name]) for run in runs)


def _numbers(runs: list[Run]) -> list[object]:
    worst = max(runs, key=lambda run: float(run["stall ms"]))
    largest = {name: worst[name] for name in ("stall ms", "at step")}
    largest["blocked ms"] = max(float(run["blocked ms"]) for run in runs)
    return [largest[name] if name in largest else _median(runs, name) for name in NUMBERS]


def _added(runs: Runs, every: int, steps: int) -> list[object]:
    """What a snapshot of the second half took, and what the older reckoning says, from two schedules' difference."""
    alone, sparse, dense = (_median(runs[one], "all CPU s") for one in EVERY)
    snapshots = steps // every - steps // 2 // every
    parts = [1e3 * _median(runs[every], f"{name} s") / snapshots for name in PARTS]
    share = sum(parts) / 1e3 * steps / alone / every
    stall = max(float(run["stall ms"]) for run in runs[every])
    price = 1e3 * (dense - sparse) / (steps // EVERY[2] - steps // EVERY[1])
    wall = 100 * (_median(runs[every], "wall s") / _median(runs[0], "wall s") - 1)
    of_cpu, of_stall = GOALS[every]
    return [*parts, sum(parts), f"{100 * share:.2f}", of_cpu, stall, of_stall, price, f"{wall:+.1f}"]
