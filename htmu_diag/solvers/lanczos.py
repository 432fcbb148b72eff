"""The Lanczos process, written once: an orthonormal basis in which a symmetric operator is tridiagonal.

From a start q_1 it builds A Q = Q T + beta_m q_{m+1} e_m^T, Q (N, m) orthonormal, T tridiagonal. The eigenpairs
(theta, s) of T are the Ritz pairs; the residual of one is |A x - theta x| = beta_m |s_m|, and the squared first
entries s_1^2 are the weights of the Gauss rule of the measure that q_1 sees (Golub & Welsch 1969).

In floating point the basis loses orthogonality exactly where Ritz values converge (Paige 1971). Three policies:

- ``full``: every vector is orthogonalised against all before it, twice (two classical Gram-Schmidt passes, as two
  matrix-vector products each, suffice: Giraud, Langou & Rozloznik 2005). Traffic O(m^2 N), most of the cost.
- ``selective``: the loss is *predicted* by the scalar recurrence of Simon (1984), which costs nothing, and the vectors
  are orthogonalised, two in a row, only when it reaches sqrt(eps). Such a basis is semi-orthogonal, and T is then
  the projection of A to rounding accuracy (Simon 1984, theorem 4).
- ``none``: nothing is stored but two vectors. Converged eigenvalues appear again as ghosts; the quadrature stays good
  (Greenbaum 1989), Ritz vectors are not available.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.linalg
import torch

from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.operators.base import Operator
from htmu_diag.solvers.orthogonality import LossEstimate, project_out
from htmu_diag.spectrum import Floats

__all__ = ["Reorthogonalize", "Tridiagonal", "lanczos", "start_vector"]

_CANCELLED = 0.7  # of a length left by a projection: less, and it is repeated (Daniel, Gragg, Kaufman & Stewart 1976)
_PASSES = 4  # at most: where the rows are semi-orthogonal, each leaves sqrt(eps) of what it removes

Reorthogonalize = Literal["full", "selective", "none"]


@dataclass(frozen=True)
class Tridiagonal:
    """What a Lanczos run knows.

    alphas: (m,) the diagonal of T. betas: (m,) its off-diagonal, the last one couples to the unused next vector.
    basis: (m, N) rows q_1 .. q_m in the operator's dtype; None with ``reorthogonalize="none"``.
    exhausted: the start vector lies in an invariant subspace of dimension m < steps: the Gauss rule is exact.
    reorthogonalized: basis vectors that were orthogonalised against all earlier ones.
    """

    alphas: Floats
    betas: Floats
    basis: torch.Tensor | None
    exhausted: bool = False
    reorthogonalized: int = 0

    @property
    def steps(self) -> int:
        """Products spent, m."""
        return self.alphas.size

    def ritz(self) -> tuple[Floats, Floats]:
        """Ritz values (m,) ascending and the eigenvectors of T (m, m) in columns."""
        theta, vectors = scipy.linalg.eigh_tridiagonal(self.alphas, self.betas[:-1])
        return np.asarray(theta), np.asarray(vectors)

    def residuals(self, vectors: Floats) -> Floats:
        """|A x - theta x| of each Ritz pair, (m,), from the last row of T's eigenvectors."""
        return np.asarray(self.betas[-1] * np.abs(vectors[-1]))

    def lift(self, columns: Floats) -> torch.Tensor:
        """Vectors (k, N), rows, from coefficients (m, k) in the Lanczos basis. Raises InputError without a basis."""
        if self.basis is None:
            raise InputError("a Lanczos run without reorthogonalisation keeps no basis; choose full or selective")
        rows = torch.as_tensor(columns.T.copy(), dtype=self.basis.dtype, device=self.basis.device)
        return rows @ self.basis


def start_vector(operator: Operator, rng: torch.Generator) -> torch.Tensor:
    """A direction uniform on the unit sphere, (N,), drawn on the CPU so that every device sees the same one.

    Drawn in float32 for every dtype: a third of the time, and the same direction.
    """
    draw = torch.randn(operator.shape[0], generator=rng).to(operator.device, operator.dtype)
    return draw.div_(draw.norm())


def lanczos(
    operator: Operator,
    *,
    steps: int,
    v0: torch.Tensor,
    reorthogonalize: Reorthogonalize = "selective",
    against: Sequence[torch.Tensor] = (),
    norm: float = 0.0,
) -> Tridiagonal:
    """Run at most ``steps`` products from ``v0`` (N,), which need not be normalised.

    against: blocks (k, N) of orthonormal rows, deflated: the run stays orthogonal to them, as if the operator were
    projected.
    norm: the largest magnitude of the eigenvalues deflated. A product rounds to eps |A|, whatever part of A is left.
    Raises InputError where v0 has another length, MeasurementError where a product is not finite.
    """
    run = _Run(operator, min(steps, operator.shape[0]), v0, reorthogonalize, against, norm)
    while run.step():
        pass
    return run.result()


class _Run:
    """One Lanczos run in progress."""

    def __init__(
        self,
        operator: Operator,
        steps: int,
        v0: torch.Tensor,
        policy: Reorthogonalize,
        against: Sequence[torch.Tensor],
        norm: float,
    ) -> None:
        size = operator.shape[0]
        if steps < 1 or v0.shape != (size,):
            raise InputError(f"Lanczos needs steps >= 1 and v0 of shape ({size},), got {steps} and {tuple(v0.shape)}")
        self.operator, self.steps, self.policy, self.against, self.norm = operator, steps, policy, against, norm
        kept = steps if policy != "none" else 2
        self.basis = torch.empty(kept, size, dtype=operator.dtype, device=operator.device)
        self.alphas: list[float] = []
        self.betas: list[float] = []
        self.loss = LossEstimate(steps, float(torch.finfo(operator.dtype).eps), norm)
        self.exhausted, self.cleaned, self.again = False, 0, False
        self._row(0).copy_(v0)
        self._row(0).div_(_without(self._row(0), against))

    def step(self) -> bool:
        """One product; False when the run is over."""
        j = len(self.alphas)
        q = self._row(j)
        w = self.operator.matvec(q).to(q.dtype)
        if j:
            w = w.sub_(self._row(j - 1), alpha=self.betas[-1])
        alpha = _finite(float(w.dot(q)), j)
        w.sub_(q, alpha=alpha)
        self.alphas.append(alpha)
        self.betas.append(self._clean(w, j))
        scale = max(self.norm, *map(abs, self.alphas + self.betas[:-1]))
        self.exhausted = self.betas[-1] <= 10 * torch.finfo(q.dtype).eps * scale
        if self.exhausted or j + 1 == self.steps:
            return False
        torch.div(w, self.betas[-1], out=self._row(j + 1))
        return True

    def result(self) -> Tridiagonal:
        m = len(self.alphas)
        basis = None if self.policy == "none" else self.basis[:m]
        return Tridiagonal(np.array(self.alphas), np.array(self.betas), basis, self.exhausted, self.cleaned)

    def _row(self, j: int) -> torch.Tensor:
        return self.basis[j % 2 if self.policy == "none" else j]

    def _clean(self, w: torch.Tensor, j: int) -> float:
        """Make w (in place) orthogonal to what is deflated, and to the basis where the policy asks; returns |w|."""
        length = _without(w, self.against)
        due = self.policy == "selective" and (self.loss.exceeds(self.alphas, self.betas, length) or self.again)
        if due:
            self.loss.reset()
            self.again = not self.again
        if not due and self.policy != "full":
            return length
        self.cleaned += 1
        return _without(w, [*self.against, self.basis[: j + 1]])


def _without(vector: torch.Tensor, blocks: Sequence[torch.Tensor]) -> float:
    """Remove the components along the rows of all blocks, in place; the length that is left."""
    length = float(vector.norm())
    for _ in range(_PASSES if blocks else 0):
        for block in blocks:
            project_out(block, vector, passes=1)
        before, length = length, float(vector.norm())
        if length >= _CANCELLED * before:
            break
    return length


def _finite(alpha: float, step: int) -> float:
    if not np.isfinite(alpha):
        raise MeasurementError(
            f"product {step + 1} is NaN or infinite; look for a diverged layer or an overflow in the operator's dtype"
        )
    return alpha
