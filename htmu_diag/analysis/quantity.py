"""One row of the table of numbers: what it is called, what it means, how layers are averaged, where it is shown."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from htmu_diag.errors import InputError

__all__ = ["Average", "Quantity"]

Average = Literal["", "mean", "median", "sum"]
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Quantity:
    """One number of a diagnosis.

    name: its key in tags, data frames and JSON. symbol, unit: for labels. low, high: its range, both included.
    meaning: one sentence. heading: the column of the printed table, empty where it has none.
    mean: how layers are averaged into a curve of the model, "" where they are not. fitted: whether it comes from a fit,
        whose averages leave small spectra out. brief: its heading where a step is one row, "" where it is not shown.
    of_weights: whether weight matrices have it.

    Raises InputError for a name that is no lower-case word, an empty range or an unknown average.
    """

    name: str
    symbol: str
    unit: str
    low: float
    high: float
    meaning: str
    heading: str = ""
    mean: Average = ""
    fitted: bool = False
    brief: str = ""
    of_weights: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise InputError(f"quantity {self.name!r}: a word of lower-case letters, digits and underscores is needed")
        if not self.low < self.high:
            raise InputError(f"quantity {self.name!r}: its range is empty, {self.low} to {self.high}; pass low < high")
        if self.mean not in ("", "mean", "median", "sum"):
            raise InputError(f"quantity {self.name!r}: mean={self.mean!r}; use '', 'mean', 'median' or 'sum'")

    @property
    def summary(self) -> str:
        """Its name among the numbers of a whole model, "" where it has none: ``alpha_mean``, ``spikes_sum``."""
        return f"{self.name}_{self.mean}" if self.mean else ""

    def content(self) -> dict[str, Any]:
        """As plain values of JSON, which knows no infinity: None there."""
        finite = {key: getattr(self, key) if math.isfinite(getattr(self, key)) else None for key in ("low", "high")}
        return {**asdict(self), **finite}

    @classmethod
    def of_content(cls, content: Mapping[str, Any]) -> Quantity:
        """What `content` was made from; fields of a later version are left out. Raises InputError, TypeError."""
        known = {key: value for key, value in content.items() if key in cls.__dataclass_fields__}
        low, high = known.get("low"), known.get("high")
        return cls(**{**known, "low": -math.inf if low is None else low, "high": math.inf if high is None else high})
