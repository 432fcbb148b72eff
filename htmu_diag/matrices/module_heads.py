"""Attention heads as the modules near a parameter tell them, or their ``config``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from htmu_diag.matrices.heads import CALLED, Heads, first_of

__all__ = ["heads_of"]

_QUERY, _KEY, _SIZE, _EXPERTS = CALLED
_LEVELS = 3  # a linear map, its attention, its block: further up, another attention may be meant


def heads_of(modules: Sequence[nn.Module], given: bool | int = False) -> Heads:
    """Heads told by a module, those above it and their ``config``, nearest first; an int is the number of heads."""
    configs = [getattr(module, "config", None) for module in modules]
    pairs = zip(modules[:_LEVELS], configs, strict=False)
    holders = [_fields(holder) for pair in pairs for holder in pair if holder is not None]
    family = next((str(found) for config in configs if (found := getattr(config, "model_type", None))), "")
    query = first_of(holders, _QUERY) if isinstance(given, bool) else given
    return Heads(query, first_of(holders, _KEY), first_of(holders, _SIZE), family, first_of(holders, _EXPERTS))


def _fields(holder: Any) -> Mapping[str, Any]:
    """Of a module or a config: its attributes of these names, those that a config forwards to others included."""
    names: tuple[str, ...] = (*_QUERY, *_KEY, *_SIZE, *_EXPERTS)
    if (
        getattr(type(holder), "__getattr__", None) is nn.Module.__getattr__
    ):  # asking it for what it lacks takes 3 us each
        own = vars(holder)
        names = tuple(name for name in names if name in own or hasattr(type(holder), name))
    return {name: getattr(holder, name) for name in names if hasattr(holder, name)}
