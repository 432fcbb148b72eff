"""The Lanczos process, written once: an orthonormal basis in which a symmetric operator is tridiagonal.

From a start q_1 it builds A Q = Q T + beta_m q_{m+1} e_m^T, Q (N, m) orthonormal, T tridiagonal. The eigenpairs
(theta, s) of T are the Ritz pairs; the residual of one is |A x - theta x| = beta_m |s_m|, and the squared first
entries s_1^2 are the weights of the Gauss rule of the measure that q_1 sees (Golub & Welsch 1969).

In floating point the basis loses orthogonality exactly where Ritz values converge (Paige 1971). Three policies:

- ``full``: every vector is orthogonalised against all before it (classical Gram-Schmidt, repeated where it cancels:
  twice suffices, Giraud, Langou & Rozloznik 2005). Traffic O(m^2 N).
- ``selective``: the loss is *measured* at every step (``orthogonality.py``), and the vectors are orthogonalised, two in
  a row, only when it reaches sqrt(eps) / 2. Such a basis is semi-orthogonal, and T is then the projection of A to
  rounding accuracy (Simon 1984, theorem 4). Orthogonality is lost along the converged Ritz vectors (Parlett & Scott
  1979): where they are few, they are formed once and taken out, a fifth of the traffic, as long as that is enough.
- ``none``: nothing is stored but two vectors. Converged eigenvalues appear again as ghosts; the quadrature stays good
  (Greenbaum 1989), Ritz vectors are not available.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from htmu_diag.arguments import FLAG, checked, one_of, optional, real, whole
from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.model.arguments import OPERATOR, RANDOM, TENSOR
from htmu_diag.operators.base import Operator
from htmu_diag.solvers.gauss_rules import gauss_rule
from htmu_diag.solvers.halved import HALF, Halved, combined
from htmu_diag.solvers.orthogonality import Overlap, empty_rows, project_out
from htmu_diag.spectrum import Floats

__all__ = ["Reorthogonalize", "Tridiagonal", "gaussian", "lanczos", "start_vector"]

Reorthogonalize = Literal["full", "selective", "none"]
_CONVERGED = 0.02  # |s_m|, the residual over beta; 0.01 to 0.03 did as well, on an MLP and on given spectra
_LEFT = 0.25  # of the overlap allowed: beyond it, taking out the converged Ritz vectors was not enough


@dataclass(frozen=True)
class Tridiagonal:
    """What a Lanczos run knows.

    alphas: (m,) the diagonal of T. betas: (m,) its off-diagonal, the last one couples to the unused next vector.
    basis: (m, N) rows q_1 .. q_m in the operator's dtype, or in half of it; None with ``reorthogonalize="none"``.
    exhausted: the start vector lies in an invariant subspace of dimension m < steps: the Gauss rule is exact.
    reorthogonalized: basis vectors that were orthogonalised against all earlier ones, not only against Ritz vectors.
    """

    alphas: Floats
    betas: Floats
    basis: torch.Tensor | Halved | None
    exhausted: bool = False
    reorthogonalized: int = 0

    @property
    def steps(self) -> int:
        """Products spent, m."""
        return self.alphas.size

    @property
    def turn(self) -> float:
        """The angle by which a Ritz vector is turned because the basis is halved; 0 for a whole one."""
        return self.basis.turn if isinstance(self.basis, Halved) else 0.0

    def ritz(self) -> tuple[Floats, Floats]:
        """Ritz values (m,) ascending and the eigenvectors of T (m, m) in columns."""
        return gauss_rule(self.alphas, self.betas[:-1])

    def residuals(self, vectors: Floats) -> Floats:
        """|A x - theta x| of each Ritz pair, (m,), from the last row of T's eigenvectors."""
        return np.asarray(self.betas[-1] * np.abs(vectors[-1]))

    def lift(self, columns: Floats) -> torch.Tensor:
        """Vectors (k, N), rows, from coefficients (m, k) in the Lanczos basis. Raises InputError without a basis."""
        if self.basis is None:
            raise InputError("a Lanczos run without reorthogonalisation keeps no basis; choose full or selective")
        return combined(self.basis, columns)


@checked(operator=OPERATOR, rng=RANDOM)
def start_vector(operator: Operator, rng: torch.Generator) -> torch.Tensor:
    """A direction uniform on the unit sphere, (N,), drawn on the CPU so that every device sees the same one.

    Drawn in float32 for every dtype: a third of the time, and the same direction.
    """
    start = gaussian(operator, rng)
    return start.div_(start.norm())


def gaussian(operator: Operator, rng: torch.Generator) -> torch.Tensor:
    """A standard normal vector, (N,); its direction is that of `start_vector`."""
    drawn = torch.randn(operator.shape[0], generator=rng, dtype=torch.float32, device="cpu")
    return drawn.to(operator.device, operator.dtype)


@checked(
    operator=OPERATOR,
    steps=whole(1),
    v0=TENSOR,
    reorthogonalize=one_of("full", "selective", "none"),
    norm=real(0),
    spare=optional(whole(0)),
    halved=FLAG,
)
def lanczos(
    operator: Operator,
    *,
    steps: int,
    v0: torch.Tensor,
    reorthogonalize: Reorthogonalize = "selective",
    against: Sequence[torch.Tensor] = (),
    norm: float = 0.0,
    spare: int | None = None,
    halved: bool = False,
) -> Tridiagonal:
    """Run at most ``steps`` products from ``v0`` (N,), which need not be normalised.

    against: blocks (k, N) of orthonormal rows, to which the run stays orthogonal, as if the operator were projected.
    norm: the largest magnitude of the eigenvalues deflated. A product rounds to eps |A|, whatever part of A is left.
    spare: Ritz vectors that may be held besides the basis, under ``selective``; a third of ``steps`` by default.
    halved: the basis is kept in half of its bytes (``halved.py``).
    Raises InputError where v0 has another length or a type has no half, MeasurementError where a product is not finite.
    """
    run = _Run(operator, min(steps, operator.shape[0]), v0, reorthogonalize, against, norm, spare, halved)
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
        spare: int | None,
        halved: bool,
    ) -> None:
        size = operator.shape[0]
        if steps < 1 or v0.shape != (size,):
            raise InputError(f"Lanczos needs steps >= 1 and v0 of shape ({size},), got {steps} and {tuple(v0.shape)}")
        self.operator, self.steps, self.policy, self.against, self.norm = operator, steps, policy, against, norm
        halved = halved and policy != "none"
        if halved and operator.dtype not in HALF:
            raise InputError(f"a basis of {operator.dtype} has no half; pass halved=False")
        kept = 2 if halved or policy == "none" else steps
        self.rows = empty_rows(kept, size, operator.dtype, operator.device)
        self.basis: torch.Tensor | Halved = Halved.like(self.rows[0], steps) if halved else self.rows
        self.alphas: list[float] = []
        self.betas: list[float] = []
        self.overlap = Overlap(self._row(0)) if policy == "selective" else None
        self.limit = math.sqrt(torch.finfo(operator.dtype).eps) / 2
        self.exhausted, self.cleaned, self.again = False, 0, False
        self.spare = steps // 3 if spare is None else spare
        self.converged: torch.Tensor | None = None
        start = v0.to(operator.device, operator.dtype, copy=True)
        self._begin(0, start, project_out(start, *against))

    def step(self) -> bool:
        """One product; False when the run is over."""
        j = len(self.alphas)
        q = self._row(j)
        w = self.operator.matvec(q).to(q.dtype)
        if j:
            w = w.sub_(self._row(j - 1), alpha=self.betas[-1])
        alpha = _finite(float(q[None] @ w), j)  # a dot product of MKL is eight times slower where q is not aligned
        w.sub_(q, alpha=alpha)
        self.alphas.append(alpha)
        self.betas.append(self._clean(w, j))
        scale = max(self.norm, *map(abs, self.alphas + self.betas[:-1]))
        self.exhausted = self.betas[-1] <= 10 * torch.finfo(q.dtype).eps * scale
        if self.exhausted or j + 1 == self.steps:
            return False
        self._begin(j + 1, w, self.betas[-1])
        return True

    def result(self) -> Tridiagonal:
        m = len(self.alphas)
        basis = None if self.policy == "none" else self.basis[:m]
        return Tridiagonal(np.array(self.alphas), np.array(self.betas), basis, self.exhausted, self.cleaned)

    def _begin(self, j: int, vector: torch.Tensor, length: float) -> None:
        """The j-th basis vector; counted to the measure of overlap while it is in the cache."""
        torch.div(vector, length, out=self._row(j))
        if isinstance(self.basis, Halved):
            self.basis.put(j, self._row(j))
        if self.overlap is not None:
            self.overlap.add(self._row(j))

    def _row(self, j: int) -> torch.Tensor:
        return self.rows[j % len(self.rows)]

    def _before(self, j: int) -> list[torch.Tensor | Halved]:
        """The basis up to q_j: T is as exact as the last two are kept, however the others are rounded."""
        halved = isinstance(self.basis, Halved)
        return [*([self.basis[: j - 1]] if halved and j > 1 else []), self.rows[: j + 1]]

    def _clean(self, w: torch.Tensor, j: int) -> float:
        """Make w (in place) orthogonal to what is deflated, and to the basis where the policy asks; returns |w|."""
        length = project_out(w, *self.against)
        if not self._due(w, length):
            return length
        if self.converged is not None:
            length = project_out(w, self.converged)
            if not self._overlaps(w, _LEFT * length):
                return length
        self.cleaned, self.converged = self.cleaned + 1, None
        length = project_out(w, *self.against, *self._before(j))
        if self.policy == "selective" and not self.again:
            self.converged = self._lift_converged(length)
        return length

    def _due(self, w: torch.Tensor, length: float) -> bool:
        """Whether w, of this length, is to be orthogonalised; under ``selective`` always two in a row."""
        if self.overlap is None:
            return self.policy == "full"
        due = self.again or self._overlaps(w, length)
        self.again = due and not self.again
        return due

    def _overlaps(self, w: torch.Tensor, length: float) -> bool:
        return self.overlap is not None and self.overlap.length(w) > self.limit * length

    def _lift_converged(self, beta: float) -> torch.Tensor | None:
        """The converged Ritz vectors (k, N), if they are few beside the steps done and to come."""
        done = len(self.alphas)
        run = Tridiagonal(np.array(self.alphas), np.array([*self.betas, beta]), self.basis[:done])
        vectors = run.ritz()[1]
        places = np.flatnonzero(np.abs(vectors[-1]) <= _CONVERGED)
        few = 0 < places.size <= min(done // 3, self.steps - done, self.spare)
        return run.lift(vectors[:, places]) if few else None


def _finite(alpha: float, step: int) -> float:
    if not np.isfinite(alpha):
        raise MeasurementError(
            f"product {step + 1} is NaN or infinite; look for a diverged layer or an overflow in the operator's dtype"
        )
    return alpha
