"""How far weights have travelled from where they began: |W - W0| / |W0|, the control of every claim about temperature.

Kept of each start are the values of all coordinates, or of a fixed random sample of them in a large matrix, on the
host: the relative error of a distance is about that of a mean of as many squares. A run that writes a folder keeps them
there too, so that a resumed one knows how far it is from the run's start, not from its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt
import torch

__all__ = ["Starts"]

COORDINATES = 2**16  # of a matrix: 0.25 MB in float32, 0.6 % error where coordinates move alike
Arrays = dict[str, "npt.NDArray[Any]"]
_SIZE = "size of "


@dataclass
class Starts:
    """The start of each matrix by name: what was seen at step 0, or what the run's folder kept of it.

    kept: name -> (entries of the matrix, the values looked at). keep: what is given all of them, once, when the first
    later step is measured.
    """

    kept: dict[str, tuple[int, torch.Tensor]] = field(default_factory=dict)
    keep: Callable[[Arrays], None] | None = None
    _places: dict[int, torch.Tensor] = field(default_factory=dict)

    def distance(self, name: str, matrix: torch.Tensor, step: int) -> dict[str, float]:
        """``distance`` of a matrix from its start; nothing where that is not known, has another size, or is zero."""
        flat = matrix.detach().reshape(-1)
        if step == 0:
            self.kept[name] = flat.numel(), self._sampled(flat).clone()
        if step and self.keep is not None:
            keep, self.keep = self.keep, None
            keep(self.arrays())
        if name not in self.kept or self.kept[name][0] != flat.numel():
            return {}
        start = self.kept[name][1]
        length = float(torch.linalg.vector_norm(start))
        moved = float(torch.linalg.vector_norm(self._sampled(flat) - start))
        return {"distance": moved / length} if length > 0 else {}

    def arrays(self) -> Arrays:
        """All starts as arrays, complex ones left out."""
        real = {name: found for name, found in self.kept.items() if not found[1].is_complex()}
        sizes = {f"{_SIZE}{name}": torch.tensor([size], device="cpu").numpy() for name, (size, _) in real.items()}
        return sizes | {name: values.numpy() for name, (_, values) in real.items()}

    def take(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """The starts that a folder kept."""
        for name, values in arrays.items():
            if f"{_SIZE}{name}" in arrays:
                self.kept[name] = int(arrays[f"{_SIZE}{name}"][0]), torch.from_numpy(values.copy())

    def _sampled(self, flat: torch.Tensor) -> torch.Tensor:
        """Its values, or those at fixed places, on the host in a precision that subtracts well."""
        if flat.numel() > COORDINATES:
            flat = flat.index_select(0, self._places_in(flat.numel()).to(flat.device))
        wide = torch.complex64 if flat.is_complex() else torch.float64 if flat.dtype == torch.float64 else torch.float32
        return flat.to("cpu", wide)

    def _places_in(self, size: int) -> torch.Tensor:
        if size not in self._places:
            generator = torch.Generator().manual_seed(0)
            self._places[size] = torch.randint(size, (COORDINATES,), generator=generator, device="cpu")
        return self._places[size]
