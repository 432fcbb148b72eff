"""Running a sweep: units claimed one after another until none is left, then the page.

The same line may be started any number of times at once (``--workers``, ranks of torchrun, a Slurm array): each start
takes what nobody else has. Started again after a kill it goes on; a unit that failed is one line, and is tried again
only when asked to.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from htmu_diag.errors import HTMUError, StorageError
from htmu_diag.experiments.claims import CLAIMS, alone, claimed, result, write_result
from htmu_diag.experiments.plan import Sweep, Unit
from htmu_diag.experiments.work import Outcome, check_configs, check_packages, run_unit, write_base
from htmu_diag.files import storage_errors, write_atomically

__all__ = ["Finished", "run_sweep"]


@dataclass(frozen=True)
class Finished:
    """Where a sweep stands. done, failed, open: numbers of units. interrupted: by Ctrl-C."""

    done: int
    failed: int
    open: int
    interrupted: bool = False


def run_sweep(
    sweep: Sweep, out: Path, *, workers: int = 1, retry: bool = False, say: Callable[[str], None] = print
) -> Finished:
    """Run what has no result yet, in this process and workers - 1 others.

    retry: failed units are run again. say: gets one line a unit. Raises ConfigError before the first run for settings
    that no run accepts, StorageError for a folder that holds another sweep, ModuleNotFoundError without torch.
    """
    if any(result(out, unit.name) is None for unit in sweep.units):
        check_packages(sweep)
    _begin(sweep, out)
    if sweep.what == "config":
        check_configs(sweep, out)  # a wrong key is known now, not after an hour
    if retry:
        _forget_failures(sweep, out)
    others = [_worker(sweep, out) for _ in range(workers - 1)]
    interrupted = False
    try:
        interrupted = _work(sweep, out, say)
    finally:
        if interrupted:
            for other in others:
                other.terminate()
        for other in others:
            other.wait()
    return _standing(sweep, out, interrupted)


def _begin(sweep: Sweep, out: Path) -> None:
    """The folder with the sweep's own text in it; a folder of another sweep is refused."""
    if out.exists() and not out.is_dir():
        raise StorageError(f"--out: {out} is a file; name a folder")
    with storage_errors("make", out):
        out.mkdir(parents=True, exist_ok=True)
    path = out / "sweep.yaml"
    if not path.exists() and any(entry.name != CLAIMS for entry in out.iterdir()):
        raise StorageError(f"{out} is not empty and holds no sweep; name another --out")
    with alone(out):
        if not path.exists():
            write_base(sweep, out)
            write_atomically(path, sweep.text.encode())
    if path.read_text(encoding="utf-8") != sweep.text:
        raise StorageError(f"{out} holds another sweep, or an earlier form of this one; name another --out")


def _forget_failures(sweep: Sweep, out: Path) -> None:
    for unit in sweep.units:
        found = result(out, unit.name)
        if found is not None and found["status"] == "failed":
            (out / "results" / f"{unit.name}.json").unlink()


# ``-m htmu_diag``, which would import whatever lies in the current folder under the name of a module
_PROGRAM = (
    "import sys; sys.path[:] = [*filter(None, sys.path), sys.argv.pop(1)]; import runpy; "
    "runpy.run_module('htmu_diag', run_name='__main__')"
)


def _worker(sweep: Sweep, out: Path) -> subprocess.Popen[bytes]:
    """Another process that does the same, without workers of its own; it reads the sweep from the folder."""
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", _PROGRAM, root, "sweep", str(out / "sweep.yaml"), "--out", str(out), "--no-page"]
    if isinstance(sweep.base, str) and sweep.what == "config":
        command += ["--folder", str(sweep.folder)]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})


def _work(sweep: Sweep, out: Path, say: Callable[[str], None]) -> bool:
    """Every unit that is free, in order; True after an interruption."""
    for place, unit in enumerate(sweep.units, start=1):
        if result(out, unit.name) is not None:
            continue
        with claimed(out, unit.name) as free:
            if free and _one(sweep, unit, out, f"[{place}/{len(sweep.units)}] {unit.name}", say):
                return True
    return False


def _one(sweep: Sweep, unit: Unit, out: Path, label: str, say: Callable[[str], None]) -> bool:
    began = time.perf_counter()
    content = {"arm": unit.arm, "values": dict(unit.values), "seed": unit.seed}
    try:
        outcome = run_unit(sweep, unit, out)
    except (
        HTMUError,
        RuntimeError,
        ArithmeticError,
        ValueError,
        MemoryError,
    ) as error:  # of this run: it diverged, ran out of memory, ...
        reason = " ".join(str(error).split()) or type(error).__name__
        write_result(out, unit.name, {**content, "status": "failed", "error": reason})
        say(f"{label}: failed: {reason}")
        return False
    if outcome.interrupted:
        say(f"{label}: interrupted; the same command goes on")
        return True
    seconds = time.perf_counter() - began
    write_result(out, unit.name, {**content, "status": "done", "seconds": seconds, **_lists(outcome)})
    say(f"{label}: {seconds:.1f} s")
    return False


def _lists(outcome: Outcome) -> dict[str, object]:
    return {"numbers": outcome.numbers, "curves": outcome.curves}


def _standing(sweep: Sweep, out: Path, interrupted: bool) -> Finished:
    found = [result(out, unit.name) for unit in sweep.units]
    states = [one["status"] for one in found if one is not None]
    return Finished(states.count("done"), states.count("failed"), len(found) - len(states), interrupted)
