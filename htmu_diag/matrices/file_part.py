"""A range of a file, to be read as if it were a file: shards of several tensors lie one after another in one file."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from htmu_diag.plain_files import open_plain

__all__ = ["FilePart"]


class FilePart(io.RawIOBase):
    """The bytes from ``offset`` on, ``length`` of them. Errors as `open_plain`."""

    def __init__(self, path: Path, offset: int, length: int) -> None:
        super().__init__()
        self._file = open_plain(path)
        self._start, self._length, self._at = offset, length, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        self._at = min(max(base + offset, 0), self._length)
        return self._at

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._start + self._at)
        with memoryview(buffer) as view, view[: min(len(view), self._length - self._at)] as wanted:
            count = self._file.readinto(wanted)
        self._at += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
