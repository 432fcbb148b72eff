"""Keeping vectors orthogonal: classical Gram-Schmidt as matrix products, and a prediction of when it is needed."""

from __future__ import annotations

import math

import numpy as np
import torch

from htmu_diag.spectrum import Floats

__all__ = ["LossEstimate", "project_out"]


def project_out(basis: torch.Tensor, vector: torch.Tensor, *, passes: int = 2) -> None:
    """Remove from ``vector`` (N,), in place, its components along the orthonormal rows of ``basis`` (m, N)."""
    for _ in range(passes):
        vector.sub_(basis.T @ (basis @ vector))


class LossEstimate:
    """Simon's recurrence for w_jk = |q_j . q_k| (Simon 1984, eq. 2.7), in float64, O(j) a step.

    beta_j w_{j+1,k} = beta_k w_{j,k+1} + (alpha_k - alpha_j) w_jk + beta_{k-1} w_{j,k-1} - beta_{j-1} w_{j-1,k} + f.
    The noise f is that of a product, eps |A|: it weighs more the smaller beta_j is beside |A|.
    """

    _NOISE = 2.0

    def __init__(self, steps: int, eps: float, norm: float = 0.0) -> None:
        self._eps, self._limit, self._norm = self._NOISE * eps, math.sqrt(eps), norm
        self._before: Floats = np.zeros(steps + 2)
        self._now: Floats = np.zeros(steps + 2)
        self._now[0] = 1.0
        self._floor = self._eps

    def exceeds(self, alphas: list[float], betas: list[float], beta: float) -> bool:
        """Advance to the next vector, of norm ``beta`` before normalising; True when orthogonality is about to go."""
        j = len(alphas) - 1
        a, b = np.array(alphas), np.array([*betas, beta])
        self._floor = self._eps * max(self._norm, np.abs(a).max(), b.max()) / max(beta, 1e-300)
        now, before = self._now, self._before
        following = np.zeros_like(now)
        if j > 0:
            left = np.concatenate([[0.0], b[: j - 1] * now[: j - 1]])
            flow = b[:j] * now[1 : j + 1] + (a[:j] - a[j]) * now[:j] + left - b[j - 1] * before[:j]
            following[:j] = flow / max(beta, 1e-300) + np.copysign(self._floor, flow)
        following[j], following[j + 1] = self._floor, 1.0
        self._before, self._now = now, following
        return bool(np.abs(following[: j + 1]).max() > self._limit)

    def reset(self) -> None:
        """The newest vector has just been orthogonalised: only rounding is left."""
        top = int(np.flatnonzero(self._now == 1.0)[-1])
        self._now[:top] = self._floor
