"""The largest or smallest eigenpairs, with residuals: thick-restarted Lanczos with full orthogonalisation.

The basis grows by one product a step; A is projected on it explicitly (Rayleigh-Ritz), so a restart only keeps the best
Ritz vectors and the last direction (Wu & Simon 2000). An eigenvalue is accepted when its residual is below
tolerance * |theta|, or at the rounding of a product: relative, so a loss scaled by 1e-9 changes nothing but the values.
The error of an isolated eigenvalue is of the order of the residual squared over its gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from htmu_diag.arguments import checked, one_of, optional, real, whole
from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.model.arguments import OPERATOR, RANDOM
from htmu_diag.operators.base import Operator
from htmu_diag.solvers.orthogonality import project_out
from htmu_diag.solvers.tridiagonal import start_vector
from htmu_diag.spectrum import Floats, Source, Spectrum

__all__ = ["Eigenpairs", "Which", "top_k"]

Which = Literal["largest", "smallest", "both"]


@dataclass(frozen=True)
class Eigenpairs:
    """Extreme eigenpairs of an operator of dimension ``dimension``.

    values: (k,) ascending. vectors: (k, N) orthonormal rows, torch. residuals: (k,) |A x - lambda x|.
    converged: every residual is below the tolerance; where False the values are lower bounds of those sought.
    """

    values: Floats
    vectors: torch.Tensor
    residuals: Floats
    converged: bool
    products: int
    dimension: int

    def spectrum(self, source: Source) -> Spectrum:
        """The pairs as a censored spectrum: mass 1/dimension each, the rest unknown."""
        routine = f"lanczos top-k, residual {self.residuals.max():.1e}, {'' if self.converged else 'not '}converged"
        return Spectrum.top_k(self.values, self.dimension, source, routine=routine, products=self.products)


@checked(
    operator=OPERATOR,
    k=whole(),
    which=one_of("largest", "smallest", "both"),
    tolerance=optional(real(0, above=True)),
    max_products=optional(whole(1)),
    max_basis=optional(whole(1)),
    rng=RANDOM,
)
def top_k(
    operator: Operator,
    k: int,
    which: Which = "largest",
    *,
    tolerance: float | None = None,
    max_products: int | None = None,
    max_basis: int | None = None,
    rng: torch.Generator | None = None,
) -> Eigenpairs:
    """The ``k`` largest (algebraically), smallest, or k of each ("both") eigenpairs.

    tolerance: residual relative to |theta|; default 1e-4 below float64 (the eigenvalue of an isolated pair
    is then good to about 1e-7) and 1e-8 in float64.
    max_products: default 20 k + 200. max_basis: vectors kept before a restart, default max(4 k, k + 60).
    rng: start vector; a generator seeded with 0 by default. Raises InputError unless 1 <= k <= N.
    """
    size = operator.shape[0]
    if not 1 <= k <= size:
        raise InputError(f"top_k of an operator of dimension {size} needs 1 <= k <= {size}, got {k}")
    wanted = min(2 * k if which == "both" else k, size)
    tolerance = tolerance or (1e-8 if operator.dtype == torch.float64 else 1e-4)
    room = min(size, max(max_basis or max(4 * wanted, wanted + 60), wanted + 3))
    space = _Subspace(operator, room, rng or torch.Generator().manual_seed(0))
    floor = 50 * torch.finfo(operator.dtype).eps
    for _ in range(max_products or 20 * wanted + 200):
        space.expand()
        theta, vectors, residuals = space.ritz()
        picked = _extremes(theta, k, which)
        small = residuals[picked] <= np.maximum(tolerance * np.abs(theta[picked]), floor * np.abs(theta).max())
        settled = space.coupling > 0 or space.exhausted > 2
        converged = space.filled == size or (settled and picked.size == wanted and bool(small.all()))
        if converged:
            break
        if space.filled == room:
            space.restart(_extremes(theta, min(k + 3 + k // 2, (room - 2) // (1 + (which == "both"))), which))
    theta, vectors, residuals = space.ritz()
    picked = _extremes(theta, k, which)
    rows = space.lift(vectors[:, picked])
    return Eigenpairs(theta[picked], rows, residuals[picked], converged, space.products, size)


def _extremes(theta: Floats, k: int, which: Which) -> npt.NDArray[np.intp]:
    n = theta.size
    low, high = np.arange(min(k, n)), np.arange(max(n - k, 0), n)
    return {"largest": high, "smallest": low, "both": np.union1d(low, high)}[which]


class _Subspace:
    """An orthonormal basis (rows) and the operator projected on it."""

    def __init__(self, operator: Operator, room: int, rng: torch.Generator) -> None:
        self.operator, self.rng = operator, rng
        self.basis = torch.empty(room + 1, operator.shape[0], dtype=operator.dtype, device=operator.device)
        self.projected = np.zeros((room, room))
        self.basis[0] = start_vector(operator, rng)
        self.filled, self.products, self.coupling, self.exhausted = 0, 0, 0.0, 0

    def expand(self) -> None:
        """One product: project A on the newest vector and store the next direction."""
        j = self.filled
        rows, w = self.basis[: j + 1], self.operator.matvec(self.basis[j]).clone()
        h = rows @ w
        w -= rows.T @ h
        correction = rows @ w
        w -= rows.T @ correction
        column = (h + correction).double().cpu().numpy()
        if not np.isfinite(column).all():
            raise MeasurementError("a product with the operator is NaN or infinite; look for a diverged layer")
        self.projected[: j + 1, j] = self.projected[j, : j + 1] = column
        self.filled, self.products = j + 1, self.products + 1
        self._continue_along(w, float(w.norm()))

    def ritz(self) -> tuple[Floats, Floats, Floats]:
        """Ritz values (m,), coefficient vectors (m, m) in columns, residual norms (m,)."""
        theta, vectors = np.linalg.eigh(self.projected[: self.filled, : self.filled])
        return theta, vectors, self.coupling * np.abs(vectors[-1])

    def lift(self, coefficients: Floats) -> torch.Tensor:
        """Rows (k, N) from coefficients (m, k)."""
        rows = torch.as_tensor(coefficients.T.copy(), dtype=self.basis.dtype, device=self.basis.device)
        return rows @ self.basis[: self.filled]

    def restart(self, keep: npt.NDArray[np.intp]) -> None:
        """Keep the Ritz vectors ``keep`` and the newest direction; forget the rest."""
        theta, vectors, _ = self.ritz()
        newest = self.basis[self.filled].clone()
        self.basis[: keep.size] = self.lift(vectors[:, keep])
        self.basis[keep.size] = newest
        self.projected[:] = 0.0
        self.projected[: keep.size, : keep.size] = np.diag(theta[keep])
        self.filled = keep.size

    def _continue_along(self, w: torch.Tensor, norm: float) -> None:
        """Normalise the next direction; in an invariant subspace, take a random one."""
        scale = np.abs(self.projected[: self.filled, : self.filled]).max()
        self.coupling = norm
        if norm <= 10 * torch.finfo(w.dtype).eps * scale:
            self.coupling, self.exhausted = 0.0, self.exhausted + 1
            w = start_vector(self.operator, self.rng)
            norm = project_out(w, self.basis[: self.filled])
        self.basis[self.filled] = w / max(norm, 1e-300)
