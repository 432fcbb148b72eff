"""``htmu report RUN [RUN2 ...] [--out FILE]``: one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from htmu_diag.cli.arguments import Arguments
from htmu_diag.files import write_result
from htmu_diag.sinks.page import PAGE, page_of

__all__ = ["parser", "run"]

EPILOG = """\
examples:
  htmu report runs/chars
  htmu report runs/chars runs/slow --out compared.html
"""


def run(arguments: Sequence[str]) -> int:
    """Write the page and print its path; returns 0."""
    given = parser().parse_args(arguments)
    folders = [Path(run) for run in given.runs]
    out = Path(given.out) if given.out else folders[0] / PAGE
    write_result(out, page_of(folders).encode())
    print(out)
    return 0


def parser() -> Arguments:
    """Of everything that ``htmu report`` takes."""
    made = Arguments(
        prog="htmu report",
        description="One HTML page of one run or several: every layer, every step, comparison. It opens from a disk.",
        epilog=EPILOG,
    )
    made.add_argument("runs", nargs="+", metavar="RUN", help="a run's folder (log_dir); the first one opens")
    made.add_argument("--out", metavar="FILE", help=f"where to write it (default: {PAGE} in the first run's folder)")
    return made
