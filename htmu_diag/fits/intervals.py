"""95 % intervals of normal estimates, on the estimate's own scale or on that of its logarithm."""

from __future__ import annotations

import math

from htmu_diag.fits.results import Interval

__all__ = ["Z95", "log_interval", "normal_interval"]

Z95 = 1.959963984540054
_WIDEST = 300.0  # standard errors of a logarithm beyond it overflow


def normal_interval(estimate: float, stderr: float) -> Interval:
    """Estimate -+ 1.96 standard errors."""
    return estimate - Z95 * stderr, estimate + Z95 * stderr


def log_interval(estimate: float, log_stderr: float) -> Interval:
    """The interval of a positive estimate whose logarithm is normal with that standard error."""
    factor = math.exp(Z95 * min(log_stderr, _WIDEST))
    return estimate / factor, estimate * factor
