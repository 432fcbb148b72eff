"""Kernel (ridge) regression itself: the measured learning curve beside the predicted one.

n of the N samples train, the others test; the draws share their samples, so their scatter over sqrt(draws) is the error
of the mean *for these N samples*, the population that `learning_curve` predicts for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from htmu_diag.arguments import GENERATOR, checked, optional, real, whole
from htmu_diag.spectrum import Floats
from htmu_diag.theory.learning_curve import LearningCurve, checked_kernel, chosen_sizes, power_law_slope

__all__ = ["kernel_regression_curve"]

DRAWS = 20  # training sets of each size


@checked(ridge=real(0), draws=whole(2, 10**6), rng=optional(GENERATOR))
def kernel_regression_curve(
    kernel: npt.ArrayLike,
    targets: npt.ArrayLike,
    sizes: Sequence[int],
    ridge: float = 0.0,
    *,
    draws: int = DRAWS,
    rng: np.random.Generator | None = None,
) -> LearningCurve:
    """Mean squared errors of regression on random splits of the kernel's samples, with standard errors over draws.

    kernel (N, N), targets (N,) or (N, C), sizes below N, ridge: as in `learning_curve`. draws: at least 2.
    """
    matrix, columns = checked_kernel(kernel, targets)
    chosen = chosen_sizes(sizes, len(matrix))
    rng = rng or np.random.default_rng(0)
    found = np.array(
        [_one_set(matrix, columns, chosen.astype(int), ridge, rng) for _ in range(draws)]
    )  # (draws, sizes, 2)
    mean, stderr = found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(draws)
    slopes = [power_law_slope(chosen, one[:, 0]) for one in found]
    return LearningCurve(
        chosen,
        mean[:, 0],
        stderr[:, 0],
        mean[:, 1],
        stderr[:, 1],
        power_law_slope(chosen, mean[:, 0]),
        float(np.std(slopes, ddof=1) / np.sqrt(draws)),
    )


def _one_set(
    matrix: Floats, columns: Floats, sizes: Iterable[int], ridge: float, rng: np.random.Generator
) -> list[tuple[float, float]]:
    order = rng.permutation(len(matrix))
    return [_errors(matrix, columns, order[:n], order[n:], ridge) for n in sizes]


def _errors(
    matrix: Floats, columns: Floats, seen: npt.NDArray[np.intp], unseen: npt.NDArray[np.intp], ridge: float
) -> tuple[float, float]:
    """Test and train error of one split; the least-norm solution where the training kernel is singular."""
    own = matrix[np.ix_(seen, seen)] + ridge * np.eye(len(seen))
    weights = np.linalg.lstsq(own, columns[seen], rcond=None)[0]
    missed = matrix[np.ix_(unseen, seen)] @ weights - columns[unseen]
    left = matrix[np.ix_(seen, seen)] @ weights - columns[seen]
    return float((missed**2).sum(axis=1).mean()), float((left**2).sum(axis=1).mean())
