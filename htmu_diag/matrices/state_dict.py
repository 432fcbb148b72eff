"""The state dict inside a loaded file: trainers nest it under "model" or "state_dict", beside optimizers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

__all__ = ["Found", "state_dict_in"]

_NESTED = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params")
_OPTIMIZER = frozenset({"state", "param_groups"})


@dataclass(frozen=True)
class Found:
    """Tensors by name, and the key they lay under ("" for the top).

    beside: tensors of two or more dimensions outside that key. reason: why there are none.
    """

    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    key: str = ""
    beside: dict[str, torch.Tensor] = field(default_factory=dict)
    reason: str = ""


def state_dict_in(loaded: Any) -> Found:
    """The tensors of a loaded object by name: those under "state_dict", "model" and the like, or else its own.

    >>> list(state_dict_in({"epoch": 3, "model": {"fc": {"weight": torch.zeros(2, 2)}}}).tensors)
    ['fc.weight']
    """
    if not isinstance(loaded, Mapping):
        return Found(reason=f" (it holds a {type(loaded).__name__})")
    if loaded.keys() >= _OPTIMIZER:
        return Found(reason=" (it holds the state of an optimizer)")
    for key in _NESTED:
        inner = state_dict_in(loaded.get(key))
        if inner.tensors:
            others = {other: value for other, value in loaded.items() if other != key}
            beside = {
                name: tensor for name, tensor in _flat(others, "") if tensor.ndim > 1 and name not in inner.tensors
            }
            return Found(inner.tensors, ".".join(part for part in (key, inner.key) if part), {**inner.beside, **beside})
    return Found(dict(_flat(loaded, "")))


def _flat(value: Any, prefix: str) -> Iterator[tuple[str, torch.Tensor]]:
    """Tensors inside dictionaries, lists and tuples, under the path to them; optimizers are left out."""
    if isinstance(value, torch.Tensor):
        yield prefix, value
    elif isinstance(value, Mapping) and not value.keys() >= _OPTIMIZER:
        for key, inner in value.items():
            if "optim" not in str(key) or isinstance(inner, torch.Tensor):
                yield from _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _flat(inner, f"{prefix}.{index}" if prefix else str(index))
