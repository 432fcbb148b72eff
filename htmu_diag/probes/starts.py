"""How far weights have travelled from where they began: |W - W0| / |W0|, the control of every claim about temperature.

Kept of each start are the values of all coordinates, or of a fixed random sample of them in a large matrix, on the
host: the relative error of a distance is about that of a mean of as many squares.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

__all__ = ["Starts"]

COORDINATES = 2**18  # of a matrix: 1 MB in float32, 0.3 % error where coordinates move alike


@dataclass
class Starts:
    """The start of each matrix by name; only what was seen at step 0 is one (a resumed run does not know its own)."""

    kept: dict[str, tuple[torch.Tensor | None, torch.Tensor]] = field(default_factory=dict)

    def distance(self, name: str, matrix: torch.Tensor, step: int) -> dict[str, float]:
        """``distance`` of a matrix from its start; nothing where that is not known, has another size, or is zero."""
        if step == 0 or name not in self.kept:
            if step:
                return {}
            self.kept[name] = self._sampled(matrix)
        places, start = self.kept[name]
        flat = matrix.detach().reshape(-1)
        if places is None and flat.numel() != start.numel():
            return {}
        if places is not None and flat.numel() <= int(places.max()):
            return {}
        now = _plain(flat if places is None else flat[places.to(flat.device)])
        length = float(torch.linalg.vector_norm(start))
        return {"distance": float(torch.linalg.vector_norm(now - start)) / length} if length > 0 else {}

    def _sampled(self, matrix: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor]:
        flat = matrix.detach().reshape(-1)
        if flat.numel() <= COORDINATES:
            return None, _plain(flat).clone()
        places = torch.randint(flat.numel(), (COORDINATES,), generator=torch.Generator().manual_seed(0), device="cpu")
        return places, _plain(flat[places.to(flat.device)])


def _plain(values: torch.Tensor) -> torch.Tensor:
    """On the host, in a precision that subtracts well."""
    wide = torch.complex64 if values.is_complex() else torch.float64 if values.dtype == torch.float64 else torch.float32
    return values.to("cpu", wide)
