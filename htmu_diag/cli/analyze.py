"""``htmu analyze PATH [--include GLOB] [--exclude GLOB] [--out DIR] [--json | --csv] ...``.

Under ``torchrun`` the matrices are shared among the ranks, and rank 0 shows the result.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from htmu_diag.analysis import Options
from htmu_diag.cli.arguments import Arguments
from htmu_diag.errors import HTMUError, InputError, StorageError
from htmu_diag.missing_path import missing_path
from htmu_diag.own_process import importing
from htmu_diag.storage.shared_store import SERIES, goes_on

__all__ = ["parser", "run"]

EPILOG = """\
examples:
  htmu analyze model.safetensors
  htmu analyze runs/mine/checkpoints --out runs/mine-curves       (a time series; then tensorboard --logdir runs)
  htmu analyze checkpoint.pt --include 'encoder.*' --out report    (layers.csv, analysis.json, a picture of each layer)
  htmu analyze bert/ --csv --names weightwatcher > layers.csv
  torchrun --nproc-per-node=8 -m htmu_diag analyze llama/ --out llama-spectra
"""


def run(arguments: Sequence[str]) -> int:
    """Analyse; returns 0, or 1 where checkpoints of a series were left out.

    Raises HTMUError, on rank 0 only, for what cannot be read or written.
    """
    given = parser().parse_args(arguments)
    out = Path(given.out) if given.out else None
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1 and not os.path.exists(given.path):  # known before anything is imported
        raise InputError(missing_path(given.path))
    if out is not None and rank == 0:  # an analysis goes on where it stopped
        _refuse_occupied(out)
    try:
        return _analyse(given, out, rank, world)
    except HTMUError:
        if rank:  # rank 0 was told, and says it once
            return 2
        raise


def _analyse(given: argparse.Namespace, out: Path | None, rank: int, world: int) -> int:
    with importing():
        from htmu_diag.offline.session import Form, Request, run_analysis  # arguments are checked

    if world > 1:
        from htmu_diag.ranks.job import join

        join(given.limit)
    form: Form = "json" if given.json else "csv" if given.csv else "table"
    ranks = given.limit if world > 1 else False
    request = Request(given.path, form, given.names, out, {**_choices(given), "ranks": ranks}, writes=rank == 0)
    left_out = run_analysis(request)
    return int(bool(left_out) and rank == 0)  # said once: a job's launcher ends all ranks when one fails


def _choices(given: argparse.Namespace) -> dict[str, Any]:
    return {
        "include": given.include,
        "exclude": given.exclude,
        "min_side": given.min_side,
        "conv": given.conv,
        "heads": given.heads,
        "fused": not given.whole,
        "vectors": given.vectors,
        "options": Options(given.bootstrap, given.seed, given.tail_only),
        "threads": given.threads,
        "device": given.device,
        "jobs": given.jobs,
    }


def parser() -> Arguments:
    """Of everything that ``htmu analyze`` takes."""
    made = Arguments(
        prog="htmu analyze",
        description="Measure and diagnose every weight matrix of a checkpoint, a model folder, or a folder of "
        "checkpoints (a time series). Exit code: 0, 1 where a checkpoint of a series could not be read (the others "
        "are there), 2 where nothing could.",
        epilog=EPILOG,
    )
    add = made.add_argument
    add("path", metavar="PATH", help="weights (.safetensors .pt .pth .bin .ckpt), a model's folder, a folder of steps")
    add("--include", action="append", default=[], metavar="GLOB", help="only these layers; may be given again")
    add("--exclude", action="append", default=[], metavar="GLOB", help="all but these layers; may be given again")
    add(
        "--out",
        metavar="DIR",
        help="a folder for layers.csv, analysis.json, pictures (a series: a run); after a kill it goes on",
    )
    form = made.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="everything as JSON on stdout")
    form.add_argument("--csv", action="store_true", help="one line a matrix on stdout")
    add("--names", choices=["htmu", "weightwatcher"], default="htmu", help="of the columns in JSON, CSV and files")
    add(
        "--min-side",
        type=_at_least(1),
        default=2,
        metavar="N",
        help="least smaller side of a matrix (default: 2)",
    )
    add("--conv", choices=["unfold", "positions", "groups"], default="unfold", help="how kernels become matrices")
    add("--heads", type=_heads, default=False, metavar="N", help="split q, k, v into N heads, or 'auto' by config.json")
    add("--whole", action="store_true", help="keep fused q, k, v projections and gates whole")
    add("--vectors", action="store_true", help="also the entropy of eigenvectors")
    add("--tail-only", action="store_true", help="fit exponents only: several times faster")
    add(
        "--bootstrap", type=_at_least(0), default=100, metavar="N", help="replicates behind each p-value (default: 100)"
    )
    add("--seed", type=_at_least(0), default=0, metavar="N", help="of the p-values (default: 0)")
    add(
        "--threads",
        type=_at_least(1),
        default=1,
        metavar="N",
        help="of BLAS (default: 1, the same result everywhere)",
    )
    add(
        "--jobs",
        type=_at_least(1),
        metavar="N",
        help="processes that share the matrices, with equal results (default: the cores, where there is enough to do)",
    )
    add("--device", metavar="NAME", help="where matrices are decomposed, such as cuda (default: cpu)")
    add("--limit", type=float, default=60.0, metavar="S", help="torchrun: seconds before a silent rank is given up")
    return made


def _at_least(least: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
        return int(text)

    return whole


def _heads(text: str) -> bool | int:
    if text == "auto":
        return True
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is neither 'auto' nor a number of heads")


def _refuse_occupied(out: Path) -> None:
    """Other folders than those of an analysis: what lies there is nobody's but the user's."""
    if out.exists() and not out.is_dir():
        raise StorageError(f"--out: {out} is a file; name a folder")
    begun = (out / SERIES).is_file() or goes_on(out)
    if out.is_dir() and not begun and any(not path.name.startswith(".") for path in out.iterdir()):
        raise StorageError(f"--out: {out} is not empty; name another folder")
