"""The learning curve of kernel (ridge) regression, from the kernel and the targets alone.

With K_ij = sum_k lam_k phi_k(x_i) phi_k(x_j) and a target of power v_k^2 in mode k, n random samples learn mode k to
the share L_k = lam_k / (lam_k + r), where the *resolution* r solves sum_k L_k + ridge / r = n: modes above it are
learned, modes below are not. The errors (mean squares, summed over outputs) that one then expects are

    test  = n / (n - sum L_k^2) * (sum (1 - L_k)^2 v_k^2 + noise),      train = (ridge / (n r))^2 * test

(Canatar, Bordelon & Pehlevan 2021; Simon, Dickens, Karkada & DeWeese 2023). Both are averages over all points of an
endless population (`expected_errors`). Where the population is the N points of a kernel, n of which are the training
set and the others the test, each point has a resolution of its own (`local_resolution`, ours): that is what
`learning_curve` computes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

from htmu_diag.arguments import checked, real, real_array, whole
from htmu_diag.errors import InputError
from htmu_diag.spectrum import Floats
from htmu_diag.theory.local_resolution import sampled_errors

__all__ = ["Errors", "LearningCurve", "expected_errors", "learning_curve", "power_law_slope", "resolution"]

NEGATIVE = 0.01  # of the largest eigenvalue: bfloat16 left a twentieth of that below zero, another matrix has more
BLOCKS = 10  # of the jackknife: errors of one part in four, at ten eigendecompositions


@dataclass(frozen=True)
class Errors:
    """Mean squared errors, summed over outputs: over the whole population, and on the training samples."""

    test: float
    train: float


@dataclass(frozen=True)
class LearningCurve:
    """Errors against the number of training samples; every error bar is one standard error, NaN where unknown.

    sizes: (k,) samples. test_error, train_error: (k,) mean squared errors on unseen and on training samples, summed
    over outputs. exponent: minus the slope of log(test_error) against log(sizes), by least squares.
    """

    sizes: Floats
    test_error: Floats
    test_stderr: Floats
    train_error: Floats
    train_stderr: Floats
    exponent: float
    exponent_stderr: float


@checked(ridge=real(0), blocks=whole(0))
def learning_curve(
    kernel: npt.ArrayLike,
    targets: npt.ArrayLike,
    sizes: Sequence[int] | None = None,
    ridge: float = 0.0,
    *,
    blocks: int = BLOCKS,
) -> LearningCurve:
    """What regression with this kernel would learn from n random ones of its N points, tested on the other N - n.

    kernel: (N, N) symmetric, positive semi-definite, over samples that the model was *not* trained on: a kernel that
        has seen its samples promises too much (12 to 24 % of the error, measured).
    targets: (N,) or (N, C), as they are: centre them where the regression has no constant.
    sizes: whole numbers in 1..N-1; by default eight from N/32 to N/2, in equal ratios.
    ridge: added to the diagonal of the n x n kernel matrix.
    blocks: groups of the jackknife over samples, which gives the standard errors; 0 leaves them NaN. A size that does
        not fit into the samples that remain without a group has no error. (Relative ones, of one resolution for all
        points: each size takes five inversions of the whole kernel, too dear for ten groups more.)

    Raises InputError for shapes that do not match, values that are not finite, a kernel that is not symmetric or has
    eigenvalues well below zero.
    """
    matrix, columns = checked_kernel(kernel, targets)
    count = len(matrix)
    chosen = chosen_sizes(sizes, count)
    spectrum = _spectrum(matrix)
    whole_test, whole_train = _alike(spectrum, columns, chosen, ridge)
    test, train = _each(spectrum, columns, chosen, ridge, (whole_test, whole_train))
    parts = _parts(count, blocks)
    left_out = [_alike(_spectrum(matrix[np.ix_(k, k)]), columns[k], chosen, ridge) for k in parts]
    tests = np.array([one[0] for one in left_out]).reshape(len(parts), chosen.size) * _ratio(test, whole_test)
    trains = np.array([one[1] for one in left_out]).reshape(len(parts), chosen.size) * _ratio(train, whole_train)
    slopes = np.array([power_law_slope(chosen, one) for one in tests])
    return LearningCurve(
        chosen,
        test,
        _jackknife(tests),
        train,
        _jackknife(trains),
        power_law_slope(chosen, test),
        float(_spread(slopes)),
    )


def expected_errors(
    eigenvalues: npt.ArrayLike, power: npt.ArrayLike, n: float, *, ridge: float = 0.0, noise: float = 0.0
) -> Errors:
    """Errors after n samples from eigenvalues lam (m,) and target power v^2 (m,) per mode; noise: its variance.

    Infinite at n = number of non-zero eigenvalues without ridge, where the regression interpolates by chance.
    """
    lam, squares = np.asarray(eigenvalues, dtype=np.float64), np.asarray(power, dtype=np.float64)
    root = resolution(lam, n, ridge)
    learned = np.where(lam > 0, lam / np.where(lam + root > 0, lam + root, 1.0), 0.0)
    slack = n - float(learned @ learned)
    unlearned = float(((1 - learned) ** 2) @ squares) + noise
    if slack <= 1e-12 * n:
        return Errors(math.inf if unlearned > 0 else 0.0, 0.0)
    test = n / slack * unlearned
    share = ridge / (n * root) if root > 0 else max(0.0, 1 - float(learned.sum()) / n)
    return Errors(test, share**2 * test)


def resolution(eigenvalues: npt.ArrayLike, n: float, ridge: float = 0.0) -> float:
    """The eigenvalue down to which n samples resolve: the root r of sum lam/(lam + r) + ridge/r = n; 0 where n samples
    determine every mode (no ridge, at most n non-zero eigenvalues).
    """
    lam = np.asarray(eigenvalues, dtype=np.float64)
    lam = lam[lam > 0]
    if ridge == 0 and lam.size <= n:
        return 0.0
    high = (float(lam.sum()) + ridge) / n  # each term at most lam / r
    low = ridge / n if ridge > 0 else float(lam.min()) * (lam.size - n) / n  # each term at least that of the smallest
    if low >= high * (1 - 1e-12):
        return high

    def excess(log_root: float) -> float:
        root = math.exp(log_root)
        return float((lam / (lam + root)).sum()) + ridge / root - n

    return math.exp(scipy.optimize.brentq(excess, math.log(low) - 1e-9, math.log(high) + 1e-9, xtol=1e-13, rtol=1e-13))


def power_law_slope(sizes: Floats, errors: Floats) -> float:
    """Minus the least-squares slope of log(errors) against log(sizes); NaN below two sizes with positive ones."""
    known = np.isfinite(errors) & (errors > 0)
    if np.unique(sizes[known]).size < 2:
        return math.nan
    return float(-np.polyfit(np.log(sizes[known]), np.log(errors[known]), 1)[0])


def checked_kernel(kernel: npt.ArrayLike, targets: npt.ArrayLike) -> tuple[Floats, Floats]:
    """The kernel (N, N) and the targets (N, C) as float64. Raises InputError for what is neither."""
    matrix, columns = real_array(kernel, "kernel"), real_array(targets, "targets")
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 4:
        raise InputError(f"kernel of shape {matrix.shape}: a learning curve needs (N, N) with N >= 4")
    if columns.ndim not in (1, 2) or len(columns) != len(matrix):
        raise InputError(f"targets of shape {columns.shape} for a kernel of {len(matrix)} samples; pass (N,) or (N, C)")
    if not (np.isfinite(matrix).all() and np.isfinite(columns).all()):
        raise InputError("the kernel or the targets hold NaN or infinite values; leave those samples out")
    if not np.allclose(matrix, matrix.T, rtol=1e-4, atol=1e-6 * float(np.abs(matrix).max())):
        raise InputError("the kernel is not symmetric; pass K(x_i, x_j) over one set of samples")
    return (matrix + matrix.T) / 2, columns.reshape(len(matrix), -1)


def _each(
    spectrum: tuple[Floats, Floats], columns: Floats, sizes: Floats, ridge: float, alike: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    """Errors on unseen and on training samples, a resolution for each; ``alike``: those with one for all points."""
    values, vectors = spectrum
    count = len(vectors)
    clean = (vectors * (count * values)) @ vectors.T
    test, train = alike[0].copy(), alike[1].copy()
    for place, n in enumerate(sizes):
        root = resolution(values, n, ridge)
        if root > 0:  # else every mode is determined, and all points are alike
            test[place], train[place] = sampled_errors(clean, columns, int(n), ridge, count * root)
    return test, train


def _alike(spectrum: tuple[Floats, Floats], columns: Floats, sizes: Floats, ridge: float) -> tuple[Floats, Floats]:
    """The same with one resolution for all points, NaN for sizes that leave no sample unseen."""
    values, vectors = spectrum
    count = len(vectors)
    power = ((vectors.T @ columns) ** 2).sum(axis=1) / count
    found = [expected_errors(values, power, n, ridge=ridge) if n < count else Errors(np.nan, np.nan) for n in sizes]
    unseen = [(count * one.test - n * one.train) / max(count - n, 1) for n, one in zip(sizes, found, strict=True)]
    return np.array(unseen), np.array([one.train for one in found])


def _spectrum(matrix: Floats) -> tuple[Floats, Floats]:
    """Eigenvalues over N, those of rounding as zero (kernels come in float32), and eigenvectors."""
    values, vectors = np.linalg.eigh(matrix)
    if values[0] < -NEGATIVE * np.abs(values).max():
        raise InputError(
            f"the kernel has eigenvalues from {values[0]:.3g} to {values[-1]:.3g}; pass a positive semi-definite one"
        )
    return np.where(values > 2 * np.finfo(np.float32).eps * values[-1], values, 0.0) / len(matrix), vectors


def _ratio(one: Floats, other: Floats) -> Floats:
    return np.divide(one, other, out=np.ones_like(one), where=(other > 0) & np.isfinite(other))


def chosen_sizes(sizes: Sequence[int] | None, count: int) -> Floats:
    if sizes is None:
        return np.unique(np.geomspace(max(1.0, count / 32), count / 2, 8).round())
    chosen = real_array(sizes, "sizes")
    if chosen.ndim != 1 or not chosen.size or (chosen % 1).any() or chosen.min() < 1 or chosen.max() >= count:
        raise InputError(f"sizes={sizes!r}: pass whole numbers from 1 to {count - 1}, below the kernel's {count}")
    return chosen


def _parts(count: int, blocks: int) -> list[npt.NDArray[np.intp]]:
    """For each group of samples, the indices of all others; groups are drawn, since rows may be in an order."""
    if blocks < 2 or count < 2 * blocks:
        return []
    order = np.random.default_rng(0).permutation(count)
    return [np.sort(np.setdiff1d(order, order[i::blocks])) for i in range(blocks)]


def _jackknife(left_out: Floats) -> Floats:
    """Standard errors (k,) from estimates (blocks, k) without one group each (Efron & Tibshirani 1993, eq. 11.5)."""
    return np.array([_spread(column) for column in left_out.T]) if len(left_out) else np.full(left_out.shape[1], np.nan)


def _spread(column: Floats) -> float:
    if column.size < 2 or not np.isfinite(column).all():
        return math.nan
    return float(np.sqrt((column.size - 1) * np.var(column)))
