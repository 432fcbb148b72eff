"""The powerlaw package as a second opinion (Alstott, Bullmore & Plenz 2014).

It is imported here and in the tests only: importing it patches multiprocessing. Its version 2 limits alpha to [0, 3]
unless told otherwise and minimises numerically outside (1.5, 3], to about 1e-5.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import warnings
from typing import Any

import numpy as np

from htmu_diag.fits.scan import ScanResult
from htmu_diag.spectrum import Floats

__all__ = ["powerlaw_fit", "powerlaw_difference"]

_WIDE = {"alpha": [1.0, 1e6]}


def powerlaw_fit(values: Floats, xmin: float | None = None) -> Any:
    """``powerlaw.Fit`` of positive values with alpha left free, silently, in either major version."""
    fit = importlib.import_module("powerlaw").Fit
    names = inspect.signature(fit.__init__).parameters
    options: dict[str, Any] = {"xmin": xmin, "verbose": False}
    if "parameter_ranges" in names:
        options["parameter_ranges"] = _WIDE
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        result = fit(values, **options)
        result.power_law  # noqa: B018  (an attribute that fits when it is first read)
    return result


def powerlaw_difference(values: Floats, found: ScanResult, xmin: float | None) -> float:
    """Largest absolute difference in alpha, xmin and KS distance between ``found`` and the powerlaw package."""
    theirs = powerlaw_fit(values, xmin)
    pairs = [
        (found.alpha, theirs.power_law.alpha),
        (found.xmin, theirs.xmin),
        (found.ks_distance, theirs.power_law.D),
    ]
    return float(max(abs(ours - float(other)) for ours, other in pairs))
