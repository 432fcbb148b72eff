"""``htmu export RUN (--csv | --json | --parquet) [--out FILE]``: the numbers of a run, one row a layer and step."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path

from htmu_diag.cli.arguments import Arguments
from htmu_diag.errors import InputError
from htmu_diag.files import write_result
from htmu_diag.storage import load_run
from htmu_diag.storage.export import export, write_parquet

__all__ = ["parser", "run"]

EPILOG = """\
examples:
  htmu export runs/chars --csv > chars.csv
  htmu export runs/chars --json | python -m json.tool
  htmu export runs/chars --parquet --out chars.parquet
"""


def run(arguments: Sequence[str]) -> int:
    """Write the table; returns 0. Raises StorageError for a folder that is no run, InputError for Parquet on stdout."""
    given = parser().parse_args(arguments)
    records = load_run(given.run).records(fit=not given.stored)
    out = Path(given.out) if given.out else None
    if given.parquet:
        if out is None:
            raise InputError("--parquet is no text for a terminal; add --out FILE")
        write_parquet(records, out)
    elif out is None:
        export(records, "csv" if given.csv else "json", sys.stdout)
    else:
        text = io.StringIO()
        export(records, "csv" if given.csv else "json", text)
        write_result(out, text.getvalue().encode())
    return 0


def parser() -> Arguments:
    """Of everything that ``htmu export`` takes."""
    made = Arguments(
        prog="htmu export",
        description="The numbers of a run as a file: step, kind, layer, every quantity, verdict and reason. What the "
        "run stored is taken; what has no numbers of this version is fitted now.",
        epilog=EPILOG,
    )
    made.add_argument("run", metavar="RUN", help="the run's folder (log_dir)")
    form = made.add_mutually_exclusive_group(required=True)
    form.add_argument("--csv", action="store_true", help="one line a layer and step")
    form.add_argument("--json", action="store_true", help="a list of objects")
    form.add_argument("--parquet", action="store_true", help="where pyarrow is installed")
    made.add_argument("--out", metavar="FILE", help="where to (default: stdout)")
    made.add_argument("--stored", action="store_true", help="fit nothing: stored numbers only, of any version")
    return made
