"""A step comes back from its file exactly as it was measured."""

import json
import math
import os
import pickle
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors import safe_open
from safetensors.numpy import load_file, save

from htmu_diag.errors import StorageError
from htmu_diag.spectrum import Estimator, Kind, Source, Spectrum
from htmu_diag.storage.record import DamagedRecord, StoredStep, decode, decode_header, encode

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def back(record: StoredStep, path: Path) -> StoredStep:
    path.write_bytes(encode(record))
    header = decode_header(path)
    return StoredStep(header.step, header.wall_time, decode(path, header), header.scalars, header.events)


def same(a: Spectrum, b: Spectrum) -> bool:
    arrays = a.values.tobytes() == b.values.tobytes() and a.masses.tobytes() == b.masses.tobytes()
    rest = (a.dimension, a.source, a.estimator, dict(a.scalars)) == (
        b.dimension,
        b.source,
        b.estimator,
        dict(b.scalars),
    )
    return arrays and rest


def test_every_kind_of_spectrum_comes_back_exactly(every_kind: list[Spectrum], tmp_path: Path) -> None:
    record = StoredStep(1200, 1.7e9 + 1 / 3, tuple(every_kind), {"train/loss": 0.1}, ("fc2: 3 values are NaN",))
    read = back(record, tmp_path / "r")
    assert all(same(a, b) for a, b in zip(record.spectra, read.spectra, strict=True))
    assert (read.step, read.wall_time, read.scalars, read.events) == (
        1200,
        record.wall_time,
        record.scalars,
        record.events,
    )


@st.composite
def spectra(draw: st.DrawFn) -> Spectrum:
    n = draw(st.integers(0, 6))
    values = draw(arrays(np.float64, n, elements=FLOATS))
    weights = draw(arrays(np.float64, n, elements=st.floats(0, 1)))
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    step = draw(st.none() | st.integers(0, 10**9))
    source = Source(draw(st.sampled_from(list(Kind))), draw(TEXT), shape, step, draw(TEXT))
    return Spectrum(values, weights, n + draw(st.integers(0, 5)), source, Estimator("quadrature", draw(TEXT)))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(spectra(), max_size=4),
    st.dictionaries(TEXT, st.floats(allow_nan=False), max_size=3),
    st.lists(TEXT, max_size=2),
)
def test_any_record_comes_back_exactly(
    tmp_path: Path, found: list[Spectrum], scalars: dict[str, float], events: list[str]
) -> None:
    record = StoredStep(7, 0.5, tuple(found), scalars, tuple(events))
    read = back(record, tmp_path / "r")
    assert len(read.spectra) == len(found)
    assert all(same(a, b) for a, b in zip(found, read.spectra, strict=True))
    assert (dict(read.scalars), read.events) == (scalars, record.events)


def test_a_diverged_loss_is_kept_as_what_it_was(tmp_path: Path) -> None:
    read = back(StoredStep(1, 0.0, scalars={"loss": math.nan, "norm": math.inf}), tmp_path / "r")
    assert math.isnan(read.scalars["loss"])
    assert read.scalars["norm"] == math.inf


def test_a_file_cut_anywhere_is_recognised(one: Spectrum, tmp_path: Path) -> None:
    data = encode(StoredStep(1, 0.0, (one,)))
    path = tmp_path / "r"
    for end in range(len(data)):
        path.write_bytes(data[:end])
        with pytest.raises(DamagedRecord):
            decode_header(path)


def test_a_changed_byte_of_header_or_data_is_recognised(one: Spectrum, tmp_path: Path) -> None:
    data = encode(StoredStep(1, 0.0, (one,)))
    path = tmp_path / "r"
    for place in range(0, len(data), 7):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        with pytest.raises(DamagedRecord):
            decode(path, decode_header(path))


def test_a_record_of_zeros_is_recognised(one: Spectrum, tmp_path: Path) -> None:
    path = tmp_path / "r"
    path.write_bytes(bytes(len(encode(StoredStep(1, 0.0, (one,))))))
    with pytest.raises(DamagedRecord):
        decode_header(path)


def test_a_record_of_a_newer_version_is_refused_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r"
    monkeypatch.setattr("htmu_diag.storage.record.SCHEMA", 99)
    path.write_bytes(encode(StoredStep(1, 0.0)))
    monkeypatch.undo()
    with pytest.raises(StorageError, match="schema 99.*upgrade htmu_diag"):
        decode_header(path)


def test_a_kind_of_a_newer_version_is_named(one: Spectrum, tmp_path: Path) -> None:
    path = tmp_path / "r"
    path.write_bytes(encode(StoredStep(1, 0.0, (one,))))
    with safe_open(str(path), framework="numpy") as file:
        text = file.metadata()["header"].replace('"kind": "weights"', '"kind": "momentum"')
    path.write_bytes(save({"0/values": one.values}, {"header": text, "crc32": str(zlib.crc32(text.encode()))}))
    with pytest.raises(StorageError, match="unknown kind of spectrum 'momentum'; upgrade"):
        decode(path, decode_header(path))


def test_any_safetensors_reader_finds_arrays_and_header(one: Spectrum, tmp_path: Path) -> None:
    path = tmp_path / "r"
    path.write_bytes(encode(StoredStep(5, 0.0, (one,))))
    with safe_open(str(path), framework="numpy") as file:
        assert np.array_equal(file.get_tensor("0/values"), one.values)
        header = json.loads(file.metadata()["header"])
    assert header["step"] == 5
    assert header["spectra"][0]["source"]["name"] == "fc1.weight"
    assert header["spectra"][0]["source"]["unit"] == one.source.unit


def test_equal_weights_take_no_space(one: Spectrum) -> None:
    many = Spectrum(np.arange(1000.0), np.full(1000, 1e-3), 1000, one.source)
    assert len(encode(StoredStep(1, 0.0, (many,)))) < 8 * 1000 + 1500


def test_equal_records_are_equal_files_that_any_safetensors_reader_opens(
    every_kind: list[Spectrum], tmp_path: Path
) -> None:
    record = StoredStep(3, 0.5, tuple(every_kind), {"loss": 0.25})
    script = "import pickle, sys; from htmu_diag.storage.record import encode; "
    script += "sys.stdout.buffer.write(encode(pickle.load(sys.stdin.buffer)))"
    other = subprocess.run(
        [sys.executable, "-c", script],
        input=pickle.dumps(record),
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "1"},
    )
    assert other.stdout == encode(record)
    (tmp_path / "r").write_bytes(encode(record))
    arrays = load_file(tmp_path / "r")
    assert arrays["0/values"].tobytes() == every_kind[0].values.tobytes()
    assert arrays["2/weights"].tolist() == [0.2, 0.5, 0.3]
