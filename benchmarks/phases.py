"""How often the rule of the phases is right, and how often it flickers: python -m benchmarks.phases [RUN ...]

Diagnoses matrices whose phase is known (``tests/power/phases/kinds.py``), with seeds and shapes that no threshold was
chosen on, and writes the confusion matrices and the pictures of docs/phases.md. With run folders: how often the verdict
of a layer changes between two measurements of a training. About four minutes on one core.
"""

from __future__ import annotations

import datetime
import itertools
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.common import machine, table
from htmu_diag import load_run
from htmu_diag.analysis import Diagnosis, diagnose
from htmu_diag.analysis.hold import held
from htmu_diag.spectrum import Kind as Measured
from htmu_diag.spectrum import Source, Spectrum
from htmu_diag.theory import Phase
from tests.gallery import write_phases
from tests.power.phases.kinds import DESIGN, FRESH, KEPT_ASIDE, Kind, eigenvalues

DOCS = Path(__file__).parents[1] / "docs"
SHAPES = ((64, 256), (128, 512), (200, 200), (256, 512), (96, 384), (160, 160), (300, 600))
SEEDS = (*range(3000, 3004), *range(5000, 5004))
PHASES = [phase for phase in Phase if phase is not Phase.UNDETERMINED]
Verdicts = dict[Kind, list[Phase]]


def main(runs: Sequence[str]) -> None:
    write_phases()
    for name, kinds in (("made on", DESIGN), ("kept aside", KEPT_ASIDE), ("fresh", FRESH)):
        found = {kind: verdicts(kind) for kind in kinds}
        put(name, f"{rates(found)}\n\n{confusion(found)}\n\n{each_kind(found)}")
    if runs:
        put("flicker", table(("run", "transitions", "hold 1", "hold 2", "hold 3"), list(flicker(runs))))
    stamp = f"{datetime.date.today().isoformat()}, {machine()}, {len(SHAPES)} shapes, {len(SEEDS)} seeds"
    put("stamp", f"Written by `python -m benchmarks.phases` ({stamp}).")


def diagnosed(kind: Kind, shape: tuple[int, int], seed: int) -> Diagnosis:
    return diagnose(Spectrum.exact(eigenvalues(kind, shape, seed), Source(Measured.WEIGHTS, kind.name, shape)))


def verdicts(kind: Kind) -> list[Phase]:
    return [diagnosed(kind, shape, seed).phase.phase for shape in SHAPES for seed in SEEDS]


def rates(found: Verdicts) -> str:
    """Shares of right verdicts: of all kinds, of the undebatable ones, and of these by phase."""
    sure = {kind: named for kind, named in found.items() if not kind.debatable}
    lines = [("all kinds", found), ("undebatable kinds", sure)]
    lines += [(f"of these, {phase.value}", {k: v for k, v in sure.items() if k.phase is phase}) for phase in PHASES]
    return table(
        ("", "kinds", "matrices", "right"), [[n, len(f), sum(map(len, f.values())), _right(f)] for n, f in lines]
    )


def _right(found: Verdicts) -> str:
    hits = [named is kind.phase for kind, some in found.items() for named in some]
    return f"{sum(hits) / max(len(hits), 1):.2f}"


def confusion(found: Verdicts) -> str:
    """Rows: how the matrix was made; columns: what it is called. Debatable kinds are left out."""
    rows = []
    for truth in PHASES:
        named = Counter(
            phase for kind, some in found.items() if kind.phase is truth and not kind.debatable for phase in some
        )
        rows.append([truth.value, *(named[phase] for phase in PHASES)])
    return table(("made as", *(phase.value for phase in PHASES)), rows)


def each_kind(found: Verdicts) -> str:
    rows = []
    for kind, some in found.items():
        others = Counter(phase.value for phase in some if phase is not kind.phase)
        name = f"{kind.name} (debatable)" if kind.debatable else kind.name
        rows.append(
            [name, kind.phase.value, _right({kind: some}), ", ".join(f"{n} {v}" for v, n in others.most_common())]
        )
    return table(("kind", "phase", "right", "else called"), rows)


def flicker(runs: Iterable[str]) -> Iterator[list[object]]:
    """Shares of changes between neighbouring measurements that are undone later, and of all changes."""
    for path in runs:
        series = list(_series(path))
        transitions = sum(len(verdicts) - 1 for verdicts in series)
        cells = []
        for hold in (1, 2, 3):
            shown = [held(verdicts, hold) for verdicts in series]
            changes = sum(a != b for s in shown for a, b in itertools.pairwise(s))
            cells.append(
                f"{changes} changes ({100 * changes / transitions:.1f} %), {sum(map(_returns, shown))} returns"
            )
        yield [Path(path).name, transitions, *cells]


def _series(path: str) -> Iterator[list[str]]:
    run = load_run(path)
    layers: dict[str, list[str]] = {}
    for step in run.steps:
        for spectrum in run.spectra(step):
            if spectrum.source.kind == Measured.WEIGHTS:
                layers.setdefault(spectrum.source.name, []).append(diagnose(spectrum).verdict)
    yield from layers.values()


def _returns(shown: Sequence[str]) -> int:
    """Changes to a verdict that was shown before."""
    return sum(b != a and b in shown[:i] for i, (a, b) in enumerate(itertools.pairwise(shown), 1))


def put(name: str, text: str) -> None:
    """Replace what stands between the marks of that name in docs/phases.md."""
    print(f"{name}\n{text}\n", flush=True)
    page = DOCS / "phases.md"
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, _, rest = page.read_text().partition(begin)
    if not rest:
        sys.exit(f"docs/phases.md has no {begin}; put it and {end} where the table belongs")
    page.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}")


if __name__ == "__main__":
    main(sys.argv[1:])
