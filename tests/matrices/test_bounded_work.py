"""Small files that ask for much work: each is read, or refused in one line, in a time that its length explains."""

from __future__ import annotations

import io
import json
import pickle
import warnings
import zipfile
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from htmu_diag.errors import InputError
from htmu_diag.matrices import checkpoint_matrices
from htmu_diag.matrices.plain_pickle import DamagedPickle, plain_pickle

STATE = {"a.weight": torch.randn(16, 8), "b.weight": torch.randn(8, 8)}


def of_one_hash() -> Iterator[tuple[int, int]]:
    """Pairs with the hash of all others: CPython's hash of a tuple, solved for the last number."""
    first, second, start = 11400714785074694791, 14029467366897019727, 2870177450012600261
    inverse, whole = pow(second, -1, 2**64), 2**64
    for a in count(1):
        mixed = (start + a * second) % whole
        mixed = (mixed << 31 | mixed >> 33) % whole * first % whole
        b = (12345 - mixed) * inverse % whole
        if b < 2**60:
            yield a, b


def test_keys_of_one_hash_are_refused_before_they_cost_anything() -> None:
    """Forty thousand of them, a megabyte, took minutes; here so many that a miss would take seconds."""
    keys = list(islice(of_one_hash(), 5000))
    assert len(set(map(hash, keys))) == 1
    written = [pickle.dumps(key, protocol=2)[2:-1] for key in keys]
    pairs = b"".join(one + b"N" for one in written)
    for program in (b"}(" + pairs + b"u.", b"(" + pairs + b"d.", b"\x8f(" + b"".join(written) + b"\x90."):
        with pytest.raises(DamagedPickle, match="too many keys of a kind that is refused"):
            plain_pickle(program)


def test_keys_that_trainers_write_are_read() -> None:
    found = {("layer", place): place for place in range(3000)} | {(a, a + 1): a for a in range(3000)}
    found |= {(0.5, place): 1 for place in range(100)}
    assert plain_pickle(pickle.dumps(found)) == found


def test_slots_of_the_memo_are_those_of_its_binary_form() -> None:
    far = b"".join(b"p%d\n" % (place * (2**61 - 1)) for place in range(1, 9))
    with pytest.raises(DamagedPickle, match="a slot that is none"):
        plain_pickle(b"]" + far + b".")


def test_a_dictionary_shared_under_every_name_of_a_state_dict_is_looked_into_once(tmp_path: Path) -> None:
    names = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params")
    value: dict[str, Any] = {"x": 1}
    for _ in range(30):
        value = dict.fromkeys(names, value)
    torch.save({**value, "w": torch.ones(4, 3)}, tmp_path / "x.pt")
    assert checkpoint_matrices(tmp_path / "x.pt").names == ("w",)


def test_a_tensor_of_millions_of_matrices_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sparse file: nothing on the disk."""
    monkeypatch.setattr("htmu_diag.matrices.inventory._MOST", 1000)
    size = 2**24 * 16 * 4
    header: dict[str, Any] = {"big": {"dtype": "F32", "shape": [2**24, 4, 4], "data_offsets": [0, size]}}
    header["w"] = {"dtype": "F32", "shape": [4, 3], "data_offsets": [size, size + 48]}
    text = json.dumps(header).encode()
    with (tmp_path / "x.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + size + 48)
    found = checkpoint_matrices(tmp_path / "x.safetensors")
    assert found.names == ("w",)
    assert found.skipped[0].reason.startswith("more than 1,000 matrices in one tensor")


def test_an_archive_of_numpy_that_unfolds_without_end_is_refused(tmp_path: Path) -> None:
    """A thousand entries over one compressed array, none of which is large by itself."""
    stream, array = io.BytesIO(), io.BytesIO()
    np.save(array, np.zeros((500, 400), dtype=np.float32))
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("00000.npy", array.getvalue())
    data = stream.getvalue()
    begin, end = data.index(b"PK\1\2"), data.rindex(b"PK\5\6")
    entries = b"".join(data[begin:end].replace(b"00000", b"%05d" % place) for place in range(1000))
    closing = b"PK\5\6" + bytes(4) + (1000).to_bytes(2, "little") * 2 + len(entries).to_bytes(4, "little")
    (tmp_path / "x.npz").write_bytes(data[:begin] + entries + closing + begin.to_bytes(4, "little") + bytes(2))
    with pytest.raises(InputError, match="bytes that unfold to 800,128,000"):
        checkpoint_matrices(tmp_path / "x.npz")


def pieces(changed: Callable[[Any], None], folder: Path) -> Path:
    """A distributed checkpoint whose description was changed."""
    from torch.distributed.checkpoint.state_dict_saver import save

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save(dict(STATE), checkpoint_id=folder)
    found = pickle.loads((folder / ".metadata").read_bytes())
    changed(found)
    (folder / ".metadata").write_bytes(pickle.dumps(found))
    return folder


def over_each_other(found: Any) -> None:
    """Two hundred pieces of the same two hundred rows and more: counted, they cost the square."""
    from torch.distributed.checkpoint.metadata import ChunkStorageMetadata, MetadataIndex

    entry = found.state_dict_metadata["a.weight"]
    whole = next(info for index, info in found.storage_data.items() if index.fqn == "a.weight")
    entry.size, entry.chunks[:] = torch.Size([2**40, 8]), []
    for start in range(200):
        entry.chunks.append(ChunkStorageMetadata(torch.Size([start, 0]), torch.Size([200, 8])))
        found.storage_data[MetadataIndex("a.weight", torch.Size([start, 0]))] = whole


def in_the_same_bytes(found: Any) -> None:
    from torch.distributed.checkpoint.metadata import ChunkStorageMetadata, MetadataIndex

    entry = found.state_dict_metadata["a.weight"]
    whole = next(info for index, info in found.storage_data.items() if index.fqn == "a.weight")
    entry.size = torch.Size([32, 8])
    entry.chunks.append(ChunkStorageMetadata(torch.Size([16, 0]), torch.Size([16, 8])))
    found.storage_data[MetadataIndex("a.weight", torch.Size([16, 0]))] = whole


def without_a_place(found: Any) -> None:
    found.state_dict_metadata["c.weight"] = found.state_dict_metadata["a.weight"]


LIES = {
    over_each_other: "cover a part twice",
    in_the_same_bytes: "lie in the same bytes",
    without_a_place: "no place is",
}


@pytest.mark.parametrize("lie", LIES)
def test_pieces_have_rows_and_bytes_of_their_own(lie: Callable[[Any], None], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=LIES[lie]):
        checkpoint_matrices(pieces(lie, tmp_path / "dcp"))


def test_a_name_in_the_description_imports_nothing_of_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch imports some of its modules when they are asked for, with all that they import."""
    asked: list[str] = []
    monkeypatch.setattr(torch, "__getattr__", asked.append)
    folder = pieces(lambda found: None, tmp_path / "dcp")
    asked.clear()
    body = pickle.dumps(pickle.loads((folder / ".metadata").read_bytes()), protocol=2)[2:]
    asked.clear()
    (folder / ".metadata").write_bytes(b"\x80\x02ctorch\n_a_lazy_module\n0" + body)
    with pytest.raises(InputError, match=r"needs code to be run \(torch._a_lazy_module\)"):
        checkpoint_matrices(folder)
    assert asked == []


OUTSIDE = ["..\\x", "C:x", "C:\\..\\x", "\\x", "\\\\server\\share\\x", "a\\..\\..\\x", "a/../../x", "/x", ""]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_shard_lies_in_its_folder_for_windows_too(name: str, tmp_path: Path) -> None:
    (tmp_path / "m.safetensors.index.json").write_text(json.dumps({"weight_map": {"a.weight": name}}))
    with pytest.raises(InputError, match="lies elsewhere"):
        checkpoint_matrices(tmp_path)

    def moved(found: Any) -> None:
        for info in found.storage_data.values():
            info.relative_path = name

    with pytest.raises(InputError, match="lies elsewhere"):
        checkpoint_matrices(pieces(moved, tmp_path / "dcp"))


def test_an_index_that_an_editor_of_windows_wrote_is_read(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "m.safetensors")
    index = json.dumps({"weight_map": dict.fromkeys(STATE, "m.safetensors")})
    (tmp_path / "m.safetensors.index.json").write_text(index, encoding="utf-8-sig")
    assert set(checkpoint_matrices(tmp_path).names) == set(STATE)
