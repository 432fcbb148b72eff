"""A series keeps its order wherever it goes; as a measure it is the spectrum of its values."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest

from htmu_diag.analysis import Options, diagnose
from htmu_diag.errors import InputError
from htmu_diag.series import Series
from htmu_diag.spectrum import Kind, Source, Spectrum
from htmu_diag.storage.record import StoredStep, decode, decode_header, encode

SOURCE = Source(Kind.TRAJECTORY, "model", (300, 10), 300, "length")
VALUES = np.abs(np.random.default_rng(0).standard_t(3, 300)) * np.exp(-np.arange(300) / 100)


def test_the_order_survives_copies_pickles_and_the_disk(tmp_path: Path) -> None:
    spectrum = Series(VALUES, SOURCE, {"step_length": 1.0}).spectrum("norms")
    file = tmp_path / "step.safetensors"
    file.write_bytes(encode(StoredStep(300, 1.0, (spectrum, Spectrum.exact(VALUES, SOURCE)))))
    stored, plain = decode(file, decode_header(file))
    for again in (copy.deepcopy(spectrum), pickle.loads(pickle.dumps(spectrum)), stored):
        series = Series.of(again)
        assert series is not None
        assert series.values.tolist() == VALUES.tolist()
        assert series.scalars == {"step_length": 1.0}
        assert again.values.tolist() == sorted(VALUES)
    assert Series.of(plain) is None


def test_a_path_of_other_values_is_refused() -> None:
    with pytest.raises(InputError, match="other values"):
        Spectrum(VALUES, np.full(300, 1 / 300), 300, SOURCE, path=VALUES + 1)


def test_a_diagnosis_of_a_series_is_about_what_is_left_of_it() -> None:
    diagnosis = diagnose(Series(VALUES, SOURCE).spectrum(), Options(bootstrap=0))
    assert diagnosis.series is not None
    assert diagnosis.numbers["drift"] > 5
    assert abs(diagnosis.numbers["autocorrelation"]) < 0.2
    assert diagnosis.tail == diagnosis.series.upper
    assert "running median" in diagnosis.fitted.source.unit
    assert diagnosis.fitted.values.tolist() == sorted(diagnosis.series.left)
    assert diagnosis.spectrum.values.tolist() == sorted(VALUES)
