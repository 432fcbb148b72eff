"""Files that somebody else may have made: regular files only, at most so many bytes, JSON at most so deep.

A name in a downloaded folder may be a FIFO (reading it waits for ever), a device (it never ends) or a text nested a
hundred thousand deep (the parser exhausts the stack), and a name *in* a file may lead out of the folder. Every small
file is read through here: the kind is asked of the open descriptor, so that nothing can be put in its place between the
question and the reading.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any

from htmu_diag.errors import InputError

__all__ = [
    "DEEPEST",
    "LARGEST",
    "complete_lines",
    "entry_names",
    "lies_inside",
    "loads_json",
    "open_plain",
    "read_bytes",
    "read_json",
    "read_text",
]

LARGEST = 16 * 1024 * 1024  # bytes of a text that describes something; the largest known index of shards has 9 MB
DEEPEST = 64  # levels of JSON; configurations of models in use have fewer than ten
LISTED = 10_000  # entries of a folder that are looked at for a near name
_DIGITS = 400  # of a whole number: a float has at most 309 before its point
# not waiting for the writer of a FIFO, not inherited by other programs, no terminal taken over, no end-of-line changed
_FLAGS = os.O_RDONLY
for _name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"):
    _FLAGS |= getattr(os, _name, 0)
_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
_BRACKETS = re.compile(r'"(?:[^"\\]+|\\.)*"?|[\[{]|[\]}]', re.DOTALL)


def open_plain(path: str | os.PathLike[str]) -> io.BufferedReader:
    """An open regular file, links followed. Raises InputError for anything else, OSError where it cannot be opened."""
    try:
        descriptor = os.open(path, _FLAGS)
    except ValueError as error:  # NUL or what the file system cannot spell
        raise InputError(f"{str(path)!r}: no name of a file; check the path") from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise InputError(f"{path}: {_KINDS.get(stat.S_IFMT(mode), 'a device')}, not a regular file; pass a file")
    return io.BufferedReader(_Unfailing(descriptor, path))


class _Unfailing(io.FileIO):
    """A regular file of the system (/proc/kmsg) may have nothing to give yet: BufferedReader would give None."""

    def __init__(self, descriptor: int, path: str | os.PathLike[str]) -> None:
        super().__init__(descriptor)
        self._path = path

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer)
        self._require(count)
        return count

    def readall(self) -> bytes:
        found = super().readall()
        self._require(found)
        return found

    def _require(self, given: object) -> None:
        if given is None:
            raise InputError(f"{self._path}: a file of the system that gives nothing now; pass a file")


def lies_inside(name: str) -> bool:
    """Whether a path that a file tells stays in the file's folder or below it, as POSIX and as Windows read it.

    >>> [lies_inside(name) for name in ("a/b.bin", "../b.bin", "..\\\\b.bin", "C:b.bin", "")]
    [True, False, False, False, False]
    """
    windows = PureWindowsPath(name)
    outside = PurePosixPath(name).is_absolute() or windows.drive or windows.root or ".." in windows.parts
    return bool(name) and not outside


def read_bytes(path: str | os.PathLike[str], *, limit: int = LARGEST) -> bytes:
    """The content of a regular file of at most ``limit`` bytes. Raises InputError beyond it; else as `open_plain`."""
    with open_plain(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise InputError(f"{path}: larger than {limit:,} bytes, which no such file should be; check what it is")
    return data


def complete_lines(file: IO[bytes], *, longest: int = LARGEST) -> Iterator[bytes]:
    """The lines of a log, without their ends; what follows the last end is not there yet.

    Raises InputError at a line of more than ``longest`` bytes: a file may claim a terabyte that is not there.
    """
    while line := file.readline(longest + 1):
        if line.endswith(b"\n"):
            yield line[:-1]
        elif len(line) > longest:
            raise InputError(f"a line of more than {longest:,} bytes, which is refused; check what it is")


def entry_names(folder: str | os.PathLike[str], *, most: int = LISTED) -> list[str]:
    """The names in a folder, so many at most; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in itertools.islice(entries, most)]
    except OSError:
        return []


def read_text(path: str | os.PathLike[str], *, limit: int = LARGEST) -> str:
    """The same as text in UTF-8. Raises InputError for other bytes too."""
    try:
        return read_bytes(path, limit=limit).decode("utf-8-sig")  # with a mark of Windows' editors in front or not
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text in UTF-8; check what it is") from error


def read_json(path: str | os.PathLike[str], *, limit: int = LARGEST, depth: int = DEEPEST) -> Any:
    """The JSON value in a file. Raises InputError for one that is no JSON, too long or too deep; OSError as `open`."""
    try:
        return loads_json(read_text(path, limit=limit), depth=depth)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not JSON ({error}); write or download it again") from error
    except InputError as error:
        prefix = "" if str(error).startswith(str(path)) else f"{Path(path)}: "
        raise InputError(f"{prefix}{error}") from error


def loads_json(text: str | bytes, *, depth: int = DEEPEST, once: bool = False) -> Any:
    """The JSON value of a text. Raises InputError beyond ``depth`` levels or 400 digits, else json.JSONDecodeError.

    once: raises InputError for a key that stands twice in one object; else the last one counts.

    >>> loads_json('{"a": [1, 2]}')
    {'a': [1, 2]}
    """
    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        raise InputError("not JSON in UTF-8; write or download it again") from error
    if _depth_exceeds(text, depth):
        raise InputError(f"JSON nested deeper than {depth} levels, which is refused; write or download it again")
    return json.loads(text, parse_int=_whole, object_pairs_hook=_once if once else None)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InputError("a key that stands twice in one object, which is refused; write or download it again")
    return found


def _depth_exceeds(text: str, depth: int) -> bool:
    """Counts brackets outside strings, before a parser that recurses sees them."""
    if text.count("[") + text.count("{") <= depth:
        return False
    level = 0
    for found in _BRACKETS.finditer(text):
        mark = text[found.start()]
        level += (mark in "[{") - (mark in "]}")
        if level > depth:
            return True
    return False


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise InputError(f"a number of {len(digits)} digits, which is refused; write or download it again")
    return int(digits)
