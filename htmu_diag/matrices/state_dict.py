"""The state dict inside a loaded file: trainers nest it under "model" or "state_dict", beside optimizers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from htmu_diag.matrices.not_weights import is_moment
from htmu_diag.model.torch_values import is_tensor

if TYPE_CHECKING:
    import torch

__all__ = ["Found", "flat", "state_dict_in"]

_NESTED = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params")
_OPTIMIZER = frozenset({"state", "param_groups"})
_DEEPEST = 64  # levels of dictionaries and lists that are looked into; nested configurations have fewer than ten


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

    >>> import torch
    >>> list(state_dict_in({"epoch": 3, "model": {"fc": {"weight": torch.zeros(2, 2)}}}).tensors)
    ['fc.weight']
    """
    return _found(loaded, 0, set())


def _found(loaded: Any, depth: int, seen: set[int]) -> Found:
    """seen: dictionaries that were looked into: a file may share one under each of the keys, level by level."""
    if is_tensor(loaded):
        return Found({"tensor": loaded})
    if not isinstance(loaded, Mapping):
        return Found(reason=f" (it holds a {type(loaded).__name__})")
    if _of_an_optimizer(loaded):
        return Found(reason=" (it holds the state of an optimizer)")
    for key in _NESTED if depth < _DEEPEST else ():
        below = loaded.get(key)
        if not isinstance(below, Mapping) or id(below) in seen:
            continue
        seen.add(id(below))
        inner = _found(below, depth + 1, seen)
        if inner.tensors:
            others = {other: value for other, value in loaded.items() if other != key}
            beside = {name: tensor for name, tensor in flat(others) if tensor.ndim > 1 and name not in inner.tensors}
            return Found(inner.tensors, ".".join(part for part in (key, inner.key) if part), {**inner.beside, **beside})
    return Found(dict(flat(loaded)))


def flat(loaded: Any, is_leaf: Callable[[object], bool] = is_tensor) -> Iterator[tuple[str, Any]]:
    """Tensors inside dictionaries, lists and tuples, under the path to them; optimizers are left out.

    Each container is walked once, under the first path to it: a file may share one a billion times, or hold itself.
    """
    waiting, seen = [("", loaded, 0)], {id(loaded)}
    while waiting:
        prefix, value, depth = waiting.pop()
        if is_leaf(value):
            yield prefix, value
            continue
        inside = [] if depth > _DEEPEST else list(_inside(value, is_leaf))
        for key, inner in reversed(inside):
            container = isinstance(inner, Mapping | list | tuple)
            if is_leaf(inner) or (container and id(inner) not in seen):
                seen.update({id(inner)} if container else ())
                waiting.append((f"{prefix}.{key}" if prefix else key, inner, depth + 1))


def _of_an_optimizer(value: Mapping[Any, Any]) -> bool:
    """Whether a mapping is an optimizer's state, or what one keeps for a single parameter, whatever holds it."""
    return value.keys() >= _OPTIMIZER or any(isinstance(key, str) and is_moment(key) for key in value)


def _inside(value: Any, is_leaf: Callable[[object], bool]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        if not _of_an_optimizer(value):
            yield from ((str(k), v) for k, v in value.items() if "optim" not in str(k) or is_leaf(v))
    elif isinstance(value, list | tuple):
        yield from ((str(index), inner) for index, inner in enumerate(value))
