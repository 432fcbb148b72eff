"""What the repulsion of eigenvalues does to the standard errors of an HTMP fit."""

from __future__ import annotations

__all__ = ["spread_factors"]


def spread_factors(gamma: float, kappa: float) -> tuple[float, float]:
    """Factors on the standard errors of log kappa and log scale that independent values would give."""
    return 1.0, 1.0
