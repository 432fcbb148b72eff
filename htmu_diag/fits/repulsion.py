"""What the repulsion of eigenvalues does to the standard errors of an HTMP fit."""

from __future__ import annotations

__all__ = ["spread_factors"]


def spread_factors(gamma: float, kappa: float) -> tuple[float, float]:
    """Factors on the standard errors of log kappa and log scale that independent values would give."""
    return 1.0, 1.0


GAMMAS = (0.02, 0.1, 0.25, 0.5, 0.75, 1.0)
KAPPAS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
