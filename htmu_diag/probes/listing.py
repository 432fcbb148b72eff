"""The matrices of a model, listed again only where the model is another one than at the last snapshot.

Listing asks every module and its ancestors for layouts, heads and adapters: longer than a step of a small model. What
it comes from is compared in place of it: modules, their plain attributes, and of each parameter and buffer what tells
its shape, kind and place in memory. A model that holds anything else (shards, other tensors) is listed each time.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import torch

from htmu_diag.matrices import Inventory
from htmu_diag.matrices.module import is_plain
from htmu_diag.model.walk import modules_of, parameters_of
from htmu_diag.probes.base import Alike

__all__ = ["Listing", "structure"]

SMALL = 2**20  # entries; of larger ones copying takes longer than all of Python around it
_PLAIN = (bool, int, float, str, type(None))
_TEXTS = frozenset(_PLAIN)
_HOLDERS = (dict, list, tuple, set, frozenset)
_TENSORS = (torch.nn.Parameter, torch.Tensor)
_OWN = frozenset(vars(torch.nn.Module()))  # what every module has: its parameters, buffers, children, hooks


@dataclass
class Listing:
    """The last inventory with what it came from; it holds the parameters, so that no other can take their place.

    views: small matrices on the host that lie in the model's own memory, by their places in the inventory: they are
    what `Matrix.stored` would read for as long as the inventory is the last one. read_at: the step, if any, at which
    that was found to be so, and nothing has been read yet. alike: of the copy of each matrix, what it is decomposed
    with; empty until somebody asks.
    """

    known: Hashable = None
    inventory: Inventory = field(default_factory=lambda: Inventory((), ()))
    views: dict[int, torch.Tensor] = field(default_factory=dict)
    read_at: int = -1
    alike: list[Alike | None] = field(default_factory=list)
    _parameters: list[torch.nn.Parameter] = field(default_factory=list)
    _memory: frozenset[int] = frozenset()

    def of(self, model: torch.nn.Module, choices: Hashable, made: Callable[[], Inventory]) -> Inventory:
        """The inventory of a model; ``made`` lists it where it is not the last one. choices: of the listing."""
        found = structure(model)
        if found is None:
            self.known, self.views, self.alike, self._memory = None, {}, [], frozenset()
            return made()
        if self.known != (choices, found):
            self.inventory = made()
            self.known = choices, found
            self._parameters, self.views, self.alike = parameters_of(modules_of(model)), {}, []
            self._memory = frozenset(_storage(parameter) for parameter in self._parameters) - {0}
        return self.inventory

    def is_last(self, model: torch.nn.Module, choices: Hashable) -> bool:
        """Whether the last inventory is the model's."""
        found = structure(model)
        return found is not None and self.known == (choices, found)

    def read(self, place: int, stored: torch.Tensor) -> None:
        """What was read of a matrix of the last inventory, where that is kept."""
        if self.known is None:
            return
        if is_plain(self.inventory.matrices[place]) and stored.numel() <= SMALL and _storage(stored) in self._memory:
            self.views[place] = stored.detach()

    @property
    def is_plain(self) -> bool:
        """Whether the last inventory is known by its views alone, all of which are trained."""
        return len(self.views) == len(self.inventory) > 0 and all(p.requires_grad for p in self._parameters)


def _storage(tensor: torch.Tensor) -> int:
    """Where the memory of a tensor on the host begins; 0 for others."""
    plain = tensor.device.type == "cpu" and tensor.layout == torch.strided and not torch.nn.parameter.is_lazy(tensor)
    return tensor.untyped_storage().data_ptr() if plain else 0


def structure(model: torch.nn.Module) -> Hashable:
    """Equal for two states of a model whose inventories are equal; None where that cannot be told."""
    try:
        return tuple([_part(module) for module in modules_of(model)])
    except (_Unknown, RecursionError):
        return None


class _Unknown(Exception):
    """A tensor whose class may keep its values elsewhere."""


def _part(module: torch.nn.Module) -> Hashable:
    held, buffers, children = module._parameters, module._buffers, module._modules
    return (
        id(module),
        type(module),
        tuple([(name, _tensor(tensor)) for name, tensor in held.items()]) if held else (),
        tuple([(name, _tensor(tensor)) for name, tensor in buffers.items()]) if buffers else (),
        tuple([(name, id(child)) for name, child in children.items()]) if children else (),
        tuple([(name, _value(value)) for name, value in vars(module).items() if name not in _OWN]),
    )


def _tensor(tensor: torch.Tensor | None) -> Hashable:
    if tensor is None:
        return None
    if type(tensor) not in _TENSORS:
        raise _Unknown
    layout = tensor.layout
    address = tensor.data_ptr() if layout is torch.strided else 0  # tied weights share it
    return id(tensor), tensor.shape, tensor.dtype, tensor.device, layout, address


def _value(value: Any) -> Hashable:
    if isinstance(value, _PLAIN):
        return type(value), value
    return _holder(value) if isinstance(value, _HOLDERS) and len(value) < 100 else id(value)


def _holder(holder: Any) -> Hashable:
    """Its text, but for tensors, whose values would be written out: an LSTM keeps a list of its weights."""
    inside = holder.values() if isinstance(holder, dict) else holder
    if _TEXTS.issuperset(map(type, inside)):
        return repr(holder)
    names = tuple(map(repr, holder)) if isinstance(holder, dict) else ()
    return type(holder), names, tuple([_held(one) for one in inside])


def _held(one: Any) -> Hashable:
    if isinstance(one, torch.Tensor):
        return id(one)
    return _value(one) if isinstance(one, _HOLDERS) else repr(one)
