"""Two runs beside each other, from stored numbers: settings that differ, averages, layers whose intervals are apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from htmu_diag.analysis import Reading, summarize
from htmu_diag.analysis.history import flat_settings
from htmu_diag.errors import InputError, StorageError
from htmu_diag.report.overview import kinds_of, no_kind, of_kind
from htmu_diag.storage import Run

__all__ = ["Comparison", "Drift", "compare_runs"]

_JUDGED = ("alpha", "kappa")  # numbers with an interval


@dataclass(frozen=True)
class Drift:
    """One layer in both runs. numbers: quantity -> (first, second). apart: those whose 95 % intervals do not meet.

    shapes: of its matrix in each; noise of another shape has other values.
    """

    layer: str
    verdicts: tuple[str, str]
    numbers: Mapping[str, tuple[float, float]]
    apart: tuple[str, ...]
    shapes: tuple[tuple[int, int], tuple[int, int]]

    @property
    def differs(self) -> bool:
        """Whether the runs say something else of this layer."""
        return bool(self.apart) or self.verdicts[0] != self.verdicts[1]


@dataclass(frozen=True)
class Comparison:
    """What `htmu compare` tells of two runs.

    steps: at which each is read. aligned: "step", or the tag at whose equal value they are read. settings: key ->
    (first, second), of those that differ. averages: name -> (first, second). layers: one `Drift` each; only: layers
    that one of them lacks.
    """

    runs: tuple[str, str]
    steps: tuple[int, int]
    aligned: str
    settings: Mapping[str, tuple[Any, Any]]
    averages: Mapping[str, tuple[float, float]]
    layers: tuple[Drift, ...]
    only: Mapping[str, list[str]]

    @property
    def differs(self) -> bool:
        """Whether any layer differs beyond its intervals, or is missing in one of the runs."""
        return any(layer.differs for layer in self.layers) or any(self.only.values())

    def content(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {
            **vars(self),
            "layers": [{**vars(d), "differs": d.differs} for d in self.layers],
            "differs": self.differs,
        }


def compare_runs(
    one: Run, two: Run, *, step: int | None = None, at_loss: str | None = None, kind: str = "weights"
) -> Comparison:
    """The runs at their last common step, at ``step``, or where a curve first falls as low in both.

    at_loss: the tag of that curve ("train/loss"); each run is read at the measurement nearest to where its curve first
    reaches the higher of the two lowest values. Spectra at that step whose numbers wait are diagnosed now. Raises
    InputError for a curve that one of them lacks, StorageError where there is no common step.
    """
    found = tuple(_readings(run, kind) for run in (one, two))
    steps = _at_loss((one, two), found, at_loss) if at_loss else _at_step((one, two), found, step)
    first, second = (
        readings[at] or of_kind(run.record(at).readings, kind)
        for run, readings, at in zip((one, two), found, steps, strict=True)
    )
    both = [name for name in first if name in second]
    return Comparison(
        (str(one.directory), str(two.directory)),
        steps,
        at_loss or "step",
        _differing(one.info.get("config") or {}, two.info.get("config") or {}),
        _averages(first, second),
        tuple(_drift(name, first[name], second[name]) for name in both),
        {
            str(one.directory): [n for n in first if n not in second],
            str(two.directory): [n for n in second if n not in first],
        },
    )


def _readings(run: Run, kind: str) -> dict[int, dict[str, Reading]]:
    """Of each step with spectra of that kind; none where their numbers wait."""
    steps = {r.step: of_kind(r.readings, kind) for r in run.records(fit=False) if kind in kinds_of(r)}
    if not steps:
        raise no_kind(run, kind)
    return steps


def _at_step(runs: Sequence[Run], found: Sequence[Mapping[int, Any]], step: int | None) -> tuple[int, int]:
    common = found[0].keys() & found[1].keys()
    if step is not None and step not in common:
        raise StorageError(f"step {step} is not measured in both runs; common steps: {_span(common)}")
    if not common:
        raise StorageError(
            f"no step is measured in both runs ({_span(found[0])}; {_span(found[1])}); use --at-loss TAG"
        )
    at = max((s for s in common if found[0][s] and found[1][s]), default=max(common)) if step is None else step
    return at, at


def _at_loss(runs: Sequence[Run], found: Sequence[Mapping[int, Any]], tag: str) -> tuple[int, int]:
    curves = []
    for run in runs:
        scalars = run.scalars()
        if tag not in scalars:
            raise InputError(f"{run.directory}: no curve {tag!r}; it has {', '.join(sorted(scalars)) or 'none'}")
        curves.append(scalars[tag])
    level = max(min(value for _, value in curve) for curve in curves)
    where = [next(step for step, value in curve if value <= level) for curve in curves]
    first, second = (min(steps, key=lambda s: abs(s - at)) for steps, at in zip(found, where, strict=True))
    return first, second


def _span(steps: Any) -> str:
    return f"{min(steps)} to {max(steps)}" if steps else "none"


def _differing(one: Mapping[str, Any], two: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    first, second = flat_settings(one), flat_settings(two)
    keys = sorted({*first, *second})
    return {key: (first.get(key), second.get(key)) for key in keys if first.get(key) != second.get(key)}


def _averages(one: Mapping[str, Reading], two: Mapping[str, Reading]) -> dict[str, tuple[float, float]]:
    first, second = (summarize(list(readings.values())) for readings in (one, two))
    names = [name for name in first if name in second]
    return {name.removeprefix("summary/"): (first[name], second[name]) for name in names}


def _drift(name: str, one: Reading, two: Reading) -> Drift:
    numbers = {q: (one.numbers.get(q, math.nan), two.numbers.get(q, math.nan)) for q in (*_JUDGED, "spikes")}
    apart = tuple(q for q in _JUDGED if _apart(_interval(one, q), _interval(two, q)))
    return Drift(name, (one.verdict, two.verdict), numbers, apart, (one.source.shape, two.source.shape))


def _interval(reading: Reading, quantity: str) -> tuple[float, float]:
    low, high = (reading.numbers.get(f"{quantity}_{end}", math.nan) for end in ("low", "high"))
    return low, high


def _apart(one: tuple[float, float], two: tuple[float, float]) -> bool:
    return one[1] < two[0] or two[1] < one[0]
