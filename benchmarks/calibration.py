"""Do the intervals cover and the p-values tell the truth? python -m benchmarks.calibration

Fits synthetic spectra whose law is known and writes the tables of docs/calibration.md, whose words are its own: bias,
standard deviation and coverage of alpha and kappa, uniformity of the p-values where the fitted law is true, and how
often a wrong law is noticed. Fixed seeds, 300 replicates a cell; about ten minutes on one core.
"""

from __future__ import annotations

import datetime
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.calibration_laws import kappa_rows, p_rows
from benchmarks.calibration_nulls import htmp_rows, initial_rows, noise_rows
from benchmarks.calibration_readings import band_rows, bulk_rows, gap_rows
from benchmarks.calibration_tails import REPLICATES, alpha_rows, bootstrap_rows, short_rows
from benchmarks.common import machine, table

PAGE = Path(__file__).parents[1] / "docs" / "calibration.md"
Row = list[object]

SHORT = ("sample", "alpha", "n", "median alpha", "median tail", "ruled out", "ruled out, with p-value")
ALPHA = ("sample", "alpha", "n", "bias", "std", "coverage", "not a power law")
KAPPA = ("sample", "gamma", "kappa", "n", "median error", "std of log", "reported", "coverage", "fits")
SECTIONS: dict[str, tuple[tuple[str, ...], Callable[[], Iterator[Row]]]] = {
    "alpha, interval from the curvature": (ALPHA, alpha_rows),
    "alpha, interval from the bootstrap": (ALPHA, bootstrap_rows),
    "short tails": (SHORT, short_rows),
    **{f"kappa, gamma = {gamma:g}": (KAPPA, partial(kappa_rows, gamma)) for gamma in (0.25, 0.5, 1.0)},
    "p-values": (("law", "sample", "fits", "below 0.1", "below 0.5"), p_rows),
    "p-values of HTMP": (
        ("orientation", "kappa", "fits", "below 0.01", "below 0.05", "below 0.1", "below 0.5"),
        htmp_rows,
    ),
    "repulsion of neighbours": (
        ("matrix", "shape", "<r>", "kappa", "median z", "z within 2", "z above 5", "named right"),
        gap_rows,
    ),
    "the band of the predicted alpha": (("orientation", "kappa", "fits", "inside"), band_rows),
    "kappa of a bulk beside spikes": (
        ("values", "kappa", "spikes", "kappa of the whole", "kappa of the bulk", "covered"),
        bulk_rows,
    ),
    "pure noise": (
        ("n", "gamma", "median alpha", "90 % of alpha", "not a power law", "false spikes a matrix", "scale, std"),
        noise_rows,
    ),
    "matrices at initialisation": (
        ("entries", "matrices", "p below 0.01", "p below 0.001", "with spikes", "bleeding-out", "past bleeding-out"),
        initial_rows,
    ),
}

STAMP = re.compile(r"\([^()]*\); \d+ replicates")  # of the page's first sentence


def main(names: list[str]) -> None:
    unknown = set(names) - set(SECTIONS)
    if unknown:
        sys.exit(f"no section {', '.join(sorted(unknown))}; sections: {', '.join(SECTIONS)}")
    for name in names or SECTIONS:
        columns, rows = SECTIONS[name]
        write(name, f"## {name}\n\n{table(columns, list(rows()))}\n")


def write(name: str, text: str) -> None:
    """Put a section into the page, in the order of ``SECTIONS``, beside those that are there and the page's words."""
    print(text, flush=True)
    head, *parts = PAGE.read_text().split("\n## ")
    found = {part.splitlines()[0]: f"## {part.rstrip()}\n" for part in parts}
    found[name] = text
    stamp = f"({datetime.date.today().isoformat()}, {machine()}); {REPLICATES} replicates"
    head = STAMP.sub(lambda _: stamp, head.rstrip(), count=1)
    PAGE.write_text("\n".join([f"{head}\n", *(found[each] for each in SECTIONS if each in found)]))


if __name__ == "__main__":
    main(sys.argv[1:])
