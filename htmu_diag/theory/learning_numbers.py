"""What a kernel says about learning, as the few numbers that are logged beside its spectrum.

Errors are shares of the targets' own variance (1: nothing learned). Predicted from the kernel's eigenvalues and the
targets' coefficients, and measured by regression with it on splits of the same samples, at a quarter and half of them.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from htmu_diag.spectrum import Floats
from htmu_diag.theory.kernel_regression import kernel_regression_curve
from htmu_diag.theory.learning_curve import checked_kernel, learning_curve
from htmu_diag.theory.scaling import learning_exponent, rank_exponent, target_exponent

__all__ = ["learning_numbers"]

LEAST = 32  # samples: a quarter of fewer trains on nothing
DRAWS = 8


def learning_numbers(kernel: npt.ArrayLike, targets: npt.ArrayLike) -> dict[str, float]:
    """By name in `quantities`; kernel (N, N), targets (N,) or (N, C), which are centred here. Empty for N < 32 and for
    constant targets. Raises InputError as `learning_curve` does.
    """
    matrix, columns = checked_kernel(kernel, targets)
    columns = columns - columns.mean(axis=0)
    variance = float((columns**2).sum(axis=1).mean())
    if len(matrix) < LEAST or variance == 0:
        return {}
    sizes = [len(matrix) // 4, len(matrix) // 2]
    predicted = learning_curve(matrix, columns, [len(matrix) // 16, len(matrix) // 8, *sizes], blocks=0)
    measured = kernel_regression_curve(matrix, columns, sizes, draws=DRAWS)
    found = {
        "predicted_error_quarter": predicted.test_error[-2] / variance,
        "predicted_error_half": predicted.test_error[-1] / variance,
        "measured_error_quarter": measured.test_error[0] / variance,
        "measured_error_half": measured.test_error[1] / variance,
        "measured_error_half_stderr": measured.test_stderr[1] / variance,
        "learning_slope": predicted.exponent,
        **_exponents(matrix, columns),
    }
    return {name: float(value) for name, value in found.items() if math.isfinite(value)}


def _exponents(matrix: Floats, columns: Floats) -> dict[str, float]:
    """The asymptotic exponent min(b - 1, 2a) from the ranks of eigenvalues and of the targets' power."""
    values, vectors = np.linalg.eigh(matrix)
    power = ((vectors.T @ columns) ** 2).sum(axis=1)[::-1]
    spectrum, target = rank_exponent(values), target_exponent(power)
    if not (math.isfinite(spectrum.value) and math.isfinite(target.value)):
        return {}
    exponent = learning_exponent(spectrum, target)
    return {
        "target_exponent": target.value,
        "learning_exponent": exponent.value,
        "learning_exponent_stderr": exponent.stderr,
    }
