"""``htmu correlate RUNS_OR_TABLE ... --target TAG``: which metrics go with performance, and what trivial ones do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from htmu_diag.cli.arguments import Arguments
from htmu_diag.errors import ConfigError

__all__ = ["parser", "run"]

EPILOG = """\
examples:
  htmu correlate runs/* --target test/accuracy
  htmu correlate sweeps/zoo --target test/accuracy --metrics 'summary/*' 'weights_spikes/*'
  htmu correlate models.csv --target error --metrics alpha alpha_weighted --json
  htmu correlate --zoo sweeps/zoo --target test/accuracy      (trains 96 small networks on digits first)
"""


def run(arguments: Sequence[str]) -> int:
    """Print the tables; returns 0. Raises HTMUError for paths that hold no runs and a target that they do not have."""
    given = parser().parse_args(arguments)
    if not given.paths and not given.zoo:
        raise ConfigError("htmu correlate needs run folders, a sweep, a table, or --zoo DIR; see --help")
    from htmu_diag.experiments.correlate import correlate, read_runs
    from htmu_diag.experiments.correlate_text import as_text
    from htmu_diag.report.strict_json import json_text

    if given.zoo:
        _make_zoo(Path(given.zoo))
    found = correlate(
        read_runs([*given.paths, *([given.zoo] if given.zoo else [])]), given.target, metrics=given.metrics
    )
    print(json_text(asdict(found)) if given.json else as_text(found), end="")
    return 0


def _make_zoo(out: Path) -> None:
    """The bundled zoo, as far as it is not there yet."""
    from htmu_diag.experiments.plan import load_sweep
    from htmu_diag.experiments.runner import run_sweep

    finished = run_sweep(load_sweep("zoo"), out, say=lambda line: None)
    print(f"{finished.done} networks in {out}, {finished.failed} failed\n")


def parser() -> Arguments:
    """Of everything that ``htmu correlate`` takes."""
    made = Arguments(
        prog="htmu correlate",
        description="Rank correlation of every metric with a target over runs and within runs, beside trivial "
        "baselines, given confounders, and with one setting varied at a time.",
        epilog=EPILOG,
    )
    add = made.add_argument
    add("paths", nargs="*", metavar="RUNS_OR_TABLE", help="run folders, a sweep's folder, or a CSV table of runs")
    add("--target", required=True, metavar="TAG", help="what is to be foretold, such as test/accuracy")
    add("--metrics", nargs="+", default=["summary/*"], metavar="GLOB", help="of tags or columns (default: summary/*)")
    add("--zoo", metavar="DIR", help="train the 96 networks of the sweep 'zoo' into DIR, and use them")
    add("--json", action="store_true", help="everything as JSON")
    return made
