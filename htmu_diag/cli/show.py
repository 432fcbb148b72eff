"""``htmu show RUN [--step S] [--kind KIND] [--json]``: the table of a run, live or finished, as it was stored."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

from htmu_diag.cli.arguments import Arguments
from htmu_diag.report.overview import overview
from htmu_diag.report.show_text import show_text
from htmu_diag.report.strict_json import json_text
from htmu_diag.storage import load_run

__all__ = ["parser", "run"]

EPILOG = """\
examples:
  htmu show runs/chars
  htmu show runs/chars --step 500
  htmu show runs/chars --json | python -m json.tool
"""


def run(arguments: Sequence[str]) -> int:
    """Print the overview; returns 0. Raises StorageError for a folder or a step that is not there."""
    given = parser().parse_args(arguments)
    shown = overview(load_run(given.run), given.step, given.kind)
    width = shutil.get_terminal_size((110, 24)).columns
    print(json_text(shown.content()) if given.json else show_text(shown, width, fitted=sys.stdout.isatty()))
    return 0


def parser() -> Arguments:
    """Of everything that ``htmu show`` takes."""
    made = Arguments(
        prog="htmu show",
        description="The table of a run with verdicts and reasons, its phases through time, what changed since the "
        "measurement before, and alarms. A run may be under way.",
        epilog=EPILOG,
    )
    made.add_argument("run", metavar="RUN", help="the run's folder (log_dir)")
    made.add_argument("--step", type=int, metavar="S", help="a measured step (default: the last one)")
    made.add_argument("--kind", default="weights", metavar="KIND", help="of spectra (default: weights)")
    made.add_argument("--json", action="store_true", help="everything as JSON")
    return made
