"""What is computed for `numbers` from folders of weights, and from pickles that are read as plain data."""

import json
import pickle
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from htmu_diag import matrices
from htmu_diag.matrices.files import is_checkpoint, stored_tensors, weight_files
from htmu_diag.matrices.heads import heads_beside
from htmu_diag.matrices.plain_pickle import Made, Name, plain_pickle
from tests.golden.files_wing import FILES, by_rows, one, read, tensors, zipped
from tests.golden.measurement_wing import listed, waves


def put(folder: Path, **files: bytes | dict[str, Any]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(json.dumps(content).encode() if isinstance(content, dict) else content)


SAFE, TORCH = FILES["known.bin"], zipped({"w": waves(2, 3)})
OTHER = tensors({"v": one()}, 24)
INDEX = "model.safetensors.index.json"
FOLDERS: dict[str, dict[str, Any]] = {
    "twice": {"a.safetensors": SAFE, "b.pt": TORCH},
    "both": {"a.safetensors": SAFE, "b.safetensors": SAFE},
    "parts": {
        "a.safetensors": SAFE,
        "b.safetensors": OTHER,
        "optimizer.safetensors": OTHER,
        ".hidden.safetensors": SAFE,
    },
    "of an optimizer": {
        "a.pt": TORCH,
        "adam.pt": FILES["moments.pt"],
        "scheduler.pt": TORCH,
        "x_optim_states.pt": TORCH,
    },
    "optimizers alone": {"adam.pt": FILES["moments.pt"]},
    "nothing": {"readme.txt": b"text"},
    "deeper": {"in/a.safetensors": SAFE, "to/b.pt": TORCH},
    "index": {
        INDEX: {"weight_map": {"w": "a.safetensors", "v": "b.safetensors"}},
        "a.safetensors": SAFE,
        "b.safetensors": OTHER,
    },
    "wrong shard": {INDEX: {"weight_map": {"w": "b.safetensors"}}, "a.safetensors": SAFE, "b.safetensors": OTHER},
    "missing": {INDEX: {"weight_map": {"w": "a.safetensors", "v": "c.safetensors"}}, "a.safetensors": SAFE},
    "elsewhere": {INDEX: {"weight_map": {"w": "../a.safetensors"}}, "a.safetensors": SAFE},
    "no map": {INDEX: {"weights": {}}, "a.safetensors": SAFE},
    "two indices": {"x.bin.index.json": {"weight_map": {"w": "a.bin"}}, "a.bin": TORCH, "b.bin": TORCH},
    "without ending": {"weights": SAFE, "notes": b"text"},
    "saved model": {"saved_model.pb": b"\x08"},
    "adapter": {
        "adapter_config.json": {"lora_alpha": 6, "use_rslora": True, "alpha_pattern": {"q": 1}},
        "a.pt": zipped({f"{n}.lora_{p}": waves(*s) for n in "qk" for p, s in (("A", (4, 3)), ("B", (2, 4)))}),
    },
    "heads": {
        "config.json": {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 3, "model_type": "falcon"},
        "a.pt": zipped({"h.self_attention.query_key_value.weight": waves(24, 8), "q_proj.weight": waves(12, 8)}),
    },
    "one head of keys": {
        "config.json": {"multi_query": True, "n_head": 3, "text_config": {"d_kv": 5, "num_experts": 7}},
        "a.pt": TORCH,
    },
    "no heads": {
        "config.json": {"n_head": True, "num_heads": 0, "model_type": None, "new_decoder_architecture": 1},
        "a.pt": TORCH,
    },
}


def of_folders() -> dict[str, Any]:
    return {name: of_folder(files) for name, files in FOLDERS.items()}


def of_folder(files: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        put(folder, **files)
        return {
            "rows": read(lambda: [by_rows(tensor) for tensor in stored_tensors(folder)], folder),
            "files": read(lambda: [path.name for path in weight_files(folder)], folder),
            "cut": read(lambda: listed(matrices.checkpoint_matrices(folder, heads=True)), folder),
            "heads": heads_beside(folder),
            "is one": is_checkpoint(folder),
        }


PICKLES: dict[str, bytes] = {
    "numbers": b"\x80\x02(K\x01M\x02\x01J\xff\xff\xff\xff\x8a\x02\x00\x80G?\xf0\0\0\0\0\0\0NI7\nl.",
    "tuples": b"\x80\x04K\x01\x85K\x02K\x03\x86K\x04K\x05K\x06\x87\x87.",
    "dictionary": b"}(\x8c\x01aK\x01\x8c\x01bK\x02u\x8c\x01cK\x03s.",
    "list": b"](K\x01K\x02eK\x03a.",
    "memo": b"\x8c\x01a\x94q\x05h\x05h\x00\x86.",
    "call": b"ctorch\nSize\nK\x01\x85R.",
    "state": b"ctorch\nSize\n)\x81}\x8c\x01aK\x01sb.",
    "unknown": b"cos\nsystem\n.",
    "cut": b"\x80\x02K",
    "nothing": b".",
    "no mark": b"e.",
    "odd": b"}(K\x01u.",
    "an unhashable key": b"}]K\x01s.",
}


def in_words(value: Any) -> str:
    if isinstance(value, Made):
        return f"made {in_words(value.by)} {in_words(value.arguments)} {in_words(value.state)}"
    return value.text if isinstance(value, Name) else repr(value)


def of_pickles() -> dict[str, str]:
    found = {}
    for name, content in PICKLES.items():
        try:
            found[name] = in_words(plain_pickle(content, lambda text: text.startswith("torch.")))
        except pickle.UnpicklingError as error:
            found[name] = re.sub(r" \(.*", "", f"{type(error).__name__}: {error}")
    return found


CASES: dict[str, dict[str, Callable[[], Any]]] = {"folders": {"folders": of_folders, "pickles": of_pickles}}
