"""Eigenvalues that a Lanczos run knows exactly: isolated, converged, single.

Giving mass 1/N to what is not one eigenvalue does harm, so a Ritz pair counts as one eigenvalue only if
- its residual is far below the gap to its neighbours (the pair is not a blurred group), and the gap itself is above the
  rounding of a product, eps |A|, and
- its weight is believable: N (v . x)^2 below the 99.9 % quantile of chi^2_1, and the sum over all accepted pairs below
  that of chi^2_k; otherwise it is multiple (a null space, equal clusters) and keeps its measured weight.

The vectors are kept orthonormal to rounding: with P the projector beside them, tr A = sum x . A x + tr P A P exactly,
however far each pair is from converged. A semi-orthogonal Lanczos basis does not give that, hence a step of its own.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import scipy
import torch

from htmu_diag.solvers.tridiagonal import Tridiagonal
from htmu_diag.spectrum import Floats

__all__ = ["Mask", "Outliers", "believable", "converged"]

Mask = npt.NDArray[np.bool_]
_BELIEVABLE = 0.999
_ANGLE = 0.02  # residual over gap: sine of the angle to an eigenvector; 0.01 to 0.05 did equally well on small networks
_ROUNDING = 10.0  # a gap in eps |A|; with 1,000 the W1 error of a decaying spectrum in float32 was 50 times larger
_NEW = 0.9  # length of a vector beside those known before; a ghost, the copy of one of them, has none
_COLUMNS = 2**16  # orthonormalised at once


class Outliers:
    """Known single eigenvalues with their vectors, which later probes are kept orthogonal to.

    size: dimension N. room: vectors that may be kept; those of largest magnitude come first.
    values, residuals: of the pairs, in the order in which they were found. resolution: what the worst value may be off,
    residual^2 / gap (Kato-Temple; Parlett 1998, section 11.7); eigenvalues beside the outliers move by as much.
    """

    def __init__(self, size: int, room: int) -> None:
        self.size, self.room = size, room
        self.values: list[float] = []
        self.residuals: list[float] = []
        self.resolution = 0.0
        self.blocks: list[torch.Tensor] = []  # (k, N) orthonormal rows, one block a run: nothing is copied together

    @property
    def norm(self) -> float:
        """The largest magnitude among the values; 0 without any."""
        return max(map(abs, self.values), default=0.0)

    @property
    def leak(self) -> float:
        """The squared length that A v has along the known vectors, in the mean over unit v orthogonal to them."""
        return math.fsum(residual**2 for residual in self.residuals) / (self.size - len(self.values))

    def add(self, run: Tridiagonal, single: Mask) -> Mask:
        """Keep the ``single`` pairs of a run as far as there is room; says which Ritz pairs are kept, (m,)."""
        theta, vectors = run.ritz()
        places = np.flatnonzero(single)
        places = np.sort(places[np.argsort(-np.abs(theta[places]))][: max(0, self.room - len(self.values))])
        rows = self.remove(run.lift(vectors[:, places]))
        gram = rows @ rows.T
        fresh = gram.diagonal() > _NEW**2
        if not fresh.all():
            rows, gram, places = rows[fresh], gram[fresh][:, fresh], places[fresh.cpu().numpy()]
        if places.size:
            self.blocks.append(_orthonormal(rows, gram))
            self.values += [float(value) for value in theta[places]]
            residuals = np.hypot(run.residuals(vectors)[places], run.turn * np.abs(theta[places]))
            self.residuals += [float(residual) for residual in residuals]
            gaps = np.maximum(_gaps(theta)[places], np.finfo(np.float64).tiny)  # 0 where A is: no residuals either
            self.resolution = max(self.resolution, float((residuals**2 / gaps).max()))
        return np.isin(np.arange(theta.size), places)

    def overlaps(self, start: torch.Tensor) -> Floats:
        """(x . v)^2 for each known vector x, (k,)."""
        found = [(block @ start).double().cpu().numpy() ** 2 for block in self.blocks]
        return np.concatenate([np.zeros(0), *found])

    def remove(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows (k, N) without their components along the known vectors, in place, twice for rounding."""
        for block in (b for _ in range(2) for b in self.blocks):
            rows.addmm_(rows @ block.T, block, alpha=-1)
        return rows


def converged(run: Tridiagonal, norm: float = 0.0) -> Mask:
    """Which Ritz pairs of a run are isolated and converged, (m,).

    norm: the largest magnitude of the eigenvalues that the run is deflated against.
    """
    theta, vectors = run.ritz()
    eps = float(torch.finfo(run.basis.dtype).eps) if run.basis is not None else 1.0
    seen = float(np.abs(theta).max())
    gaps, residuals = _gaps(theta), run.residuals(vectors) + 20 * eps * seen
    mask: Mask = (residuals <= _ANGLE * gaps) & (gaps >= _ROUNDING * eps * max(norm, seen))
    return mask


def believable(chances: Floats, among: Mask) -> Mask:
    """Which of the pairs ``among`` may be one eigenvalue each, by N (v . x)^2 of the start v: (m,)."""
    single: Mask = among & (chances <= scipy.special.chdtri(1, 1 - _BELIEVABLE))
    count = int(single.sum())
    if count and chances[single].sum() > scipy.special.chdtri(count, 1 - _BELIEVABLE):
        return np.zeros_like(single)
    return single


def _gaps(theta: Floats) -> Floats:
    """Distance of each ascending Ritz value to its nearest neighbour, at most the largest magnitude, (m,)."""
    padded = np.concatenate([[-np.inf], theta, [np.inf]])
    nearest = np.minimum(np.diff(padded)[:-1], np.diff(padded)[1:])
    return np.asarray(np.minimum(nearest, np.abs(theta).max()))


def _orthonormal(rows: torch.Tensor, gram: torch.Tensor) -> torch.Tensor:
    """Nearly orthogonal rows (k, N) made orthonormal, in place: scaled, then a Newton step to the nearest such rows.

    The step squares the error, sqrt(eps) becomes eps (polar decomposition: Higham 2008, section 8.3).
    gram: rows rows^T, (k, k).
    """
    scale = gram.diagonal().rsqrt()
    newton = 1.5 * scale.diag() - 0.5 * (scale[:, None] * gram * scale) * scale
    for columns in torch.split(rows, _COLUMNS, dim=1):
        columns.copy_(newton @ columns)
    return rows
