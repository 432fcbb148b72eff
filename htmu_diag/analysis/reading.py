"""What a diagnosis says, without the fits behind it: names, numbers, words. It is what is stored, sent and tabulated.

A `Diagnosis` holds laws and arrays; a `Reading` is the row that a person sees. It is made of all numbers and words of
it, so one that a diagnosis learns to give is kept without a change here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from htmu_diag.extras import Late
from htmu_diag.spectrum import Source

if TYPE_CHECKING:
    from htmu_diag.analysis import diagnosis as whole
else:
    whole = Late("htmu_diag.analysis.diagnosis")

__all__ = ["Reading"]

_IDENTITY = ("name", "kind", "rows", "columns", "step")  # of a row: they are the source's


@dataclass(frozen=True)
class Reading:
    """One spectrum's row.

    numbers: by their names in `quantities`; NaN, or absent, where there is no value.
    texts: "verdict", "reason", "tail_status", "htmp_status", "routine" and whatever else a diagnosis says in words.
    """

    source: Source
    numbers: Mapping[str, float]
    texts: Mapping[str, str]

    @classmethod
    def of(cls, diagnosis: whole.Diagnosis) -> Reading:
        """The reading of a diagnosis."""
        numbers = {name: float(value) for name, value in diagnosis.numbers.items()}
        return cls(diagnosis.source, numbers, diagnosis.texts)

    @property
    def verdict(self) -> str:
        """The phase in words, or what is said of the tail."""
        return self.texts.get("verdict", "")

    @property
    def reason(self) -> str:
        """Why, in a sentence; empty where a spectrum has no phases."""
        return self.texts.get("reason", "")

    @property
    def prediction_stands(self) -> bool:
        """False where the law behind the prediction is known not to describe the spectrum, as `Diagnosis` says it."""
        return self.texts.get("htmp_status") != "does_not_describe"

    def metrics(self) -> dict[str, float]:
        """Finite numbers by tag (``weights_alpha/fc1.weight``), as `Diagnosis.metrics`."""
        kind, name = self.source.kind.value, self.source.name
        return {f"{kind}_{quantity}/{name}": v for quantity, v in self.numbers.items() if isfinite(v)}

    def row(self) -> dict[str, Any]:
        """The row of a table, with the columns and the order of `Diagnosis.row`."""
        rows, columns = self.source.shape
        identity = (self.source.name, self.source.kind.value, rows, columns, self.source.step)
        return {**dict(zip(_IDENTITY, identity, strict=True)), **self.numbers, **self.texts}
