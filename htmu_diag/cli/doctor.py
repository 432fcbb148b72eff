"""``htmu doctor [--folder DIR]``: what this installation has and lacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from htmu_diag.cli.arguments import Arguments
from htmu_diag.doctor import findings

__all__ = ["parser", "run"]

SOMETHING_WRONG = 1
EPILOG = """\
examples:
  htmu doctor
  htmu doctor --folder /scratch/runs

exit code: 0 where nothing is wrong, 1 where something is
"""


def run(arguments: Sequence[str]) -> int:
    """Print the findings; returns 0 or 1."""
    given = parser().parse_args(arguments)
    found = list(findings(Path(given.folder)))
    width = max(len(one.about) for one in found)
    for one in found:
        print(f"{one.state:<5}  {one.about:<{width}}  {one.said}")
    return SOMETHING_WRONG if any(one.state == "wrong" for one in found) else 0


def parser() -> Arguments:
    """Of everything that ``htmu doctor`` takes."""
    made = Arguments(
        prog="htmu doctor",
        description="Versions, devices, threads, whether TensorBoard finds the Spectra tab, whether runs can be "
        "written: what to look at first, and to send along with a question.",
        epilog=EPILOG,
    )
    made.add_argument("--folder", default="runs", metavar="DIR", help="where runs are to be written (default: runs)")
    return made
