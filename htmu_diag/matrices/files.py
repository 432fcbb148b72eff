"""What lies at a path: one file, a folder of shards with an index, or a distributed checkpoint."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

from htmu_diag.errors import InputError
from htmu_diag.matrices.installed import installed_endings, installed_reader
from htmu_diag.matrices.kinds import METADATA, SUFFIXES, TORCH_SUFFIXES, Kind, kind_of, saved_model, surely_weights
from htmu_diag.matrices.stored import NoTensors, StoredTensor, no_load, unreadable
from htmu_diag.matrices.stored_type import stored_type
from htmu_diag.missing_path import missing_path
from htmu_diag.plain_files import lies_inside, read_json
from htmu_diag.safe_text import safe_text

__all__ = ["is_checkpoint", "stored_tensors", "weight_files"]

_NOT_WEIGHTS = re.compile(
    r"(optimizer|scheduler|rng_state|training_args|scaler|random_states)|.*[._-]optim_states?[._-]", re.I
)
_INDEX = ".index.json"
_LARGEST_INDEX = 64 * 1024 * 1024  # bytes: ten times the largest known one
Reader = Callable[[Path], Iterator[StoredTensor]]
# format -> (module of matrices/, its reader), imported at its first use: not all need torch
_READERS: dict[Kind | str, tuple[str, str]] = {
    "safetensors": ("safetensors_files", "safetensors_tensors"),
    "torch": ("torch_files", "torch_tensors"),
    "numpy": ("numpy_files", "numpy_tensors"),
    "distributed": ("distributed_folder", "distributed_tensors"),
}


def stored_tensors(path: str | Path) -> Iterator[StoredTensor]:
    """The tensors at a path, each name once. Raises InputError with one clear line where they cannot be read."""
    path = Path(path)
    if not os.path.exists(path):  # which raises for no name, unlike Path.exists
        raise InputError(missing_path(path))
    if path.is_dir() and (path / METADATA).exists():
        yield from _reader("distributed")(path)
        return
    index = _index(path)
    if index is None:
        yield from _without_twins(path, weight_files(path))
    else:
        yield from _indexed(index)


def is_checkpoint(path: Path) -> bool:
    """True for a weight file, or a folder that holds one or a distributed checkpoint."""
    if os.path.isfile(path):
        return path.suffix.lower() in SUFFIXES or _read_or_sure(path)
    return (path / METADATA).exists() or bool(_in_folder(path))


def weight_files(path: Path) -> list[Path]:
    """The files that hold the weights: the path itself, the shards its index names, or those of a folder."""
    index = _index(path)
    if index is not None:
        return sorted(set(_weight_map(index).values()))
    if not path.is_dir():
        return [path]
    files = _in_folder(path)
    if not files:
        inside = [] if saved_model(path) else [entry.name for entry in _entries(path) if _in_folder(entry)]
        where = f" (but in {', '.join(map(safe_text, inside[:3]))})" if inside else ""
        known = ", ".join([*SUFFIXES, *installed_endings()])
        refusal = unreadable(path, f"no weights in this folder{where}", f"pass one with {known}")
        raise saved_model(path) or refusal
    return files


def _index(path: Path) -> Path | None:
    """The index of shards that the path is or holds; one of safetensors goes before one of PyTorch files."""
    if not path.is_dir():
        return path if path.name.endswith(_INDEX) else None
    kinds = (".safetensors",) if _loose(path, (".safetensors",)) else (".safetensors", ".bin")
    return next((file for kind in kinds for file in sorted(path.glob(f"*{kind}{_INDEX}"))), None)


def _in_folder(folder: Path) -> list[Path]:
    """Safetensors before PyTorch files before what only its content tells: a folder may hold the same weights twice."""
    if not folder.is_dir():
        return []
    known = _loose(folder, (".safetensors",)) or _loose(folder, TORCH_SUFFIXES)
    return known or [file for file in _loose(folder, None) if _read_or_sure(file)]


def _read_or_sure(file: Path) -> bool:
    return installed_reader(file) is not None or surely_weights(file)


def _loose(folder: Path, suffixes: tuple[str, ...] | None) -> list[Path]:
    files = [file for file in _entries(folder) if os.path.isfile(file) and not _NOT_WEIGHTS.match(file.name)]
    return [file for file in files if suffixes is None or file.suffix.lower() in suffixes]


def _entries(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.glob("*") if not entry.name.startswith("."))


def _without_twins(path: Path, files: Iterable[Path]) -> Iterator[StoredTensor]:
    """Tensors of loose files, which are one model only where no name occurs in two of them.

    A file without weights of its own (an optimizer's) is a row with that reason, unless all are such files.
    """
    seen: dict[str, Path] = {}
    empty: list[tuple[Path, NoTensors]] = []
    for file in files:
        try:
            for tensor in _in_file(file):
                other = seen.setdefault(tensor.name, file)
                if other is not file:
                    what = f"{safe_text(other.name)} and {safe_text(file.name)} both hold {safe_text(tensor.name)}"
                    raise unreadable(path, f"{what}, so they are not one model", "pass one of the files")
                yield tensor
        except NoTensors as error:
            empty.append((file, error))
    if empty and not seen:
        raise empty[0][1]
    for file, told in empty:
        reason = str(told).removeprefix(f"{file}: ").split("; ")[0]
        yield StoredTensor(file.name, (), stored_type("uint8"), no_load, refusal=reason)


def _indexed(index: Path) -> Iterator[StoredTensor]:
    """Tensors of shards: a name from the shard that the index gives, names that it does not know from any."""
    names = _weight_map(index)
    seen: set[str] = set()
    for file in dict.fromkeys(names.values()):
        for tensor in _in_file(file):
            if names.get(tensor.name, file) == file and tensor.name not in seen:
                seen.add(tensor.name)
                yield tensor
    missing = [safe_text(name) for name in names if name not in seen]
    if missing:
        what = f"{len(missing)} of {len(names)} tensors are not in their shards ({', '.join(missing[:3])})"
        raise unreadable(index, what, "copy or download the shards and the index again")


def _in_file(file: Path) -> Iterator[StoredTensor]:
    read = installed_reader(file)
    return _reader(kind_of(file))(file) if read is None else read(file)


def _reader(kind: Kind | str) -> Reader:
    module, name = _READERS[kind]
    return cast(Reader, getattr(importlib.import_module(f"htmu_diag.matrices.{module}"), name))


def _weight_map(index: Path) -> Mapping[str, Path]:
    """Name of each tensor -> its shard. Raises InputError for a damaged index or missing shards."""
    try:
        found = read_json(index, limit=_LARGEST_INDEX)["weight_map"]
        places = {shard: index.parent / _inside(shard) for shard in dict.fromkeys(found.values())}
        shards = {str(name): places[shard] for name, shard in found.items()}
    except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        what = "not an index of shards" + (f" ({_reason(index, error)})" if isinstance(error, InputError) else "")
        raise unreadable(index, what, "it needs a JSON object with 'weight_map'") from error
    missing = sorted({safe_text(file.name) for file in places.values() if not os.path.isfile(file)})
    if missing:
        raise unreadable(index, f"shards are missing: {', '.join(missing[:3])}", "copy or download them")
    return shards


def _reason(index: Path, error: Exception) -> str:
    return str(error).removeprefix(f"{index}: ").split("; ")[0]


def _inside(shard: object) -> str:
    """The name of a shard, which lies in the index's own folder or below it."""
    if not isinstance(shard, str) or not lies_inside(shard):
        raise InputError("a shard that lies elsewhere")
    return shard
