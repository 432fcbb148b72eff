"""Tensors of numpy's files, ``.npy`` and ``.npz``, without pickles: headers first, values when asked for."""

from __future__ import annotations

import io
import struct
import tokenize
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from htmu_diag.errors import InputError
from htmu_diag.matrices.arrays import numbers_of, type_of
from htmu_diag.matrices.stored import NoTensors, StoredTensor, first_line, opened, unreadable
from htmu_diag.matrices.stored_type import stored_type
from htmu_diag.narrow import Array
from htmu_diag.safe_text import safe_text

__all__ = ["numpy_tensors"]

_FAULTS = (
    ValueError,
    OSError,
    EOFError,
    TypeError,
    LookupError,
    OverflowError,
    MemoryError,
    SyntaxError,  # of a header
    zipfile.BadZipFile,
    NotImplementedError,  # a compression that is not known
    RuntimeError,  # a compression whose module this Python lacks
    struct.error,  # an entry beyond the end
)
_RATIO, _SMALL = 100, 64 * 1024 * 1024  # weights hardly compress; beyond this an archive only claims to hold some
_ALONE = "matrix"
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # before each entry: a mark, and the lengths of a name and of extra fields


def numpy_tensors(path: Path) -> Iterator[StoredTensor]:
    """The arrays of one file, a single one under the name "matrix". Raises InputError for a damaged file."""
    found = 0
    for member in _members(path):
        found += 1
        yield _described(path, member)
    if not found:
        raise NoTensors(f"{path}: no array in this file; save arrays by name with numpy.savez")


def _members(path: Path) -> list[zipfile.ZipInfo | None]:
    with opened(path) as file:
        if file.read(2) != b"PK":
            return [None]
        size = file.seek(0, io.SEEK_END)
        try:
            with zipfile.ZipFile(file) as archive:
                unfolded = sum(entry.file_size for entry in archive.infolist())  # entries may lie over each other
                if unfolded > max(_SMALL, _RATIO * size):
                    raise ValueError(f"{size:,} bytes that unfold to {unfolded:,}")
                return _once_each(archive.infolist())
        except _FAULTS as error:
            raise _damaged(path, error) from error


def _once_each(entries: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo | None]:
    seen: set[str] = set()
    for entry in entries:
        if _name(entry) in seen:
            raise ValueError(f"two arrays under the name {safe_text(_name(entry))}")
        if entry.flag_bits & 1:
            raise ValueError(f"{safe_text(entry.filename)} is encrypted")
        seen.add(_name(entry))
    return [*entries]


def _name(entry: zipfile.ZipInfo) -> str:
    return entry.filename.removesuffix(".npy").replace("/", ".")


def _described(path: Path, member: zipfile.ZipInfo | None) -> StoredTensor:
    name = _ALONE if member is None else _name(member)
    load = _Load(path, member, name)
    shape, kind = load.header()
    dtype = type_of(kind)
    refusal = "" if dtype else f"values of type {kind}, which are no numbers; save them as float32"
    return StoredTensor(name, shape, dtype or stored_type("uint8"), load, refusal=refusal)


@dataclass(frozen=True)
class _Load:
    path: Path
    member: zipfile.ZipInfo | None
    name: str

    def header(self) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and type, compared with the bytes that are there."""
        with opened(self.path) as file:
            try:
                stream, size = self._stream(file)
                shape, kind = _header(stream)
                if size - stream.tell() != prod(shape) * kind.itemsize and not kind.hasobject:
                    raise ValueError(f"{self.name}: a shape of {shape} in {size:,} bytes")
            except _FAULTS as error:
                raise _damaged(self.path, error) from error
        return shape, kind

    def __call__(self, rows: slice) -> Array:
        if self.member is None:
            try:
                values: Any = npy.open_memmap(self.path, mode="r")
                return numbers_of(values[rows] if values.ndim else values, self.name)
            except _FAULTS as error:
                raise _damaged(self.path, error) from error
        with opened(self.path) as file:
            try:
                whole = npy.read_array(self._stream(file)[0], allow_pickle=False)
            except _FAULTS as error:
                raise _damaged(self.path, error) from error
        return numbers_of(whole[rows] if whole.ndim else whole, self.name)

    def _stream(self, file: IO[bytes]) -> tuple[Any, int]:
        if self.member is None:
            size = file.seek(0, 2)
            file.seek(0)
            return file, size
        return _unpacked(file, self.member), self.member.file_size


def _unpacked(file: IO[bytes], member: zipfile.ZipInfo) -> zipfile.ZipExtFile:
    """An entry of an archive whose list of entries was read before: read anew for each, thousands take minutes."""
    file.seek(member.header_offset)
    start = file.read(_LOCAL_HEADER.size)
    mark, *_, name, extra = _LOCAL_HEADER.unpack(start)
    if mark != b"PK\3\4":
        raise zipfile.BadZipFile(f"{safe_text(member.filename)} does not lie where the archive says")
    file.seek(name + extra, io.SEEK_CUR)
    return zipfile.ZipExtFile(file, "r", member)


def _header(stream: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = npy.read_magic(stream)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version} of the format, which is not read")
    try:
        shape, _, kind = readers[version](stream)
    except (ValueError, SyntaxError, tokenize.TokenError, RecursionError) as error:  # some tell an address in memory
        raise ValueError("its header does not describe an array") from error
    if min(shape, default=0) < 0:
        raise ValueError(f"a shape of {shape}")
    return shape, kind


def _damaged(path: Path, error: BaseException) -> InputError:
    return unreadable(path, f"not a whole file of numpy ({first_line(error)})", "copy it or write it again")
