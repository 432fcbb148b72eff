"""Low-rank adapters: beside the factors A (r, in) and B (out, r), the product B A that is added to the weight.

Names as in peft and loralib (``lora_A``, ``lora_B``), for embeddings (``lora_embedding_A``) and as in image models
(``lora_down``, ``lora_up``). The product has rank r: its spectrum is solved from the factors, never from out x in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch

from htmu_diag.matrices.entry import Entry
from htmu_diag.matrices.layout import Layout

__all__ = ["with_products"]

_PAIRS = (("lora_A", "lora_B"), ("lora_embedding_A", "lora_embedding_B"), ("lora_down", "lora_up"))


def with_products(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries, each LoRA pair followed by its product under the name ``...lora_delta``."""
    waiting: dict[str, tuple[bool, Entry]] = {}
    for entry in entries:
        yield entry
        place = _place(entry.name)
        if place is None or entry.refusal or len(entry.shape) < 2:
            continue
        name, is_a = place
        other = waiting.pop(name, None)
        if other is None or other[0] == is_a:
            waiting[name] = (is_a, entry)
        else:
            yield _product(name, *((entry, other[1]) if is_a else (other[1], entry)))


def _place(name: str) -> tuple[str, bool] | None:
    """The product's name and whether this factor is A, None for other tensors."""
    parts = name.removesuffix(".weight").split(".")
    for index, part in enumerate(parts):
        for pair in _PAIRS:
            if part in pair:
                return ".".join([*parts[:index], "lora_delta", *parts[index + 1 :]]), part == pair[0]
    return None


def _product(name: str, a: Entry, b: Entry) -> Entry:
    def factors() -> tuple[torch.Tensor, torch.Tensor]:
        return _matrix(b), _matrix(a)

    def load(rows: slice) -> torch.Tensor:
        left, right = factors()
        return left[rows] @ right

    shape = (b.shape[0], _columns(a))
    return Entry(name, shape, a.dtype, Layout(role="lora"), load, factors=factors)


def _columns(entry: Entry) -> int:
    size = 1
    for side in entry.shape[1:]:
        size *= side
    return size


def _matrix(entry: Entry) -> torch.Tensor:
    tensor = entry.load(slice(None)).detach().flatten(1)
    return tensor.float() if tensor.dtype.itemsize < 4 else tensor
