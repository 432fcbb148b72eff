"""How far weights have travelled from where they began: |W - W0| / |W0|, the control of every claim about temperature.

Kept of each start are the values of all coordinates, or of a fixed random sample of them in a large matrix, on the
host: the relative error of a distance is about that of a mean of as many squares. A run that writes a folder keeps them
there too, so that a resumed one knows how far it is from the run's start, not from its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    _lengths: dict[str, float] = field(default_factory=dict)

    def distance(self, name: str, matrix: torch.Tensor, step: int) -> dict[str, float]:
        """``distance`` of a matrix from its start; nothing where that is not known, has another size, or is zero."""
        return self.distances([name], [matrix], step)[0]

    def distances(self, names: Sequence[str], matrices: Sequence[torch.Tensor], step: int) -> list[dict[str, float]]:
        """The same of several, by a few calls for those of one precision."""
        flat = [matrix.detach().reshape(-1) for matrix in matrices]
        if step == 0:
            for name, values in zip(names, flat, strict=True):
                self._begin(name, values.numel(), self._sampled(values).clone())
        if step and self.keep is not None:
            keep, self.keep = self.keep, None
            keep(self.arrays())
        known = [at for at, name in enumerate(names) if self.kept.get(name, (-1,))[0] == flat[at].numel()]
        now, starts = [self._sampled(flat[at]) for at in known], [self.kept[names[at]][1] for at in known]
        found: list[dict[str, float]] = [{} for _ in names]
        for at, moved in zip(known, _lengths(torch._foreach_sub(now, starts)) if known else (), strict=True):
            length = self._length(names[at])
            found[at] = {"distance": moved / length} if length > 0 else {}
        return found

    def _begin(self, name: str, size: int, values: torch.Tensor) -> None:
        self.kept[name] = size, values
        self._lengths.pop(name, None)

    def _length(self, name: str) -> float:
        if name not in self._lengths:
            self._lengths[name] = _lengths([self.kept[name][1]])[0]
        return self._lengths[name]

    def arrays(self) -> Arrays:
        """All starts as arrays, complex ones left out."""
        real = {name: found for name, found in self.kept.items() if not found[1].is_complex()}
        sizes = {f"{_SIZE}{name}": torch.tensor([size], device="cpu").numpy() for name, (size, _) in real.items()}
        return sizes | {name: values.numpy() for name, (_, values) in real.items()}

    def take(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """The starts that a folder kept."""
        for name, values in arrays.items():
            if f"{_SIZE}{name}" in arrays:
                self._begin(name, int(arrays[f"{_SIZE}{name}"][0]), torch.from_numpy(values.copy()))

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


def _lengths(tensors: Sequence[torch.Tensor]) -> list[float]:
    """Euclidean lengths."""
    return [float(length) for length in torch._foreach_norm(list(tensors))]
