"""What is computed for `numbers` from files: tensors of every format by rows, and what is said of damaged ones."""

import io
import json
import re
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from htmu_diag.errors import InputError
from htmu_diag.matrices.files import is_checkpoint, stored_tensors
from htmu_diag.matrices.stored import StoredTensor
from htmu_diag.model.torch_values import as_tensor
from tests.golden.measurement_wing import sum_in_order, waves

Write = Callable[[Path], object]
STATE = {
    "a.weight": waves(5, 4).float(),
    "b.weight": waves(2, 3, 2),
    "c": waves(3).half(),
    "d.weight": waves(5, 4).float(),
}


def zipped(state: Any = STATE, new: bool = True) -> bytes:
    stream = io.BytesIO()
    torch.save(state, stream, _use_new_zipfile_serialization=new)
    return stream.getvalue()


def arrays(**named: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **named)
    return stream.getvalue()


def array(value: Any, version: tuple[int, int] = (1, 0)) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(value), version)
    return stream.getvalue()


def archive(**entries: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name, content in entries.items():
            made.writestr(name, content)
    return stream.getvalue()


def tensors(header: Any, size: int, before: int = 0) -> bytes:
    text = json.dumps(header).encode()
    return (len(text) + before).to_bytes(8, "little") + text + np.arange(1, 99, dtype="<f4").tobytes()[:size]


def one(start: Any = 0, stop: Any = 24, shape: Any = (2, 3), kind: str = "F32") -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [start, stop]}


NUMBERS = STATE["b.weight"].numpy()
FILES: dict[str, bytes] = {
    "m.safetensors": save(STATE, metadata={"e.weight": "a.weight", "a.weight": "c", "format": "pt"}),
    "zip.pt": zipped(),
    "old.pt": zipped(new=False),
    "nested.pt": zipped(
        {"epoch": 3, "model": {"net": STATE}, "ema": {"w": waves(2, 2)}, "optimizer": {"w": waves(2, 2)}}
    ),
    "lone.pt": zipped(waves(3, 4)),
    "list.pt": zipped([waves(3, 4), {"x": waves(2, 2)}]),
    "number.pt": zipped(3),
    "moments.pt": zipped({"state": {}, "param_groups": []}),
    "m.npz": arrays(a=NUMBERS, b=np.arange(6, dtype="u2").reshape(2, 3), t=np.array(["x"]), s=np.float64(3)),
    "f.npy": array(np.asfortranarray(NUMBERS[0])),
    "second.npy": array(NUMBERS, (2, 0)),
    "third.npy": array(NUMBERS, (3, 0)),
    "half.npy": array(NUMBERS)[:-40],
    "more.npy": array(NUMBERS) + b"x",
    "record.npy": array(np.zeros(2, dtype=[("a", "f4")])),
    "object.npz": arrays(a=np.array([None])),
    "none.npz": archive(),
    "other.npz": archive(**{"a.npy": b"no array", "b.npy": array(1.0)}),
    "script.pt": archive(**{"m/constants.pkl": b""}),
    "m.keras": archive(**{"model.weights.h5": b""}),
    "text.zip": archive(**{"a.txt": b""}),
    "empty.pt": b"",
    "few.safetensors": b"1234567",
    "text.bin": b"no weights at all, but a text that is long enough to look at, and longer",
    "gguf.bin": b"GGUF1234",
    "model.onnx": b"\x08\x01",
    "hdf.h5": b"\x89HDF\r\n\x1a\n",
    "page.pt": b"<!DOCTYPE html>",
    "m.pt.gz": b"\x1f\x8b12",
    "known.bin": tensors({"w": one()}, 24),
    "long.safetensors": tensors({"w": one()}, 24, before=1000),
    "list.safetensors": tensors([1], 0),
    "hole.safetensors": tensors({"w": one(4, 28)}, 28),
    "over.safetensors": tensors({"w": one(), "v": one(20, 44)}, 44),
    "short.safetensors": tensors({"w": one()}, 23),
    "spare.safetensors": tensors({"w": one()}, 25),
    "sides.safetensors": tensors({"w": one(shape=(2, -3))}, 24),
    "huge.safetensors": tensors({"w": one(shape=(2**62, 3))}, 24),
    "true.safetensors": tensors({"w": one(shape=(True, 6))}, 24),
    "back.safetensors": tensors({"w": one(24, 0)}, 24),
    "bytes.safetensors": tensors({"w": one(shape=(2, 4))}, 24),
    "kind.safetensors": tensors({"w": one(kind="F4")}, 24),
    "none.safetensors": tensors({"w": one(0, 0, (0, 3)), "s": one(0, 4, ())}, 4),
    "order.safetensors": tensors({"w": one(24, 48), "v": one(0, 24)}, 48),
    "ties.safetensors": tensors({"__metadata__": {"x": "w", "w": "w", "y": 3}, "w": one()}, 24),
    "what.safetensors": tensors({"w": {"dtype": "F32"}}, 24),
}


def without_folder(error: Exception, folder: Path) -> str:
    """The sentence; of torch's and numpy's files without what is in brackets, the words of these libraries."""
    sentence = str(error).replace(f"{folder}/", "").replace(str(folder), ".")
    return re.sub(r" \(.*\)", "", sentence) if re.match(r"\S+\.(pt|np[yz]|bin)\b", sentence) else sentence


def read(make: Callable[[], Any], folder: Path) -> Any:
    try:
        return make()
    except InputError as error:
        return without_folder(error, folder)


def by_rows(tensor: StoredTensor) -> Any:
    about = (tensor.name, tensor.shape, str(tensor.dtype), tensor.refusal, tensor.sample is not None)
    if tensor.refusal:
        return about
    parts = (
        [as_tensor(tensor.load(rows)) for rows in (slice(None), slice(1, 2), slice(1, 9, 2))] if tensor.shape else []
    )
    return about, [(tuple(part.shape), sum_in_order(part)) for part in parts]


def rows_of(path: Path) -> Any:
    return read(lambda: [by_rows(tensor) for tensor in stored_tensors(path)], path.parent)


def of_files() -> dict[str, Any]:
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as made:
        for name, content in FILES.items():
            path = Path(made) / name
            path.write_bytes(content)
            found[name] = rows_of(path), is_checkpoint(path)
    return found


def of_cut_files() -> dict[str, Any]:
    """Every format with an end or a start that is missing, or with something more."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as made:
        for name in ("m.safetensors", "zip.pt", "old.pt", "m.npz", "f.npy"):
            whole = FILES[name]
            cuts = {"half": whole[: len(whole) // 2], "one less": whole[:-1], "start": whole[:9], "more": whole + b"\0"}
            for cut, content in cuts.items():
                path = Path(made) / name
                path.write_bytes(content)
                found[f"{name}, {cut}"] = rows_of(path)
    return found


CASES: dict[str, dict[str, Callable[[], Any]]] = {"files": {"formats": of_files, "cut": of_cut_files}}
