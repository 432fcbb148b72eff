"""Files of strangers: nothing runs, nothing of Python changes, nothing hangs, no row is made of what was not stored."""

from __future__ import annotations

import os
import pathlib
import pickle
import re
import shutil
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from htmu_diag.errors import InputError
from htmu_diag.matrices import checkpoint_matrices, torch_archive
from tests import warm

STATE = {"a.weight": torch.randn(16, 8), "b.weight": torch.randn(8, 3)}


def read_all(path: Path) -> None:
    for matrix in checkpoint_matrices(path):
        matrix.read()


def folder_with(state: dict[str, torch.Tensor], folder: Path) -> Path:
    from torch.distributed.checkpoint.state_dict_saver import save

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save(dict(state), checkpoint_id=folder)
    return folder


def u(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return b"X" + len(data).to_bytes(4, "little") + data


@pytest.mark.parametrize(
    "named", ["pathlib PosixPath", "pathlib PurePosixPath", "torch Size", "collections OrderedDict"]
)
@pytest.mark.parametrize("slots", [True, False])
def test_shard_metadata_cannot_change_a_class_of_python(named: str, slots: bool, tmp_path: Path) -> None:
    module, name = named.split()
    folder = folder_with(STATE, tmp_path / "dcp")
    body = (folder / ".metadata").read_bytes()
    good = pickle.dumps(pickle.loads(body), protocol=2)[2:-1]
    state = b"}(" + u("_str") + u("/tmp/x") + u("cache") + u("y") + b"u"
    change = f"c{module}\n{name}\n".encode() + (b"N" + state + b"\x86b" if slots else state + b"b") + b"0"
    (folder / ".metadata").write_bytes(b"\x80\x02" + good + change + b".")
    before = {kind: dict(vars(kind)) for kind in (pathlib.PosixPath, pathlib.PurePosixPath)}
    with pytest.raises(InputError, match="damaged or needs code"):
        checkpoint_matrices(folder)
    assert before == {kind: dict(vars(kind)) for kind in before}
    assert str(pathlib.Path("mine.txt")) == "mine.txt"


def changed_metadata(folder: Path, change: Callable[[Any], None]) -> None:
    found = pickle.loads((folder / ".metadata").read_bytes())
    change(found)
    (folder / ".metadata").write_bytes(pickle.dumps(found))


def entry(found: Any) -> Any:
    return found.state_dict_metadata["a.weight"]


def split_in_two(found: Any, second: int, rows: int) -> None:
    """a.weight in two pieces, the second from row ``second`` on: with the bytes of the other tensor."""
    from torch.distributed.checkpoint.metadata import ChunkStorageMetadata, MetadataIndex

    names = ("a.weight", next(name for name in found.state_dict_metadata if name != "a.weight"))
    of = {index.fqn: info for index, info in found.storage_data.items()}
    chunks = [ChunkStorageMetadata(torch.Size([o, 0]), torch.Size([rows, 8])) for o in (0, second)]
    entry(found).chunks[:] = chunks
    for index in [index for index in found.storage_data if index.fqn == "a.weight"]:
        del found.storage_data[index]
    places = {MetadataIndex("a.weight", c.offsets): of[n] for c, n in zip(chunks, names, strict=True)}
    found.storage_data |= places


LIES: dict[str, Callable[[Any], None]] = {
    "a hole": lambda found: split_in_two(found, 12, 4),
    "an overlap": lambda found: split_in_two(found, 4, 8),
    "beyond the end": lambda found: split_in_two(found, 12, 8),
    "a larger whole": lambda found: setattr(entry(found), "size", torch.Size([1_000_000_000, 1_000_000_000])),
    "a larger whole and piece": lambda found: (
        setattr(entry(found), "size", torch.Size([2**30, 2**30])),
        setattr(entry(found).chunks[0], "sizes", torch.Size([2**30, 2**30])),
    ),
    "another shape of the same size": lambda found: (
        setattr(entry(found), "size", torch.Size([8, 16])),
        setattr(entry(found).chunks[0], "sizes", torch.Size([8, 16])),
    ),
    "another dtype": lambda found: setattr(entry(found).properties, "dtype", torch.float16),
    "no dtype": lambda found: setattr(entry(found).properties, "dtype", "float32"),
    "no pieces": lambda found: entry(found).chunks.clear(),
    "sides of text": lambda found: setattr(entry(found), "size", ("16", "8")),
    "negative sides": lambda found: setattr(entry(found), "size", (-16, -8)),
    "a path with NUL": lambda found: [setattr(i, "relative_path", "a\0b") for i in found.storage_data.values()],
    "a path that is absolute": lambda found: [
        setattr(i, "relative_path", "/dev/zero") for i in found.storage_data.values()
    ],
    "a path upwards": lambda found: [setattr(i, "relative_path", "../x") for i in found.storage_data.values()],
    "a path of 5,000 letters": lambda found: [
        setattr(i, "relative_path", "x" * 5000) for i in found.storage_data.values()
    ],
    "a path with a surrogate": lambda found: [
        setattr(i, "relative_path", "\ud800") for i in found.storage_data.values()
    ],
    "a place beyond the file": lambda found: [setattr(i, "offset", 2**40) for i in found.storage_data.values()],
    "names that are no text": lambda found: found.state_dict_metadata.update({3: entry(found)}),
    "nothing": lambda found: found.state_dict_metadata.clear(),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_distributed_checkpoint_that_lies_is_refused_in_one_line(lie: str, tmp_path: Path) -> None:
    folder = folder_with(STATE, tmp_path / "dcp")
    changed_metadata(folder, LIES[lie])
    if lie == "nothing":
        assert checkpoint_matrices(folder).names == ()
        return
    with pytest.raises(InputError) as caught:
        read_all(folder)
    assert "\n" not in str(caught.value)


def test_pieces_that_cover_a_tensor_once_are_read(tmp_path: Path) -> None:
    rows = {f"{i}": torch.randn(8, 8) for i in range(2)}
    folder = folder_with({"a.weight": rows["0"], "other": rows["1"]}, tmp_path / "dcp")
    changed_metadata(
        folder, lambda found: (split_in_two(found, 8, 8), setattr(entry(found), "size", torch.Size([16, 8])))
    )
    torch.testing.assert_close(checkpoint_matrices(folder)["a.weight"].read(), torch.cat([rows["0"], rows["1"]]))


def rewritten(path: Path, compression: int = zipfile.ZIP_STORED, **parts: bytes) -> None:
    """A torch archive with entries replaced ("data.pkl" as data_pkl) or compressed."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    for name, data in parts.items():
        content[next(known for known in content if known.endswith(name.replace("_", ".")))] = data
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def write_shared_lists(path: Path) -> None:
    value: Any = [torch.ones(2, 2)]
    for _ in range(40):
        value = [value, value]
    torch.save({"a": torch.ones(3, 3), "b": value}, path)


def write_deep_dictionaries(path: Path) -> None:
    value: Any = {"w": torch.ones(2, 2)}
    for _ in range(200):
        value = {"model": value}
    torch.save(value, path)


def write_itself(path: Path) -> None:
    value: dict[str, Any] = {"w": torch.ones(3, 2)}
    value["again"] = value
    torch.save(value, path)


def write_tuple_key(path: Path) -> None:
    torch.save({"w": torch.ones(2, 2)}, path)
    rewritten(path, data_pkl=b"\x80\x02})" + b"\x85" * 300_000 + b"K\x01s.")


def write_compressed(path: Path) -> None:
    torch.save({"w": torch.ones(2, 2)}, path)
    rewritten(path, zipfile.ZIP_DEFLATED, data_pkl=b"\x80\x02" + b"}" * 5_000_000 + b".")


def write_expanded(*shape: int) -> Callable[[Path], None]:
    return lambda path: torch.save({"w": torch.ones(1, 1).expand(shape), "v": torch.ones(4, 3)}, path)


ODD: dict[str, tuple[Callable[[Path], None], str]] = {
    "lists shared 2^40 times": (write_shared_lists, ""),
    "dictionaries 200 deep": (write_deep_dictionaries, "no tensors"),
    "a dictionary that holds itself": (write_itself, ""),
    "a key a million tuples deep": (write_tuple_key, "its pickle is damaged"),
    "a compressed pickle": (write_compressed, "a compressed archive"),
    "expanded, 2^40 x 8": (write_expanded(2**40, 8), ""),
    "expanded, 20,000 x 20,000": (write_expanded(20_000, 20_000), ""),
    "expanded, (2^31)^2": (write_expanded(2**31, 2**31 - 1), ""),
}


_READ_ALL = """
import resource, sys
from htmu_diag.matrices import checkpoint_matrices
from htmu_diag.errors import InputError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        found = checkpoint_matrices(path)
        [matrix.read() for matrix in found]
        print("read:", list(found.names))
    except InputError as error:
        print("refused:", error)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
assert grown < 400_000, grown
"""


def test_small_files_that_claim_much_cost_little(tmp_path: Path) -> None:
    """In a process of its own: what fails here would take the whole run with it."""
    paths = [tmp_path / f"{place}.pt" for place in range(len(ODD))]
    for path, (write, _) in zip(paths, ODD.values(), strict=True):
        write(path)
    done = warm.run("-c", _READ_ALL, *map(str, paths))
    assert done.returncode == 0, done.stderr[-500:]
    for line, (odd, (_, message)) in zip(done.stdout.splitlines(), ODD.items(), strict=True):
        assert line.startswith("refused:" if message else "read:"), (odd, line)
        assert message in line


def test_an_expanded_tensor_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    write_expanded(2**31, 2**31 - 1)(tmp_path / "x.pt")
    inventory = checkpoint_matrices(tmp_path / "x.pt")
    assert inventory.names == ("v",)
    assert inventory.skipped[0].reason.startswith("expanded: 4 bytes are stored")


@pytest.mark.filterwarnings("ignore::UserWarning")  # of torch: quantised tensors are deprecated
def test_an_expanded_quantised_tensor_is_named(tmp_path: Path) -> None:
    codes = torch.quantize_per_tensor(torch.ones(1, 1), 0.1, 0, torch.quint8)
    torch.save({"w": codes.expand(9, 9), "v": torch.ones(4, 3)}, tmp_path / "x.pt")
    inventory = checkpoint_matrices(tmp_path / "x.pt")
    assert inventory.names == ("v",)
    assert inventory.skipped[0].reason.startswith("expanded: 1 bytes are stored of the 81")


def test_a_storage_that_claims_more_than_its_entry_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"w": torch.ones(4, 4)}, path)
    with zipfile.ZipFile(path) as archive:
        pickled = archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))
    rewritten(path, data_pkl=pickled.replace(b"K\x10", b"M\x00\x10"))
    with pytest.raises(InputError, match="claims 16,384 bytes and has 64"):
        checkpoint_matrices(path)


def call(name: str, *arguments: bytes) -> bytes:
    """The program that puts ``name(*arguments)`` on the stack."""
    module, _, last = name.rpartition(".")
    return f"c{module}\n{last}\n(".encode() + b"".join(arguments) + b"tR"


@pytest.mark.parametrize("place", ["kept", "thrown away", "older format"])
@pytest.mark.parametrize(
    "asked",
    [
        call("builtins.bytearray", b"K\x09"),
        call("__builtin__.bytearray", b"K\x09"),
        call("_codecs.encode", u("\u4e00"), u("punycode")),
        call("_codecs.encode", u("text")),
        call("torch.FloatTensor", b"K\x03", b"K\x03"),
        call("torch.Tensor", call("torch.Size", b"K\x03K\x03\x86")),
        call("torch.Tensor", b"K\x03K\x03\x86")[:-1] + b"\x81",
        call("torch.storage.UntypedStorage", b"K\x09"),
        call("numpy._core.multiarray.scalar", call("numpy.dtype", u("V9"))),
        call("numpy.core.multiarray.scalar", call("numpy.dtype", u("V9")), b"N"),
    ],
)
def test_what_makes_memory_or_work_from_a_number_is_refused(asked: bytes, place: str, tmp_path: Path) -> None:
    """Small numbers here; with large ones a few hundred bytes took gigabytes, and an encoder the square of its text."""
    path = tmp_path / "x.pt"
    torch.save(STATE, path, _use_new_zipfile_serialization=place != "older format")
    if place == "older format":
        first = pickle.dumps(torch.serialization.MAGIC_NUMBER, protocol=2)
        path.write_bytes(path.read_bytes().replace(first, first[:2] + asked + b"0" + first[2:], 1))
    else:
        rewritten(path, data_pkl=b"\x80\x02" + (b"}" + u("w") + asked + b"s." if place == "kept" else asked + b"0}."))
    with pytest.raises(InputError, match="is asked for more than the file holds"):
        checkpoint_matrices(path)


def test_bytes_and_numbers_of_numpy_beside_the_weights_are_read(tmp_path: Path) -> None:
    beside = {"raw": b"\xff\x00", "more": bytearray(b"abc"), "best": np.float64(3), "empty": torch.ones(0)}
    for legacy in (True, False):
        torch.save({**STATE, **beside}, tmp_path / "x.pt", _use_new_zipfile_serialization=not legacy)
        assert len(checkpoint_matrices(tmp_path / "x.pt")) == 2


def test_a_claim_counts_though_the_pickle_throws_it_away_or_names_the_storage_again(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"w": torch.ones(4, 4)}, path)
    with zipfile.ZipFile(path) as archive:
        pickled = archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))
    claim = b"(" + u("storage") + b"ctorch\nFloatStorage\n" + u("0") + u("cpu") + b"M\x00\x10tQ0"
    rewritten(path, data_pkl=pickled[:2] + claim + pickled[2:])
    with pytest.raises(InputError, match="claims 16,384 bytes and has 64"):
        checkpoint_matrices(path)


def test_a_storage_of_the_older_format_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Torch makes it without values, and what lay in that memory would be a row."""
    path = tmp_path / "x.pt"
    torch.save({"v": torch.ones(4, 4), "w": torch.ones(4, 4)}, path, _use_new_zipfile_serialization=False)
    keys = sorted(set(re.findall(rb"\d{9,}", path.read_bytes())))
    assert len(keys) == 2
    before, _, after = path.read_bytes().rpartition(keys[0])
    path.write_bytes(before + keys[1] + after)
    with pytest.raises(InputError, match="storages are not those that follow"):
        checkpoint_matrices(path)


def test_pickles_are_refused_where_torch_reads_them_unsafely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(STATE, tmp_path / "x.pt")
    save_file(STATE, tmp_path / "x.safetensors")
    for version in ("2.6.0", "2.9.1+cu128"):
        monkeypatch.setattr(torch_archive.torch, "__version__", version)
        with pytest.raises(InputError, match=r"CVE-2026-24747.*update torch to 2.10 or later, or pass .safetensors"):
            checkpoint_matrices(tmp_path / "x.pt")
        assert len(checkpoint_matrices(tmp_path / "x.safetensors")) == 2
    for version in ("2.10.0", "2.11.0+cu130", "3.0.0a0"):
        monkeypatch.setattr(torch_archive.torch, "__version__", version)
        assert len(checkpoint_matrices(tmp_path / "x.pt")) == 2


@pytest.mark.parametrize("name", ["config.json", "adapter_config.json", "model.safetensors.index.json", ".metadata"])
@pytest.mark.parametrize("kind", ["fifo", "device", "deep", "endless"])
def test_what_lies_beside_the_weights_cannot_hold_the_reader_up(name: str, kind: str, tmp_path: Path) -> None:
    save_file({"q_proj.weight": torch.ones(4, 4)}, tmp_path / "m.safetensors")
    path = tmp_path / name
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "deep":
        path.write_text('{"a":' * 100_000)
    else:
        with path.open("wb") as file:
            file.truncate(2**40)
    if name.endswith("config.json"):
        assert checkpoint_matrices(tmp_path, heads=True).names == ("q_proj.weight",)
    elif kind in ("fifo", "device") and name.endswith("index.json"):
        with pytest.raises(InputError, match="not an index of shards"):
            checkpoint_matrices(tmp_path)
    else:
        with pytest.raises(InputError):
            checkpoint_matrices(tmp_path)


@pytest.mark.parametrize("name", ["x.safetensors", "x.pt", "x.npz", "x"])
@pytest.mark.parametrize("kind", ["fifo", "device", "empty", "folder"])
def test_weights_that_are_no_regular_file_are_refused(name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "empty":
        path.touch()
    else:
        path.mkdir()
    with pytest.raises(InputError) as caught:
        checkpoint_matrices(path)
    assert "\n" not in str(caught.value)


def test_a_safetensors_file_larger_than_the_memory_is_read_by_slices(tmp_path: Path) -> None:
    """64 GiB in a process that may address two more than it does: a sparse file, of which one matrix is written."""
    import json

    path, rows = tmp_path / "large.safetensors", 2**22
    header: dict[str, Any] = {"big": {"dtype": "F32", "shape": [rows, 4096], "data_offsets": [0, rows * 4096 * 4]}}
    end = rows * 4096 * 4
    header["w"] = {"dtype": "F32", "shape": [3, 2], "data_offsets": [end, end + 24]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
        file.seek(0, 2)
        file.write(np.arange(6, dtype="<f4").tobytes())
    code = (
        "import resource, sys; from htmu_diag.matrices import checkpoint_matrices\n"
        "from pathlib import Path; from htmu_diag.matrices.files import stored_tensors\n"
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * 4096\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 2**31,) * 2)\n"
        "print(checkpoint_matrices(sys.argv[1])['w'].read().tolist())\n"
        "big = next(t for t in stored_tensors(sys.argv[1]) if t.name == 'big')\n"
        "print(tuple(big.load(slice(2**21, 2**21 + 10)).shape))\n"
    )
    done = warm.run("-c", code, str(path))
    assert done.stdout.split("\n")[:2] == ["[[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]", "(10, 4096)"], done.stderr[-500:]


def test_thousands_of_constant_tensors_are_each_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from htmu_diag.matrices.safetensors_files import _Load

    save_file({f"{i}.lora_B.weight": torch.zeros(4, 4) for i in range(3000)}, tmp_path / "m.safetensors")
    reads: list[int] = []
    plain = _Load.__call__
    monkeypatch.setattr(_Load, "__call__", lambda self, rows: (reads.append(1), plain(self, rows))[1])
    assert len(checkpoint_matrices(tmp_path / "m.safetensors")) == 3000
    assert len(reads) == 3000


def test_a_shard_outside_the_folder_is_refused(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "m.safetensors")
    (tmp_path / "inner").mkdir()
    for shard in ("../m.safetensors", str(tmp_path / "m.safetensors")):
        (tmp_path / "inner" / "model.safetensors.index.json").write_text(f'{{"weight_map": {{"a.weight": "{shard}"}}}}')
        with pytest.raises(InputError, match="lies elsewhere"):
            checkpoint_matrices(tmp_path / "inner")
    shutil.rmtree(tmp_path / "inner")


@pytest.mark.parametrize("length", [100_000, 100_224])  # the second one begins like a pickle: 0x80
@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":', '\n{"__metadata__":[', " ["])
def test_a_deep_header_of_safetensors_is_told_as_one(opening: str, length: int, tmp_path: Path) -> None:
    header = (opening * length)[:length].encode()
    (tmp_path / "m.safetensors").write_bytes(length.to_bytes(8, "little") + header)
    with pytest.raises(InputError, match=r"not a whole safetensors file \(JSON nested deeper than 64 levels"):
        checkpoint_matrices(tmp_path / "m.safetensors")


def test_a_name_that_no_module_has_costs_itself(tmp_path: Path) -> None:
    """Its parts are compared with one another: a hundred thousand of them took minutes."""
    save_file({"a." * 100_000 + "weight": torch.randn(3, 2), "b.weight": torch.randn(4, 3)}, tmp_path / "x.safetensors")
    found = checkpoint_matrices(tmp_path / "x.safetensors")
    assert found.names == ("b.weight",)
    assert [skipped.reason for skipped in found.skipped] == ["its name has 100,001 parts, which is refused; rename it"]


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    entry = b'"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}'
    header = b"{" + entry + b"," + entry + b"}"
    (tmp_path / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 8)
    np.savez(tmp_path / "x.npz", **{"a/b": np.ones((2, 2)), "a.b": np.ones((2, 2))})
    for name, told in (("x.safetensors", "a key that stands twice"), ("x.npz", "two arrays under the name a.b")):
        with pytest.raises(InputError, match=told):
            checkpoint_matrices(tmp_path / name)


def test_the_list_of_an_archive_of_numpy_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read for each array, an archive of three thousand took minutes."""
    arrays = {f"w{place}": np.random.default_rng(place).standard_normal((3, 2)) for place in range(9)}
    np.savez_compressed(tmp_path / "x.npz", **arrays)
    opened: list[object] = []

    class Counted(zipfile.ZipFile):
        def __init__(self, *arguments: Any) -> None:
            opened.append(self)
            super().__init__(*arguments)

    monkeypatch.setattr(zipfile, "ZipFile", Counted)
    for matrix in checkpoint_matrices(tmp_path / "x.npz"):
        np.testing.assert_array_equal(matrix.read(), arrays[matrix.name])
    assert 0 < len(opened) <= 3


def test_a_shard_beside_the_folder_is_not_read_though_it_is_whole(tmp_path: Path) -> None:
    folder = folder_with(STATE, tmp_path / "dcp")
    (shard,) = folder.glob("*.distcp")
    shard.rename(tmp_path / "x.distcp")
    changed_metadata(
        folder, lambda found: [setattr(info, "relative_path", "../x.distcp") for info in found.storage_data.values()]
    )
    with pytest.raises(InputError, match="lies elsewhere"):
        checkpoint_matrices(folder)
