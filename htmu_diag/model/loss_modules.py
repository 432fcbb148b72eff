"""The modules that a loss runs besides the watched model: the discriminator of a GAN, a teacher, a perceptual network.

The random generators that the loss, or the forward pass of a module, holds are looked for in the same places: an
augmentation with a generator of its own, a function that names a global one.

``loss_fn(outputs, targets)`` reaches them through its closure, the globals that it names, its defaults, the object that
it is a method of, or what a partial holds. They are looked for at every measurement, a few functions or attributes
deep, and are put back as the model itself is. A module that is reached in another way (an attribute of an imported
module, a name made at run time, a proxy, a mapping that is no dict) is not seen.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import random
import types
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch

__all__ = ["held", "held_generators", "loss_modules"]

_PLAIN = frozenset(
    {type(None), bool, int, float, str, bytes, torch.dtype, torch.device, torch.nn.Parameter, torch.Tensor}
)
_TORCHS = frozenset(torch.nn.Module().__dict__)  # its own bookkeeping
DEPTH = 4  # from a loss through its trainer's attribute and a helper to the module
FURTHER, SHALLOW = 6, 2  # to a generator; from a forward pass, whose globals are all of its module's helpers
LONG = 100  # a longer container holds data
GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random)


def loss_modules(loss_fn: Any) -> tuple[torch.nn.Module, ...]:
    """Every module that the loss holds or names, each once; the loss itself where it is one.

    >>> critic = torch.nn.Linear(2, 1)
    >>> loss_modules(lambda outputs, targets: critic(outputs).mean()) == (critic,)
    True
    """
    return tuple({id(module): module for module in _found(loss_fn, DEPTH, {}, (torch.nn.Module,))}.values())


def held_generators(modules: Iterable[torch.nn.Module], loss_fn: Any = None) -> tuple[Any, ...]:
    """Every generator that attributes and forward passes of modules, or a loss, hold or name, each once.

    >>> rng = np.random.default_rng(0)
    >>> held_generators([], lambda outputs, targets: outputs.mean() * rng.random()) == (rng,)
    True
    """
    return held(GENERATORS, modules, loss_fn)


def held(wanted: tuple[type, ...], modules: Iterable[torch.nn.Module], loss_fn: Any = None) -> tuple[Any, ...]:
    """The same for objects of other classes."""
    seen: dict[int, int] = {}
    found = list(_found(loss_fn, FURTHER, seen, wanted))
    for module in modules:
        own = [value for name, value in vars(module).items() if name not in _TORCHS]
        if not type(module).__module__.startswith("torch."):
            found += _found(type(module).forward, SHALLOW, seen, wanted)
        for value in own:
            found += _found(value, FURTHER, seen, wanted)
    return tuple({id(thing): thing for thing in found}.values())


def _found(thing: Any, depth: int, seen: dict[int, int], wanted: tuple[type, ...]) -> Iterator[Any]:
    """seen: how deep each thing was looked into; one that was reached at the end of a long way is looked into again."""
    if type(thing) in _PLAIN or depth <= seen.get(id(thing), -1):
        return
    seen[id(thing)] = depth
    if issubclass(type(thing), wanted):
        yield thing
    if not issubclass(type(thing), (*wanted, torch.nn.Module)):
        for part in _parts(thing):
            yield from _found(part, depth - 1, seen, wanted)


def _parts(thing: Any) -> Iterator[Any]:
    kind = type(thing)  # what a proxy stands for may be gone, and asking it runs its code
    if issubclass(kind, types.FunctionType):
        yield from _named_by(thing)
    elif issubclass(kind, types.MethodType | types.BuiltinMethodType | types.MethodWrapperType):
        yield from (thing.__self__, getattr(thing, "__func__", None))
    elif issubclass(kind, functools.partial):
        yield from (thing.func, *thing.args, *thing.keywords.values())
    elif issubclass(kind, dict | list | tuple | set):
        yield from () if len(thing) > LONG else list(thing.values() if issubclass(kind, dict) else thing)
    elif not issubclass(kind, (type, types.ModuleType, torch.Tensor, *weakref.ProxyTypes)):
        yield from list(getattr(thing, "__dict__", {}).values())
        yield from _in_slots(thing, kind)
        yield inspect.getattr_static(kind, "__call__", None)


def _named_by(function: types.FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    yield from (function.__globals__[name] for name in _names(function.__code__) if name in function.__globals__)
    yield from (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())


def _names(code: types.CodeType) -> Iterator[str]:
    """Names that it reads, those in generators, lambdas and functions inside it included."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _in_slots(thing: Any, kind: type) -> Iterator[Any]:
    for cls in kind.__mro__:
        for slot in cls.__dict__.values():
            if isinstance(slot, types.MemberDescriptorType):
                with contextlib.suppress(AttributeError):  # not assigned yet
                    yield slot.__get__(thing)
