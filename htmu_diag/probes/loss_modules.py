"""The modules that a loss runs besides the watched model: the discriminator of a GAN, a teacher, a perceptual network.

``loss_fn(outputs, targets)`` reaches them through its closure, the globals that it names, its defaults, the object that
it is a method of, or what a partial holds. They are looked for at every measurement, a few functions or attributes
deep, and are put back as the model itself is. A module that is reached in another way (an attribute of an imported
module, a name made at run time) is not seen.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Iterator, Mapping
from typing import Any

import torch

__all__ = ["loss_modules"]

DEPTH = 4  # from a loss through its trainer's attribute and a helper to the module
LONG = 100  # a longer container holds data


def loss_modules(loss_fn: Any) -> tuple[torch.nn.Module, ...]:
    """Every module that the loss holds or names, each once; the loss itself where it is one.

    >>> critic = torch.nn.Linear(2, 1)
    >>> loss_modules(lambda outputs, targets: critic(outputs).mean()) == (critic,)
    True
    """
    return tuple(_found(loss_fn, DEPTH, set()))


def _found(thing: Any, depth: int, seen: set[int]) -> Iterator[torch.nn.Module]:
    if id(thing) in seen or depth < 0:
        return
    seen.add(id(thing))
    if isinstance(thing, torch.nn.Module):
        yield thing
        return
    for part in _parts(thing):
        yield from _found(part, depth - 1, seen)


def _parts(thing: Any) -> Iterator[Any]:
    if isinstance(thing, types.FunctionType):
        yield from _named_by(thing)
    elif isinstance(thing, types.MethodType):
        yield from (thing.__self__, thing.__func__)
    elif isinstance(thing, functools.partial):
        yield from (thing.func, *thing.args, *thing.keywords.values())
    elif isinstance(thing, Mapping | list | tuple):
        yield from () if len(thing) > LONG else thing.values() if isinstance(thing, Mapping) else thing
    elif not isinstance(thing, type | types.ModuleType | torch.Tensor):
        yield from getattr(thing, "__dict__", {}).values()
        yield inspect.getattr_static(type(thing), "__call__", None)


def _named_by(function: types.FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    yield from (function.__globals__[name] for name in function.__code__.co_names if name in function.__globals__)
    yield from (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
