"""Low-rank adapters: beside the factors A (r, in) and B (out, r), the product that is added to the weight, s B A.

Names as in peft and loralib (``lora_A``, ``lora_B``), for embeddings (``lora_embedding_A``; their product is stored
transposed) and as in image models (``lora_down``, ``lora_up``). A convolution's A has its kernel and B a kernel of one,
so B A is the unfolded change. The product has rank r: its spectrum is solved from the factors, never from out x in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from htmu_diag.matrices.inventory import Entry
from htmu_diag.matrices.layout import Layout
from htmu_diag.matrices.lora_merged import Holds, base_of, merged, never_held
from htmu_diag.matrices.lora_scale import Scale, unknown_scale
from htmu_diag.matrices.projections import is_expert
from htmu_diag.model.torch_values import as_tensor

if TYPE_CHECKING:
    import torch

__all__ = ["with_products"]

_PAIRS = (("lora_A", "lora_B"), ("lora_embedding_A", "lora_embedding_B"), ("lora_down", "lora_up"))
_INNER_PAIR = ("down", "up")  # after a part that ends with "lora"


@dataclass(frozen=True)
class _Place:
    """The layer that a factor belongs to, its adapter ("" for the only one), which factor, and how names spell it."""

    layer: str
    adapter: str
    is_a: bool
    transposed: bool

    @property
    def product(self) -> str:
        return ".".join(part for part in (self.layer, "lora_delta", self.adapter) if part)

    @property
    def merged(self) -> str:
        return ".".join(part for part in (self.layer, "lora_merged", self.adapter) if part)


def with_products(entries: Iterable[Entry], scale: Scale = unknown_scale, holds: Holds = never_held) -> Iterator[Entry]:
    """The entries, each LoRA pair followed by its product ``...lora_delta`` and the weight with it ``...lora_merged``.

    scale: tells s of a layer's adapter; where it is not known the product is B A, with the role "lora unscaled", and
    there is no merged weight. holds: whether a layer's weight was merged already.
    """
    listed = list(entries)
    known = {entry.name: entry for entry in listed}
    magnitudes = {name.split("lora_magnitude_vector")[0].rstrip(".") for name in known if "lora_magnitude" in name}
    waiting: dict[str, tuple[_Place, Entry]] = {}
    for entry in listed:
        place = _place(entry.name)
        if place is None or entry.refusal or len(entry.shape) < 2:
            yield entry
            continue
        yield replace(entry, layout=replace(entry.layout, role=f"lora {'A' if place.is_a else 'B'}"))
        other = waiting.pop(place.product, None)
        if other is None or other[0].is_a == place.is_a:
            waiting[place.product] = (place, entry)
        else:
            a, b = (entry, other[1]) if place.is_a else (other[1], entry)
            factor = scale(place.layer, place.adapter, a.shape[0])
            product = _product(place, a, b, factor)
            yield product
            base = base_of(place.layer, known)
            if base is None or product.refusal or factor is None or holds(place.layer):
                continue
            if place.layer in magnitudes:
                reason = "its columns are scaled to learned magnitudes (DoRA), which is the layer's own code"
                yield replace(base, name=place.merged, refusal=reason)
            elif found := merged(place.merged, base, product):
                yield found


def _place(name: str) -> _Place | None:
    parts = name.removesuffix(".weight").split(".")
    for index, part in enumerate(parts):
        pair = next((pair for pair in _PAIRS if part in pair), ())
        if not pair and part in _INNER_PAIR and index and parts[index - 1].endswith("lora"):
            pair = _INNER_PAIR
        if pair:
            layer, adapter = ".".join(parts[:index]), ".".join(parts[index + 1 :])
            return _Place(layer, adapter, part == pair[0], "embedding" in part)
    return None


def _product(place: _Place, a: Entry, b: Entry, scale: float | None) -> Entry:
    def factors() -> tuple[torch.Tensor, torch.Tensor]:
        left, right = _matrix(b) * (1.0 if scale is None else scale), _matrix(a)
        return (right.mT, left.mT) if place.transposed else (left, right)

    def load(rows: slice) -> torch.Tensor:
        left, right = factors()
        return left[rows] @ right

    shape = (b.shape[0], math.prod(a.shape[1:]))
    layout = Layout(role="lora unscaled" if scale is None else "lora")
    refusal = _mismatch(place, a, b)
    shape = shape[::-1] if place.transposed else shape
    return Entry(place.product, shape, a.dtype, layout, load, refusal=refusal, factors=factors)


def _mismatch(place: _Place, a: Entry, b: Entry) -> str:
    """Why B A is not the change of a weight, "" where it is."""
    rank = math.prod(b.shape[1:])
    if not rank and not a.shape[0]:
        return "its rank is 0, so nothing is added to the weight"
    if a.shape[0] != rank:
        return f"B {b.shape} and A {a.shape} do not multiply; their rule is the layer's own code"
    if is_expert(place.layer) and place.layer.rpartition(".")[2] in ("experts", "base_layer"):
        return "one pair for all experts of the layer; which ranks belong to which expert is the layer's own code"
    return ""


def _matrix(entry: Entry) -> torch.Tensor:
    tensor = as_tensor(entry.load(slice(None))).detach().flatten(1)
    return tensor.float() if tensor.dtype.itemsize < 4 else tensor
