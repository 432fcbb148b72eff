"""Vectors in parameter space: as one, and in pieces of the parameters' shapes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from htmu_diag.errors import InputError

__all__ = ["flat", "pieces_of"]


def pieces_of(vector: torch.Tensor, parameters: Sequence[torch.Tensor], dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    """Views of a vector (d,), one for each parameter, d numbers in all; copies where a parameter lies elsewhere.

    Raises InputError for another length.
    """
    sizes = [p.numel() for p in parameters]
    if vector.shape != (sum(sizes),):
        shape = (sum(sizes), sum(sizes))
        raise InputError(f"an operator of shape {shape} takes vectors ({sum(sizes)},), got {vector.shape}")
    parts = torch.split(vector.to(dtype), sizes)
    return tuple(part.view_as(p).to(p.device) for part, p in zip(parts, parameters, strict=True))


def flat(pieces: Iterable[torch.Tensor], device: torch.device) -> torch.Tensor:
    """The reverse, (d,) on that device; outside of any graph."""
    return torch.cat([piece.detach().reshape(-1).to(device) for piece in pieces])
