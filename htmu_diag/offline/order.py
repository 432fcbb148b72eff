"""Matrices in the order of the model where a file lists them as sorted text."""

from __future__ import annotations

import re
from dataclasses import replace

from htmu_diag.matrices import Inventory

__all__ = ["numbers_in_order"]


def numbers_in_order(inventory: Inventory) -> Inventory:
    """Files often list names as sorted text, layer 10 before layer 2: such a list is sorted by its numbers."""
    names = list(inventory.names)
    if names != sorted(names):
        return inventory
    return replace(inventory, matrices=tuple(sorted(inventory, key=lambda matrix: _number_key(matrix.name))))


def _number_key(name: str) -> list[tuple[int, int, str]]:
    """Text and numbers of a name in turn, each compared with its own kind; numbers by length first, however long."""
    parts = re.split(r"(\d+)", name)
    return [(1, len(part.lstrip("0")), part.lstrip("0")) if part.isdecimal() else (0, 0, part) for part in parts]
