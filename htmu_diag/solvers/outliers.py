"""Eigenvalues that a Lanczos run knows exactly: isolated, converged, single.

Giving mass 1/N to what is not one eigenvalue does harm, so a Ritz pair counts as one eigenvalue only if
- its residual is far below the gap to its neighbours (the pair is not a blurred group), and
- its weight is believable: N (v . x)^2 below the 99.9 % quantile of chi^2_1, and the sum over all accepted pairs below
  that of chi^2_k; otherwise it is multiple (a null space, equal clusters) and keeps its measured weight.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import chi2

from htmu_diag.solvers.lanczos import Tridiagonal
from htmu_diag.spectrum import Floats

__all__ = ["Outliers", "single_pairs"]

_BELIEVABLE = 0.999
_ANGLE = 0.02  # residual over gap: sine of the angle to an eigenvector; 0.01 to 0.05 did equally well on small networks


class Outliers:
    """Known single eigenvalues with their vectors, which later probes are kept orthogonal to.

    size: dimension N. room: vectors that may be kept; those of largest magnitude come first.
    errors: how far each value may be off, residual^2 / gap (Kato-Temple; Parlett 1998, section 11.7).
    """

    def __init__(self, size: int, room: int) -> None:
        self.size, self.room = size, room
        self.values: list[float] = []
        self.errors: list[float] = []
        self.blocks: list[torch.Tensor] = []  # (k, N) orthonormal rows, one block a run: nothing is copied together

    def add(self, run: Tridiagonal, chances: Floats) -> npt.NDArray[np.bool_]:
        """Keep the single pairs of a run; says which Ritz values they are, (m,). chances: N (v . x)^2 of its start."""
        theta, vectors = run.ritz()
        single = single_pairs(run, theta, vectors, chances)
        places = np.flatnonzero(single)
        if places.size > self.room - len(self.values):
            places = places[np.argsort(-np.abs(theta[places]))][: max(0, self.room - len(self.values))]
            single = np.isin(np.arange(theta.size), places)
        if not single.any():
            return single
        rows = run.lift(vectors[:, single])
        self.remove(rows)
        rows /= rows.norm(dim=1, keepdim=True)
        self.blocks.append(rows)
        self.values += [float(value) for value in theta[single]]
        self.errors += [float(error) for error in (run.residuals(vectors) ** 2 / _gaps(theta))[single]]
        return single

    def overlaps(self, start: torch.Tensor) -> Floats:
        """(x . v)^2 for each known vector x, (k,)."""
        found = [(block @ start).double().cpu().numpy() ** 2 for block in self.blocks]
        return np.concatenate([np.zeros(0), *found])

    def remove(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows (k, N) without their components along the known vectors, in place, twice for rounding."""
        for block in (b for _ in range(2) for b in self.blocks):
            rows.sub_((rows @ block.T) @ block)
        return rows

    def squares(self, rows: torch.Tensor) -> torch.Tensor:
        """The squared length of each row's part along the known vectors, (k,)."""
        total = torch.zeros(rows.shape[0], dtype=rows.dtype, device=rows.device)
        for block in self.blocks:
            total += (rows @ block.T).square().sum(1)
        return total


def single_pairs(run: Tridiagonal, theta: Floats, vectors: Floats, chances: Floats) -> npt.NDArray[np.bool_]:
    """Which Ritz pairs are one known eigenvalue each, (m,); ``chances`` are N (v . x)^2 of the start v."""
    scale = float(np.abs(theta).max())
    eps = float(torch.finfo(run.basis.dtype).eps) if run.basis is not None else 1.0
    tight = run.residuals(vectors) + 20 * eps * scale <= _ANGLE * _gaps(theta)
    single: npt.NDArray[np.bool_] = tight & (chances <= chi2.ppf(_BELIEVABLE, 1))
    count = int(single.sum())
    if count and chances[single].sum() > chi2.ppf(_BELIEVABLE, count):
        return np.zeros_like(single)
    return single


def _gaps(theta: Floats) -> Floats:
    """Distance of each ascending Ritz value to its nearest neighbour, at most the largest magnitude, (m,)."""
    padded = np.concatenate([[-np.inf], theta, [np.inf]])
    nearest = np.minimum(np.diff(padded)[:-1], np.diff(padded)[1:])
    return np.asarray(np.minimum(nearest, np.abs(theta).max()))
