"""Weights that nothing changes are measured once: those that require no gradient, while their bits stay the same.

A fine-tuned model is mostly frozen, and its decompositions and fits gave the same numbers at each snapshot. That a
weight requires no gradient is not believed alone: averages and copies that others step do not either. A fingerprint of
all bits is two passes over the memory, far below a decomposition.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from htmu_diag.model.names import clean_parameters

__all__ = ["Frozen", "fingerprint", "frozen_names"]

_PIECE = 2**20  # entries looked at together: 16 MB of temporaries
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def frozen_names(model: torch.nn.Module) -> frozenset[str]:
    """Clean names of the parameters that require no gradient."""
    clean = clean_parameters(model)
    return frozenset(clean[name] for name, parameter in model.named_parameters() if not parameter.requires_grad)


@dataclass
class Frozen:
    """What was measured of frozen matrices: name -> fingerprint. A step before the last one begins another run."""

    seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    step: int = -1

    def begin(self, step: int) -> None:
        """A snapshot at this step."""
        if step <= self.step:
            self.seen.clear()
        self.step = step

    def known(self, name: str, matrix: torch.Tensor) -> bool:
        """Whether these bits were measured under this name already; they are from now on."""
        now = fingerprint(matrix)
        before, self.seen[name] = self.seen.get(name), now
        return before == now


def fingerprint(tensor: torch.Tensor) -> tuple[int, int]:
    """Two sums over the bits of all entries, the second one weighted by odd numbers of their places, modulo 2**64."""
    flat = tensor.detach().resolve_conj().reshape(-1)
    flat = (torch.view_as_real(flat).reshape(-1) if flat.is_complex() else flat).contiguous()
    bits = flat.view(_BITS[flat.dtype.itemsize])
    sums = torch.zeros(2, dtype=torch.int64, device=flat.device)
    for start in range(0, bits.numel(), _PIECE):
        piece = bits[start : start + _PIECE].to(torch.int64)
        places = torch.arange(start, start + piece.numel(), dtype=torch.int64, device=flat.device)
        sums += torch.stack([piece.sum(), (piece * (places * 0x9E3779B1 * 2 + 1)).sum()])
    first, second = sums.tolist()
    return first, second
