"""How much memory a graph holds: its roots and the tensors that its nodes saved for backward, each storage once.

Counted, not measured: the resident size of a process says nothing where an allocator reuses what it has.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

__all__ = ["KeptGraphs", "graph_bytes"]


@dataclass
class KeptGraphs:
    """Graphs by batch, within ``limit`` bytes. An operator shares them with its blocks.

    full: one graph did not fit, so no more are looked at.
    """

    limit: int
    graphs: dict[int, Any] = field(default_factory=dict)
    bytes: int = 0
    full: bool = False

    def offer(self, index: int, graph: Any, size: int, *, always: bool) -> None:
        """Keep the graph where it fits, or where ``always``."""
        if always or self.bytes + size <= self.limit:
            self.graphs[index] = graph
            self.bytes += size
        else:
            self.full = True


def graph_bytes(roots: Iterable[torch.Tensor], known: Iterable[torch.Tensor] = ()) -> int:
    """Bytes of ``roots`` and of saved tensors reachable from them, without the storages of ``known`` tensors."""
    roots = tuple(roots)
    seen = {tensor.untyped_storage().data_ptr() for tensor in known}
    total = 0
    for tensor in itertools.chain(_strided(roots), _saved(roots)):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            total += storage.nbytes()
    return total


def _saved(roots: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    waiting: list[Any] = [root.grad_fn for root in roots if root.grad_fn is not None]
    visited = set(waiting)
    fields: dict[type, list[str]] = {}
    while waiting:
        node = waiting.pop()
        names = fields.setdefault(type(node), [name for name in dir(node) if name.startswith("_saved_")])
        for name in [*names, "saved_tensors"]:
            yield from _tensors(node, name)
        for following, _ in node.next_functions:
            if following is not None and following not in visited:
                visited.add(following)
                waiting.append(following)


def _tensors(node: Any, name: str) -> list[torch.Tensor]:
    try:
        value = getattr(node, name, None)
    except RuntimeError:  # freed, or changed in place: nothing is held
        return []
    values = value if isinstance(value, tuple | list) else [value]
    return _strided(values)


def _strided(values: Iterable[Any]) -> list[torch.Tensor]:
    return [item for item in values if isinstance(item, torch.Tensor) and item.layout == torch.strided]
