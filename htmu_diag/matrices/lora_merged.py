"""The weight that an adapted layer multiplies with, W + s B A: what the literature on spectra looks at.

It lies as W lies (transposed, as a kernel, with its heads), so it is cut as W is. Where W is not there (an adapter's
own file), is stored as codes, or already holds the change, there is no such matrix.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from htmu_diag.matrices.inventory import Entry
from htmu_diag.model.torch_values import as_tensor

if TYPE_CHECKING:
    import torch

__all__ = ["Holds", "base_of", "live_holds", "merged", "never_held"]

Holds = Callable[[str], bool]  # layer -> whether its weight holds the change already
_BASES = ("base_layer.weight", "weight")  # as in peft, and in loralib
_FORMS = ("matrix", "transposed", "conv")


def never_held(layer: str) -> bool:
    """In files nothing says so."""
    return False


def live_holds(module: torch.nn.Module, paths: Mapping[str, str]) -> Holds:
    """What the layers of a module say in ``merged`` (peft and loralib)."""
    modules = module.named_modules(remove_duplicate=False)
    held = {paths[path] for path, one in modules if getattr(one, "merged", False) is True}
    return held.__contains__


def base_of(layer: str, entries: Mapping[str, Entry]) -> Entry | None:
    """The layer's own weight, where it is a matrix that can be read."""
    found = (entries.get(f"{layer}.{name}" if layer else name) for name in _BASES)
    base = next((entry for entry in found if entry is not None), None)
    if base is None or base.refusal or base.layout.form not in _FORMS or not base.dtype.is_floating_point:
        return None
    return base


def merged(name: str, base: Entry, product: Entry) -> Entry | None:
    """The entry of W + s B A under that name; None where the product is not of the weight's size."""
    rows, columns = product.shape
    shape = (columns, rows) if base.layout.form == "transposed" else (rows, columns)
    if (base.shape[0], math.prod(base.shape[1:])) != shape:
        return None

    def load(part: slice) -> torch.Tensor:
        weight, change = (as_tensor(load).detach() for load in (base.load(part), product.load(slice(None))))
        change = change.mT if base.layout.form == "transposed" else change
        weight = weight.float() if weight.dtype.itemsize < 4 else weight
        return weight + change.reshape(base.shape)[part].to(weight)

    return replace(base, name=name, layout=replace(base.layout, role="lora merged"), load=load, identity=None)
