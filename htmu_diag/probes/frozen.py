"""Weights that nothing changes are measured once: those that require no gradient, while their bits stay the same.

A fine-tuned model is mostly frozen, and its decompositions and fits gave the same numbers at each snapshot. That a
weight requires no gradient is not believed alone: averages and copies that others step do not either. A fingerprint of
all bits is two passes over the memory, far below a decomposition.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch

from htmu_diag.model.names import clean_parameters
from htmu_diag.model.walk import modules_of, parameters_of

__all__ = ["Frozen", "fingerprint", "frozen_names"]

_PIECE = 2**20  # entries looked at together: 16 MB of temporaries
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def frozen_names(model: torch.nn.Module) -> frozenset[str]:
    """Clean names of the parameters that require no gradient."""
    if all(parameter.requires_grad for parameter in parameters_of(modules_of(model))):
        return frozenset()
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    clean = clean_parameters(model)  # takes as long as all that a snapshot lists
    return frozenset(clean[name] for name in frozen)


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

    def known(self, matrices: Iterable[tuple[str, torch.Tensor]]) -> frozenset[str]:
        """Those whose bits were measured under their name already; they all are from now on.

        A device is waited for once, however many matrices lie on it.
        """
        names, sums = [], []
        for name, matrix in matrices:
            names.append(name)
            sums.append(fingerprint(matrix))
        now = {name: (first, second) for name, (first, second) in zip(names, _read(sums), strict=True)}
        known = frozenset(name for name, found in now.items() if self.seen.get(name) == found)
        self.seen.update(now)
        return known


def _read(sums: list[torch.Tensor]) -> list[list[int]]:
    """Their numbers, in one transfer from each device."""
    read: dict[int, list[int]] = {}
    for device in {of.device for of in sums}:
        there = [place for place, of in enumerate(sums) if of.device == device]
        read.update(zip(there, torch.stack([sums[place] for place in there]).tolist(), strict=True))
    return [read[place] for place in range(len(sums))]


def fingerprint(tensor: torch.Tensor) -> torch.Tensor:
    """Two sums over the bits of all entries, (2,), the second one weighted by odd numbers of places, modulo 2**64."""
    flat = tensor.detach().resolve_conj().reshape(-1)
    flat = (torch.view_as_real(flat).reshape(-1) if flat.is_complex() else flat).contiguous()
    bits = flat.view(_BITS[flat.dtype.itemsize])
    sums = torch.zeros(2, dtype=torch.int64, device=flat.device)
    for start in range(0, bits.numel(), _PIECE):
        piece = bits[start : start + _PIECE].to(torch.int64)
        places = torch.arange(start, start + piece.numel(), dtype=torch.int64, device=flat.device)
        sums += torch.stack([piece.sum(), (piece * (places * 0x9E3779B1 * 2 + 1)).sum()])
    return sums
