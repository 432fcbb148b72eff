"""``htmu sweep NAME_OR_YAML [--workers N] [--out DIR] [--retry]``: runs, then one page with claim, control and verdict.

Started again, or at once by ranks of torchrun or tasks of a Slurm array, the same line takes what is not done yet.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from htmu_diag.cli.arguments import Arguments
from htmu_diag.errors import ConfigError
from htmu_diag.experiments.plan import bundled, load_sweep

__all__ = ["parser", "run"]

INTERRUPTED, SOME_FAILED = 130, 1

EPILOG = """\
examples:
  htmu sweep temperature
  htmu sweep correlation --workers 2 --out sweeps/correlation
  htmu sweep mine.yaml --out sweeps/mine          (again after a kill: it goes on)
  htmu sweep temperature --print > mine.yaml      (a start for your own)
  torchrun --nproc-per-node 8 -m htmu_diag sweep mine.yaml --out sweeps/mine
  sbatch --array=0-31 --wrap 'htmu sweep mine.yaml --out sweeps/mine'
"""


def run(arguments: Sequence[str]) -> int:
    """Run a sweep; returns 0, 1 where some runs failed, 130 after an interruption."""
    given = parser().parse_args(arguments)
    if given.workers < 1:
        raise ConfigError(f"--workers: {given.workers}; pass 1 or more")
    sweep = load_sweep(given.sweep)
    if given.folder:
        sweep = replace(sweep, folder=Path(given.folder))
    if given.print:
        print(sweep.text, end="")
        return 0
    out = Path(given.out) if given.out else Path("sweeps") / sweep.name
    from htmu_diag.experiments.runner import run_sweep  # after the arguments: reading a run needs scipy

    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        os.environ.pop(name, None)  # each rank is a worker of its own: no run joins a job
    finished = run_sweep(sweep, out, workers=given.workers, retry=given.retry)
    if finished.interrupted:
        return INTERRUPTED
    if finished.open:
        print(f"{finished.open} runs are under way in other processes; the last one to end writes the page")
    elif not given.no_page:
        _show_page(sweep, out)
    return SOME_FAILED if finished.failed else 0


def _show_page(sweep: object, out: Path) -> None:
    from htmu_diag.experiments.page import make_page, write_page
    from htmu_diag.experiments.plan import Sweep

    assert isinstance(sweep, Sweep)
    page = make_page(sweep, out)
    path = write_page(page, out)
    for verdict in page.verdicts:
        print(f"{verdict.word}: {verdict.sentence}")
    print(f"verdict: {page.verdict}")
    print(f"page:    {path}")


def parser() -> Arguments:
    """Of everything that ``htmu sweep`` takes."""
    made = Arguments(
        prog="htmu sweep",
        description="Run a list of configurations times seeds and write one page about them.",
        epilog=f"{EPILOG}\nbundled sweeps: {', '.join(bundled())}",
    )
    made.add_argument("sweep", metavar="NAME_OR_YAML", help="a bundled sweep, or a YAML file (see docs/sweeps.md)")
    made.add_argument("--workers", type=int, default=1, metavar="N", help="processes that share the runs (default: 1)")
    made.add_argument("--out", metavar="DIR", help="the sweep's folder (default: sweeps/NAME)")
    made.add_argument("--retry", action="store_true", help="run again what failed")
    made.add_argument("--print", action="store_true", help="print the sweep's YAML and stop")
    made.add_argument("--no-page", action="store_true", help=argparse.SUPPRESS)  # of a worker
    made.add_argument("--folder", help=argparse.SUPPRESS)  # where paths in the YAML of a worker start
    return made
