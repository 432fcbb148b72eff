"""torch's own reader, behind a look at what it is given: sizes first, then the pickle as plain data.

``weights_only=True`` runs no code, but a file can still ask it for more than the machine has: a compressed archive that
unfolds to gigabytes, a storage that claims more bytes than lie there, a dictionary whose key exhausts the stack. torch
writes archives uncompressed, so what an entry claims can be compared with what the file holds.
"""

from __future__ import annotations

import argparse
import io
import pathlib
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from htmu_diag.errors import InputError
from htmu_diag.matrices.pickle_calls import claims_of, refuse_costly
from htmu_diag.matrices.plain_pickle import DamagedPickle, Made, plain_pickle
from htmu_diag.matrices.stored import DAMAGE, first_line, unreadable
from htmu_diag.safe_text import safe_text

__all__ = ["SAFE_TORCH", "load_torch", "refuse_old_torch"]

SAFE_TORCH = (2, 10)  # before it, a crafted file could corrupt memory in spite of weights_only (CVE-2026-24747)
_LARGEST_PICKLE = 64 * 1024 * 1024  # bytes beside the values: 100 for each tensor
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


def load_torch(file: IO[bytes] | io.RawIOBase, path: Path, *, device: Any = "cpu", mmap: bool = False) -> Any:
    """What ``torch.load(weights_only=True)`` reads, after the checks. ``path``: for the error, and for the map.

    Raises InputError in one line for a file that is damaged, claims what it does not hold, or needs code to be run.
    """
    refuse_old_torch(path)
    zipped = _is_zip(file, path)
    if mmap and zipped and _no_text(path):
        raise unreadable(path, "its name is no UTF-8, and torch maps no such file", "rename it")
    try:
        (_check_archive if zipped else _check_pickles)(file)
        file.seek(0)
        with torch.serialization.safe_globals(_value_classes()):
            source: Any = path if mmap and zipped else file
            return torch.load(source, map_location=device, weights_only=True, mmap=mmap and zipped)
    except InputError:
        raise
    except zipfile.BadZipFile as error:
        raise unreadable(path, "not a PyTorch file, or a truncated one", "pass a file written by torch.save") from error
    except pickle.UnpicklingError as error:
        raise _refused(path, error) from error
    except DAMAGE as error:
        what = f"torch cannot read it ({first_line(error)})"
        raise unreadable(path, what, "pass a whole file written by torch.save") from error


def refuse_old_torch(path: Path) -> None:
    """Raises InputError where the installed torch has a reader with a known flaw."""
    found = re.match(r"(\d+)\.(\d+)", str(torch.__version__))
    if found and (int(found[1]), int(found[2])) < SAFE_TORCH:
        what = f"torch {torch.__version__} reads pickles with a flaw that lets a file corrupt memory (CVE-2026-24747)"
        raise unreadable(path, what, "update torch to 2.10 or later, or pass .safetensors")


def _no_text(path: Path) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in str(path))  # how Python holds such bytes


def _is_zip(file: Any, path: Path) -> bool:
    file.seek(0)
    head = file.read(2)
    file.seek(0)
    if head != b"PK" and head[:1] != b"\x80":
        raise unreadable(path, "not a PyTorch file, or a truncated one", "pass a file written by torch.save")
    return bool(head == b"PK")


def _check_archive(file: Any) -> None:
    """Raises for an archive that torch did not write, or that claims more than it holds."""
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        _refuse_claims(entries, file.seek(0, io.SEEK_END))
        pickles = [name for name in names if name.rpartition("/")[2] == "data.pkl" and name.count("/") < 2]
        if len(pickles) != 1:
            raise ValueError(f"an archive with {len(pickles)} descriptions of its values, where torch writes one")
        folder, pickled = pickles[0].rpartition("/")[0], pickles[0]
        claimed = claims_of(_described(archive.read(pickled)))
        held = {entry.filename: entry.file_size for entry in entries}
        for key, size in claimed.items():
            if size > held.get(f"{folder}/data/{key}", 0):
                raise ValueError(f"a storage claims {size:,} bytes and has {held.get(f'{folder}/data/{key}', 0):,}")


def _refuse_claims(entries: list[zipfile.ZipInfo], size: int) -> None:
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ValueError("a compressed archive, which torch never writes")
    if len({entry.filename for entry in entries}) < len(entries) or sum(e.file_size for e in entries) > size:
        raise ValueError("an archive whose entries lie over each other")


def _described(data: bytes | io.BytesIO) -> list[Made]:
    if isinstance(data, bytes) and len(data) > _LARGEST_PICKLE:
        raise ValueError(f"{len(data):,} bytes of pickle beside the values")
    made: list[Made] = []
    plain_pickle(data, made=made)
    return made


def _check_pickles(file: Any) -> None:
    """The older formats: pickles one after another, then the values; or a single pickle."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    stream = io.BytesIO(file.read(_LARGEST_PICKLE))
    first: list[Made] = []
    magic = plain_pickle(stream, made=first)
    refuse_costly(first)
    if magic != _LEGACY_MAGIC:
        return
    refuse_costly(_described(stream) + _described(stream))
    claimed = claims_of(_described(stream))
    if sum(claimed.values()) > size:
        raise ValueError("its storages claim more bytes than the file has")
    if set(claimed) != {str(key) for key in plain_pickle(stream)}:
        raise ValueError("its storages are not those that follow")


def _refused(path: Path, error: pickle.UnpicklingError) -> InputError:
    needed = re.search(r"GLOBAL (\S+)", str(error))
    if isinstance(error, DamagedPickle) or (needed is None and "WeightsUnpickler error" in str(error)):
        return unreadable(path, "its pickle is damaged", "pass a whole file written by torch.save")
    what = f"it needs code to be run, which is refused ({safe_text(needed[1]) if needed else first_line(error)})"
    return unreadable(path, what, "save model.state_dict() in its place")


def _value_classes() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """Classes and functions that make values and do nothing else, under the names that older versions pickled."""
    scalar = np.float64(0.0).__reduce__()[0]
    dtypes = [type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    paths = (pathlib.PosixPath, pathlib.PurePosixPath)
    known: list[tuple[Any, str]] = [(scalar, name) for name in names]
    return [*dtypes, np.dtype, argparse.Namespace, *paths, *known]
