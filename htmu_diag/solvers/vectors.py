"""Singular vectors of a weight matrix as numbers: how localised they are, and how far they have turned.

The mean over all vectors hides what matters: a trained layer differs from a random one in its few largest (and least)
directions. So the entropy deficit (see `entropy`) is taken over the top 5 %, the middle and the bottom 5 %, of left and
right vectors. Of the top ones two subspaces are remembered, the last snapshot's and the first one's: the overlap
|U_now^T U_then|^2 / k is 1 where they are the same and k/n where they are unrelated.

The vectors of the smaller side come from its Gram matrix; those of the larger side, W^T u / sigma, only where wanted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from htmu_diag.errors import MeasurementError
from htmu_diag.solvers.entropy import entropy_deficit
from htmu_diag.solvers.gram import gram

__all__ = ["SHARE", "TopVectors", "vector_scalars"]

SHARE = 0.05  # of the vectors, at least one, in each of the three groups
MOST_KEPT = 16  # top vectors remembered a side: what turns shows in the first few, and they are kept twice


@dataclass
class TopVectors:
    """The top left and right vectors of each matrix, at the first snapshot and at the last; on the host."""

    first: dict[str, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    last: dict[str, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)

    def overlaps(self, name: str, left: torch.Tensor, right: torch.Tensor) -> dict[str, float]:
        """Squared overlaps with what was there before, the mean of both sides; nothing at the first time."""
        now = tuple(side[:, :MOST_KEPT].cpu() for side in (left, right))
        found = {}
        for key, then in (("overlap_last", self.last.get(name)), ("overlap_start", self.first.get(name))):
            if then is not None and all(a.shape == b.shape for a, b in zip(now, then, strict=True)):
                found[key] = sum(_overlap(a, b) for a, b in zip(now, then, strict=True)) / 2
        pair = now[0], now[1]
        self.first.setdefault(name, pair)
        self.last[name] = pair
        return found


def vector_scalars(matrix: torch.Tensor, name: str = "", memory: TopVectors | None = None) -> dict[str, float]:
    """Deficits of the vectors of a matrix (rows, columns), and overlaps with those in ``memory``.

    Keys ``entropy_left_top``, ``_middle``, ``_bottom``, the same for ``right``, ``vectors`` (how many in a group), and
    the overlaps. Vectors whose singular values are rounding do not count: they are the solver's choice. Empty for a
    matrix without a resolved vector. Raises MeasurementError for NaN or infinite entries.
    """
    precision = torch.float32 if matrix.device.type == "mps" else torch.float64
    precision = precision.to_complex() if matrix.is_complex() else precision
    with torch.no_grad():
        wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mH
        values, small = _eigh(gram(wide, precision), name)  # ascending; small: (p, p)
        known = int((values > torch.finfo(precision).eps * len(values) * values[-1]).sum())
        if not known:
            return {}
        groups = {key: _sides(wide, small, places, precision) for key, places in _groups(known).items()}
    if wide is not matrix:
        groups = {key: (right, left) for key, (left, right) in groups.items()}
    found = {"vectors": float(groups["top"][0].shape[1])}
    for key, pair in groups.items():
        found |= {f"entropy_{side}_{key}": entropy_deficit(v) for side, v in zip(("left", "right"), pair, strict=True)}
    return found | (memory.overlaps(name, *groups["top"]) if memory is not None else {})


def _groups(known: int) -> dict[str, range]:
    """Places counted from the largest: the top, the middle and the bottom of the known vectors."""
    count = max(1, round(SHARE * known))
    middle = (known - count) // 2
    return {"top": range(count), "middle": range(middle, middle + count), "bottom": range(known - count, known)}


def _eigh(product: torch.Tensor, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Beside a training numpy's BLAS keeps to the threads it is given (see `threads`)."""
    if not bool(torch.isfinite(product.diagonal()).all()):
        raise MeasurementError(f"{name}: NaN or infinite weights have no singular vectors; look for a diverged layer")
    if product.device.type != "cpu" or product.is_complex():
        values, vectors = torch.linalg.eigh(product)
        return values, vectors
    found = np.linalg.eigh(product.numpy())
    return torch.from_numpy(found.eigenvalues), torch.from_numpy(found.eigenvectors)


def _sides(
    wide: torch.Tensor, small: torch.Tensor, places: range, precision: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors of the smaller side (p, k) and of the larger (n, k) at these places from the largest."""
    index = torch.tensor([small.shape[1] - 1 - place for place in places], device=small.device)
    own = small[:, index]
    other = wide.to(precision).mH @ own
    return own, other / torch.linalg.vector_norm(other, dim=0)


def _overlap(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one.mH @ other).abs().square().sum() / one.shape[1])
