"""What a file is, by its first bytes: endings are habits, and differ from trainer to trainer.

A format that is not read is named, with the line that gets at its weights where there is one.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

from htmu_diag.errors import InputError
from htmu_diag.matrices.stored import opened, unreadable

__all__ = ["METADATA", "SUFFIXES", "TORCH_SUFFIXES", "Kind", "kind_of", "saved_model", "surely_weights"]

METADATA = ".metadata"  # in the folder of a distributed checkpoint
Kind = Literal["safetensors", "torch", "numpy"]
TORCH_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt")
SUFFIXES: dict[str, Kind] = {".safetensors": "safetensors", ".npz": "numpy", ".npy": "numpy"}
SUFFIXES |= dict.fromkeys(TORCH_SUFFIXES, "torch")
_HEAD = 64
_JSON = b'{[" \t\r\n'
_LEGACY_TORCH = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the number that torch.save wrote in front before 1.6
_ARRAYS = "htmu_diag.analyze takes a dict of arrays"
_FOREIGN = {
    b"\x89HDF\r\n\x1a\n": (
        "an HDF5 file, as Keras writes it",
        f"{_ARRAYS}: analyze({{w.path: w.numpy() for w in keras.models.load_model(FILE).weights}})",
    ),
    b"GGUF": (
        "a GGUF file, whose values are mostly quantised",
        "pass the original weights, or a dict of arrays made with gguf.GGUFReader and gguf.dequantize",
    ),
    b"\x1f\x8b": ("compressed (gzip)", "unpack it and pass what is inside"),
    b"\xfd7zXZ": ("compressed (xz)", "unpack it and pass what is inside"),
    b"BZh": ("compressed (bzip2)", "unpack it and pass what is inside"),
    b"version https://git-lfs": ("a pointer of Git LFS, not the file", "run git lfs pull"),
    b"<!DOCTYPE": ("a web page, not weights", "download it again, perhaps after logging in"),
    b"<html": ("a web page, not weights", "download it again, perhaps after logging in"),
}
_FOREIGN_ENDINGS = {
    ".onnx": (
        "an ONNX model",
        f"{_ARRAYS}: analyze({{i.name: onnx.numpy_helper.to_array(i) for i in onnx.load(FILE).graph.initializer}})",
    ),
    ".msgpack": (
        "a file of msgpack, as Flax writes it",
        f"{_ARRAYS}, nested or not: analyze(flax.serialization.msgpack_restore(open(FILE, 'rb').read()))",
    ),
    ".tflite": ("a TensorFlow Lite model", f"{_ARRAYS}; get them with tf.lite.Interpreter"),
    ".pb": (
        "a TensorFlow graph",
        f"{_ARRAYS}: analyze({{v.name: v.numpy() for v in tf.saved_model.load(FOLDER).variables}})",
    ),
}
_TORCHSCRIPT = (
    "a TorchScript archive, whose weights lie beside code",
    "run torch.save(torch.jit.load(FILE).state_dict(), 'weights.pt') and pass that",
)
_SAVED_MODEL = ("a TensorFlow SavedModel", _FOREIGN_ENDINGS[".pb"][1])


def kind_of(path: Path) -> Kind:
    """The format of a file. Raises InputError with the way to its weights for one that is not read."""
    head = _head(path)
    foreign = next((told for start, told in _FOREIGN.items() if head.startswith(start)), None)
    if foreign is None and path.suffix.lower() in _FOREIGN_ENDINGS:
        foreign = _FOREIGN_ENDINGS[path.suffix.lower()]
    if foreign is not None:
        raise unreadable(path, *foreign)
    found = _by_content(path, head) or SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise unreadable(path, "no checkpoint by its first bytes or its ending", f"known: {', '.join(SUFFIXES)}")
    return found


def surely_weights(path: Path) -> bool:
    """True for a file that is one of the formats by its content alone, whatever it is called."""
    try:
        head = _head(path)
        return _LEGACY_TORCH in head or (head[:1] != b"\x80" and _by_content(path, head) is not None)
    except InputError:
        return False


def saved_model(folder: Path) -> InputError | None:
    """The refusal of a folder of TensorFlow, None for any other."""
    return unreadable(folder, *_SAVED_MODEL) if (folder / "saved_model.pb").is_file() else None


def _head(path: Path) -> bytes:
    with opened(path) as file:
        return file.read(_HEAD)


def _by_content(path: Path, head: bytes) -> Kind | None:
    # the length of a header of less than a terabyte, and the start of JSON, right or not: no pickle has both
    if head[5:8] == b"\0\0\0" and head[8:9] in _JSON and head[8:9]:
        return "safetensors"
    if head.startswith(b"\x93NUMPY"):
        return "numpy"
    if head.startswith(b"PK"):
        return _of_archive(path)
    return "torch" if head[:1] == b"\x80" else None


def _of_archive(path: Path) -> Kind:
    try:
        with opened(path) as file, zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return "numpy" if path.suffix.lower() == ".npz" else "torch"  # a damaged one: its reader says so
    last = {name.rpartition("/")[2] for name in names}
    if "constants.pkl" in last:
        raise unreadable(path, *_TORCHSCRIPT)
    if "model.weights.h5" in last:
        raise unreadable(path, "a Keras model", _FOREIGN[b"\x89HDF\r\n\x1a\n"][1])
    if names and all(name.endswith(".npy") for name in names):
        return "numpy"
    if "data.pkl" not in last:
        raise unreadable(path, "an archive without weights that are known", "unpack it and pass the file of weights")
    return "torch"
