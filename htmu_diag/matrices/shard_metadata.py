"""What the ``.metadata`` of a distributed checkpoint says: where each piece of each tensor lies, checked for sense.

The file is a pickle; it is read as plain data (`plain_pickle`), and only names that describe shards may occur in it.
The pieces of a tensor have to lie inside it and cover it exactly once: a hole would be read as whatever was in memory.
"""

from __future__ import annotations

import itertools
import math
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from htmu_diag.matrices.kinds import METADATA
from htmu_diag.matrices.plain_pickle import Made, Name, plain_pickle
from htmu_diag.matrices.stored import byte_size, first_line, unreadable
from htmu_diag.plain_files import lies_inside, read_bytes
from htmu_diag.safe_text import safe_text

__all__ = ["METADATA", "Piece", "Sharded", "sharded_tensors"]

_LARGEST = 128 * 1024 * 1024  # bytes; about 100 for each piece: a million pieces
_CELLS = 4_000_000  # of the grid in which the pieces of one tensor are counted
_CLASSES = {
    "torch.distributed.checkpoint.metadata": (
        "BytesStorageMetadata",
        "ChunkStorageMetadata",
        "Metadata",
        "MetadataIndex",
        "StorageMeta",
        "TensorProperties",
        "TensorStorageMetadata",
        "_MEM_FORMAT_ENCODING",
    ),
    "torch.distributed.checkpoint.filesystem": ("_StorageInfo", "_StoragePrefix"),
    "torch.serialization": ("_get_layout",),
    "torch": ("Size",),
    "pathlib": ("PosixPath", "WindowsPath", "PurePosixPath"),
    "pathlib._local": ("PosixPath", "WindowsPath", "PurePosixPath"),
    "collections": ("OrderedDict",),
    "copyreg": ("_reconstructor",),
    "copy_reg": ("_reconstructor",),
    "builtins": ("object",),
    "__builtin__": ("object",),
}
_KNOWN = frozenset(f"{module}.{name}" for module, names in _CLASSES.items() for name in names)
_FAULTS = (pickle.UnpicklingError, ValueError, TypeError, LookupError, AttributeError, OverflowError, MemoryError)
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Piece:
    """One block of a tensor: its place in it, its sides, and the bytes of a file of the folder that hold it."""

    offsets: Shape
    sides: Shape
    file: str
    start: int
    length: int


@dataclass(frozen=True)
class Sharded:
    """A tensor in pieces that cover it once."""

    shape: Shape
    dtype: torch.dtype
    pieces: tuple[Piece, ...]


def sharded_tensors(folder: Path) -> dict[str, Sharded]:
    """The tensors of the folder by name. Raises InputError in one line where the metadata make no sense."""
    try:
        found = plain_pickle(read_bytes(folder / METADATA, limit=_LARGEST), _is_known)
        entries = _table(_field(found, "state_dict_metadata"))
        stored = {_place(*_index(key)): info for key, info in _table(_field(found, "storage_data")).items()}
        described = {name: entry for name, entry in entries.items() if _has_pieces(entry)}
    except (OSError, *_FAULTS) as error:
        what = f"its {METADATA} is damaged or needs code to be run ({first_line(error)})"
        raise unreadable(folder, what, "write it again with torch.distributed.checkpoint.save") from error
    return {_text(folder, name): _sharded(folder, name, entry, stored) for name, entry in described.items()}


def _sharded(folder: Path, name: str, entry: Any, stored: dict[str, Any]) -> Sharded:
    try:
        shape, dtype = _sides(_field(entry, "size")), _dtype(_field(entry, "properties"))
        chunks = [(_sides(_field(c, "offsets")), _sides(_field(c, "sizes"))) for c in _field(entry, "chunks")]
        pieces = tuple(_piece(offsets, sides, _told(stored, name, offsets)) for offsets, sides in chunks)
        _refuse_holes(shape, pieces)
        _refuse_short_files(pieces, dtype)
    except (OSError, *_FAULTS) as error:
        what = f"{METADATA} does not say where {safe_text(name)} lies ({first_line(error)})"
        raise unreadable(folder, what, "copy or write it again") from error
    return Sharded(shape, dtype, pieces)


def _is_known(name: str) -> bool:
    module, _, last = name.rpartition(".")
    return name in _KNOWN or (module == "torch" and _torch_dtype(last) is not None)


def _torch_dtype(name: str) -> torch.dtype | None:
    """Asked of what is there: torch imports a module of its own for some other names."""
    found = vars(torch).get(name)
    return found if isinstance(found, torch.dtype) else None


def _table(value: Any) -> dict[Any, Any]:
    value = value.state if isinstance(value, Made) else value
    if not isinstance(value, dict):
        raise TypeError("a table is missing")
    return value


def _field(made: Any, name: str) -> Any:
    return _table(made)[name]


def _has_pieces(entry: Any) -> bool:
    return isinstance(entry, Made) and isinstance(entry.state, dict) and "chunks" in entry.state


def _index(key: Any) -> tuple[str, Shape]:
    offset = _table(key).get("offset")
    return str(_field(key, "fqn")), () if offset is None else _sides(offset)


def _place(name: str, offsets: Shape) -> str:
    """As text, whose hash nobody knows beforehand: a file may choose thousands of tuples that have one hash."""
    return f"{name} {offsets}"


def _told(stored: dict[str, Any], name: str, offsets: Shape) -> Any:
    found = stored.get(_place(name, offsets))
    if found is None:
        raise ValueError(f"no place is told for the piece at {offsets[:4]}")
    return found


def _sides(value: Any) -> Shape:
    if isinstance(value, Made):  # torch.Size of a tuple
        (value,) = value.arguments
    if not isinstance(value, list | tuple) or not all(type(side) is int and 0 <= side < 2**62 for side in value):
        raise ValueError("sides that are no whole numbers")
    return tuple(value)


def _dtype(properties: Any) -> torch.dtype:
    state = properties.state if isinstance(properties, Made) else None
    found = state["dtype"] if isinstance(state, dict) else state[0] if isinstance(state, tuple) else None
    dtype = _torch_dtype(found.text.removeprefix("torch.")) if isinstance(found, Name) else None
    if dtype is None:
        raise TypeError("a dtype that is none")
    return dtype


def _piece(offsets: Shape, sides: Shape, info: Any) -> Piece:
    path = _field(info, "relative_path")
    parts = path.arguments if isinstance(path, Made) else (path,)
    name = "/".join(part for part in parts if isinstance(part, str))
    if not lies_inside(name) or _table(info).get("transform_descriptors"):
        raise ValueError(f"{safe_text(name)} lies elsewhere or is compressed by an extension")
    start, length = _sides((_field(info, "offset"), _field(info, "length")))
    return Piece(offsets, sides, name, start, length)


def _refuse_holes(shape: Shape, pieces: tuple[Piece, ...]) -> None:
    """Marks, on the grid of all borders, which cells are covered: each once, or it is refused."""
    if any(len(piece.offsets) != len(shape) or len(piece.sides) != len(shape) for piece in pieces) or not pieces:
        raise ValueError("pieces of other dimensions than the tensor's")
    filled = [piece for piece in pieces if 0 not in piece.sides]
    ends = [[(p.offsets[d], p.offsets[d] + p.sides[d]) for p in filled] for d in range(len(shape))]
    borders = [np.unique([0, side, *np.ravel(own)]).astype(np.int64) for side, own in zip(shape, ends, strict=True)]
    if any(border[-1] > side for border, side in zip(borders, shape, strict=True)):
        raise ValueError("a piece reaches beyond the tensor")
    if math.prod(len(border) for border in borders) > _CELLS:
        raise ValueError("its pieces are no grid")
    filled_cells = np.zeros([len(border) - 1 for border in borders], dtype=bool)
    for piece in filled:
        cells = [np.searchsorted(b, (o, o + s)) for b, o, s in zip(borders, piece.offsets, piece.sides, strict=True)]
        covered = filled_cells[tuple(slice(*cell) for cell in cells)]
        if covered.any():  # at once: thousands of pieces over each other would be counted for minutes
            raise ValueError("its pieces cover a part twice")
        covered[...] = True
    if not filled_cells.all():
        raise ValueError("its pieces do not cover it")


def _refuse_short_files(pieces: tuple[Piece, ...], dtype: torch.dtype) -> None:
    """Each piece has bytes of its own, as many as its values need."""
    in_order = sorted(pieces, key=lambda piece: (piece.file, piece.start))
    for piece, following in itertools.pairwise(in_order):
        if piece.file == following.file and following.start < piece.start + piece.length:
            raise ValueError("two of its pieces lie in the same bytes")
    for piece in pieces:
        if byte_size(piece.sides, dtype) > piece.length:
            raise ValueError(f"{byte_size(piece.sides, dtype):,} bytes of values in {piece.length:,} bytes of a file")


def _text(folder: Path, name: Any) -> str:
    if not isinstance(name, str):
        raise unreadable(folder, f"a name in its {METADATA} is no text", "copy or write it again")
    return name
