"""HTMP against a table of log densities from 60- to 1,200-digit arithmetic (columns gamma, kappa, x, logpdf)."""

from pathlib import Path

import numpy as np
import pytest

from htmu_diag.laws import HTMP

ROWS = np.loadtxt(Path(__file__).parent / "htmp_logpdf.csv", delimiter=",", skiprows=1)
PAIRS = sorted({(gamma, kappa) for gamma, kappa in ROWS[:, :2]})


@pytest.mark.parametrize(("gamma", "kappa"), PAIRS)
def test_htmp_log_density_agrees_with_the_reference_table(gamma: float, kappa: float) -> None:
    _, _, x, expected = ROWS[(ROWS[:, 0] == gamma) & (ROWS[:, 1] == kappa)].T
    error = np.abs(HTMP(gamma, kappa).logpdf(x) - expected)
    assert (error <= 1e-10 * np.maximum(1.0, np.abs(expected))).all()
