"""State that modules keep outside of parameters and buffers: generators of their own, counters, caches, lists.

Kept by what it is: random generators by their state; tensors and arrays by their contents; lists, dicts, sets and
deques (nested ones too) by their elements; ``itertools.count`` by another that is counted on in the meantime; every
other attribute by reference. Of what is reached through objects
of other classes generators alone are put back (`loss_modules.held_generators`).
"""

from __future__ import annotations

import ast
import copy
import itertools
import random
from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from htmu_diag.model.states import Restore

__all__ = ["generator_states", "plain_state"]

_DEPTH = 4  # of nested containers
_OWN = frozenset(torch.nn.Module().__dict__)  # torch's own bookkeeping
_CONSTANT = frozenset({bool, int, float, complex, str, bytes, type(None)})  # most attributes: nothing is inside them


def plain_state(modules: Iterable[torch.nn.Module]) -> Restore:
    """Remembers the attributes of these modules; the function that comes back puts them as they are now."""
    restores = [_attributes(module) for module in modules]

    def restore() -> None:
        for put_back in restores:
            put_back()

    return restore


def generator_states(generators: Iterable[Any]) -> Restore:
    """Remembers the states of generators of torch, numpy and Python; the function puts them back."""
    restores = [restore for restore in map(_of_generator, generators) if restore is not None]

    def restore() -> None:
        for put_back in restores:
            put_back()

    return restore


def _attributes(module: torch.nn.Module) -> Restore:
    attributes = vars(module)
    held = {name: attributes[name] for name in attributes.keys() - _OWN}
    contents = [_contents(value, _DEPTH) for value in held.values() if type(value) not in _CONSTANT]
    vars(module).update((name, _same_count(value)) for name, value in held.items() if type(value) is itertools.count)

    def restore() -> None:
        now = vars(module)
        for name in now.keys() - _OWN - held.keys():
            del now[name]
        now.update((name, value) for name, value in held.items() if now.get(name, held) is not value)
        for put_back in contents:
            if put_back is not None:
                put_back()

    return restore


def _same_count(counter: itertools.count[Any]) -> itertools.count[Any]:
    """Another that goes on from the same number, to be counted on in its place; itself where its numbers are no plain
    ones.
    """
    try:
        return itertools.count(*ast.literal_eval(f"({repr(counter)[6:-1]},)"))
    except (ValueError, SyntaxError):
        return counter


def _contents(value: Any, depth: int) -> Restore | None:
    """How to put back what is inside a value; None where it cannot change or is not looked into."""
    if isinstance(value, torch.Tensor):
        return _of_tensor(value)
    if isinstance(value, np.ndarray):
        return _of_array(value)
    if isinstance(value, list | deque | dict | set):
        return _of_container(value, depth)
    return _of_generator(value)


def _of_generator(value: Any) -> Restore | None:
    if isinstance(value, torch.Generator):
        state = value.get_state()
        return lambda: _ignored(value.set_state(state))
    if isinstance(value, np.random.Generator):
        return _of_generator(value.bit_generator)
    if isinstance(value, np.random.BitGenerator):
        inside = copy.deepcopy(value.state)
        return lambda: setattr(value, "state", inside)
    if isinstance(value, np.random.RandomState):
        legacy = value.get_state()
        return lambda: value.set_state(legacy)
    if isinstance(value, random.Random):
        python = value.getstate()
        return lambda: value.setstate(python)
    return None


def _ignored(result: object) -> None:
    return None


def _of_tensor(tensor: torch.Tensor) -> Restore | None:
    if isinstance(tensor, torch.nn.Parameter) or tensor.is_meta or tensor.layout != torch.strided:
        return None
    kept = tensor.detach().clone()

    def restore() -> None:
        if tensor.shape == kept.shape:
            with torch.inference_mode(tensor.is_inference()):
                tensor.data.copy_(kept)

    return restore


def _of_array(array: Any) -> Restore | None:
    if not array.flags.writeable:
        return None
    kept = array.copy()
    return lambda: np.copyto(array, kept)


def _of_container(container: Any, depth: int) -> Restore:
    kept = container.copy()
    elements = list(kept.values() if isinstance(kept, dict) else kept)
    inside = [_contents(element, depth - 1) for element in elements] if depth else []

    def restore() -> None:
        if not _same(container, kept):
            container.clear()
            (container.extend if isinstance(container, list | deque) else container.update)(kept)
        for put_back in inside:
            if put_back is not None:
                put_back()

    return restore


def _same(now: Any, kept: Any) -> bool:
    if len(now) != len(kept):
        return False
    if isinstance(now, dict):
        return all(k is j and v is w for (k, v), (j, w) in zip(now.items(), kept.items(), strict=True))
    return bool(now == kept) if isinstance(now, set) else all(a is b for a, b in zip(now, kept, strict=True))
