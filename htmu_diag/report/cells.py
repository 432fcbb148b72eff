"""The cells of a table of diagnoses, as text; the headings come from `analysis.quantities`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from htmu_diag.analysis import QUANTITIES, Diagnosis
from htmu_diag.analysis.words import NO_VALUE, kappa_words, number, predicted_words, with_error

__all__ = ["Column", "columns", "number", "with_error"]


@dataclass(frozen=True)
class Column:
    """One column. text: what stands in its cell for a diagnosis. numeric: whether it is aligned to the right."""

    heading: str
    text: Callable[[Diagnosis], str]
    numeric: bool = True


def columns(diagnoses: Sequence[Diagnosis]) -> list[Column]:
    """The columns that suit these diagnoses: layer, (kind, where there are several,) shape, then the quantities."""
    several = len({d.source.kind for d in diagnoses}) > 1
    kind = [Column("kind", lambda d: d.source.kind.value, numeric=False)] if several else []
    named = [_quantity_column(q.name, q.heading) for q in QUANTITIES.values() if q.heading]
    tail = Column("tail", lambda d: d.tail.verdict.label, numeric=False)
    return [
        Column("layer", lambda d: d.source.name, numeric=False),
        *kind,
        Column("shape", _shape),
        *_after(named, tail),
    ]


def _after(columns: list[Column], tail: Column) -> list[Column]:
    """The verdict on the tail stands behind the p-value it explains."""
    place = 1 + [column.heading for column in columns].index(QUANTITIES["p"].heading)
    return [*columns[:place], tail, *columns[place:]]


def _shape(diagnosis: Diagnosis) -> str:
    return " x ".join(str(side) for side in diagnosis.source.shape)


def _quantity_column(name: str, heading: str) -> Column:
    if name == "phase":
        return Column(heading, lambda d: d.verdict, numeric=False)
    if name == "alpha":
        return Column(f"{heading} +- stderr", _alpha)
    if name in ("kappa", "kappa_bulk"):
        return Column(heading, lambda d: kappa_words(d.htmp if name == "kappa" else d.htmp_bulk))
    if name == "alpha_predicted":
        return Column(heading, predicted_words)
    if name == "law_best":
        return Column(heading, lambda d: d.laws.best.label if d.laws and d.laws.best else NO_VALUE, numeric=False)
    return Column(heading, lambda d: number(d.numbers.get(name, math.nan)))


def _alpha(diagnosis: Diagnosis) -> str:
    return with_error(diagnosis.numbers.get("alpha", math.nan), diagnosis.numbers.get("alpha_stderr", math.nan))
