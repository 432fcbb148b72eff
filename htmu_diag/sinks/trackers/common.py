"""What the trackers share: the package, the numbers of a record, a configuration in plain values."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Mapping
from typing import Any

from htmu_diag.analysis.record import StepRecord
from htmu_diag.errors import InputError
from htmu_diag.sinks.scalars import Scalars, chosen

__all__ = ["imported", "numbers", "plain"]


def imported(package: str, extra: str) -> Any:
    """A tracker's package. Raises InputError with the command that installs it where it is missing."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise InputError(
            f"the sink {extra!r} needs {package} ({error}); run: python -m pip install 'htmu_diag[{extra}]'"
        ) from error


def numbers(record: StepRecord, scalars: Scalars, *, own: str = "") -> dict[str, float]:
    """The finite numbers of a record by tag. own: put before the training's numbers, to keep both apart."""
    found = chosen(record, record.metrics(), scalars)
    return {
        (own + tag if tag in record.scalars else tag): value for tag, value in found.items() if math.isfinite(value)
    }


def plain(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """A configuration as JSON knows it; what JSON does not know becomes its text."""
    values: dict[str, Any] = json.loads(json.dumps(dict(config or {}), default=str))
    return values
