"""``htmu compare RUN RUN2 [...] [--step S | --at-loss TAG] [--json]``: what differs between runs.

The exit code is 0 where no layer differs beyond its intervals, 1 where one does, 2 where something cannot be read.
"""

from __future__ import annotations

from collections.abc import Sequence

from htmu_diag.cli.arguments import Arguments
from htmu_diag.report.compare_text import compare_text
from htmu_diag.report.comparison import compare_runs
from htmu_diag.report.strict_json import json_text
from htmu_diag.storage import load_run

__all__ = ["parser", "run"]

DIFFERENT = 1
EPILOG = """\
examples:
  htmu compare runs/chars runs/slow
  htmu compare runs/chars runs/slow --at-loss train/loss
  htmu compare runs/reference runs/today && echo "the same spectra"

exit code: 0 where no layer differs beyond its 95 % intervals, 1 where one does, 2 where a run cannot be read
"""


def run(arguments: Sequence[str]) -> int:
    """Print each run beside the first; returns 0 or 1. Raises HTMUError for what cannot be compared."""
    given = parser().parse_args(arguments)
    first = load_run(given.run)
    choices = {"step": given.step, "at_loss": given.at_loss, "kind": given.kind}
    found = [compare_runs(first, load_run(other), **choices) for other in given.others]
    if given.json:
        print(json_text([one.content() for one in found]))
    else:
        print("\n\n".join(compare_text(one) for one in found))
    return DIFFERENT if any(one.differs for one in found) else 0


def parser() -> Arguments:
    """Of everything that ``htmu compare`` takes."""
    made = Arguments(
        prog="htmu compare",
        description="Settings that differ, averages with their differences, and layers whose verdicts differ or whose "
        "intervals are apart, of two runs or of several against the first.",
        epilog=EPILOG,
    )
    made.add_argument("run", metavar="RUN", help="a run's folder (log_dir): the one that others are compared with")
    made.add_argument("others", nargs="+", metavar="RUN2", help="the others")
    where = made.add_mutually_exclusive_group()
    where.add_argument("--step", type=int, metavar="S", help="at this step (default: the last that both have)")
    where.add_argument("--at-loss", metavar="TAG", help="where this curve (train/loss) first falls as low in both")
    made.add_argument("--kind", default="weights", metavar="KIND", help="kind of spectra (default: weights)")
    made.add_argument("--json", action="store_true", help="everything as JSON")
    return made
