"""What the trackers share: the numbers of a record, a configuration in plain values."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from htmu_diag.analysis.record import StepRecord
from htmu_diag.analysis.summary import summarize
from htmu_diag.sinks.scalars import Scalars, chosen

__all__ = ["numbers", "plain"]


def numbers(record: StepRecord, scalars: Scalars, *, own: str = "") -> dict[str, float]:
    """The finite numbers of a record by tag. own: put before the training's numbers, to keep both apart."""
    found = chosen(record, summarize(record.diagnoses), scalars)
    return {
        (own + tag if tag in record.scalars else tag): value for tag, value in found.items() if math.isfinite(value)
    }


def plain(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """A configuration as JSON knows it; what JSON does not know becomes its text."""
    values: dict[str, Any] = json.loads(json.dumps(dict(config or {}), default=str))
    return values
