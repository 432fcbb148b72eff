"""Diagnosed numbers come back to the last bit without a fit, and belong to the spectra that they were made from."""

import json
import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import htmu_diag.storage.stored_numbers as stored_numbers
from htmu_diag.analysis import Options, Reading, StepRecord, diagnose, diagnose_all
from htmu_diag.errors import InputError
from htmu_diag.spectrum import Kind, Source, Spectrum
from htmu_diag.storage import Store, load_run
from htmu_diag.storage.numbers import StepNumbers, append_numbers, decode_line, line_step
from tests.equal import same

FAST = Options(bootstrap=0)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def spectrum(name: str, step: int, seed: int = 0, n: int = 40) -> Spectrum:
    draw = np.random.default_rng([seed, step, n]).standard_normal((n, 2 * n))
    values = np.linalg.svd(draw, compute_uv=False) ** 2 / (2 * n)
    return Spectrum.exact(values, Source(Kind.WEIGHTS, name, (n, 2 * n), step), scalars={"entropy_deficit": 0.25})


def written(store: Store, step: int, spectra: list[Spectrum], options: Options = FAST) -> StepRecord:
    """As the recorder does: spectra first, then what was said about them."""
    diagnoses = tuple(diagnose(s, options) for s in spectra)
    store.write(step, spectra, wall_time=float(step))
    store.write_numbers(step, spectra, [Reading.of(d) for d in diagnoses], options, wall_time=float(step))
    return StepRecord(step, float(step), diagnoses)


@pytest.fixture
def no_fits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the spectra that a reader fits after all."""
    fitted: list[str] = []

    def noted(spectra: Sequence[Spectrum], options: Options | None = None):
        fitted.extend(one.source.name for one in spectra)
        return diagnose_all(spectra, options)

    monkeypatch.setattr(stored_numbers, "diagnose_all", noted)
    return fitted


def info(options: Options = FAST) -> dict[str, object]:
    return {"options": vars(options)}


def test_the_row_that_a_user_sees_comes_back_without_a_fit(
    every_kind: list[Spectrum], no_fits: list[str], tmp_path: Path
) -> None:
    with Store(tmp_path, info=info(), fsync=False) as store:
        live = written(store, 3, [spectrum("fc1", 3), *every_kind])
    read = load_run(tmp_path).record(3)
    assert read.metrics() == live.metrics()
    for row, diagnosis in zip(read.rows(), live.diagnoses, strict=True):
        expected = {**diagnosis.row(), "step": 3}
        assert repr({name: row[name] for name in expected}) == repr(expected)  # NaN as NaN
        assert all(row[name] == "" or math.isnan(row[name]) for name in row.keys() - expected.keys())
    assert no_fits == []


def test_fits_are_there_for_whoever_asks(tmp_path: Path) -> None:
    with Store(tmp_path, info=info(), fsync=False) as store:
        live = written(store, 0, [spectrum("fc1", 0)])
    run = load_run(tmp_path)
    assert same(run.record().diagnoses[0].tail, live.diagnoses[0].tail)
    assert run.diagnose(options=Options(bootstrap=5)).diagnoses[0].numbers["p"] >= 0


def test_other_options_and_other_versions_are_fitted_again(
    no_fits: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Store(tmp_path, info=info(), fsync=False) as store:
        written(store, 0, [spectrum("fc1", 0)])
        monkeypatch.setattr("htmu_diag.storage.numbers.__version__", "0.0.1")
        written(store, 1, [spectrum("fc1", 1)])
        monkeypatch.undo()
    run = load_run(tmp_path)
    assert run.undiagnosed(FAST) == (1,)
    assert run.undiagnosed(Options(bootstrap=0, seed=1)) == (0, 1)
    assert math.isfinite(run.record(0, Options(bootstrap=4)).numbers.values[0][0])
    assert run.record(0, Options(bootstrap=4)).metrics()["weights_p/fc1"] >= 0
    assert [record.numbers.version for record in run.records(fit=False)][1] == "0.0.1"


def test_a_folder_without_numbers_reads_by_fitting(no_fits: list[str], tmp_path: Path) -> None:
    with Store(tmp_path, info=info(), fsync=False) as store:
        for step in (0, 5):
            store.write(step, [spectrum("fc1", step), spectrum("fc2", step)])
    run = load_run(tmp_path)
    steps, layers, values = run.metrics("alpha")
    assert (steps.tolist(), layers) == ([0, 5], ("fc1", "fc2"))
    assert values.tolist() == [[d.numbers["alpha"] for d in run.diagnose(step).diagnoses] for step in (0, 5)]
    assert no_fits == ["fc1", "fc2"] * 2
    assert [record.numbers.spectra for record in run.records(fit=False)] == [(), ()]
    assert run.metrics("alpha", fit=False).values.shape == (0, 0)


def test_only_spectra_without_numbers_are_fitted(no_fits: list[str], tmp_path: Path) -> None:
    with Store(tmp_path, info=info(), fsync=False) as store:
        written(store, 0, [spectrum("fc1", 0)])
        store.write(0, [spectrum("fc2", 0, seed=1)])
    read = load_run(tmp_path).record(0)
    assert [reading.source.name for reading in read.readings] == ["fc1", "fc2"]
    assert no_fits == ["fc2"]


def test_numbers_are_superseded_exactly_as_spectra_are(no_fits: list[str], tmp_path: Path) -> None:
    path = Source(Kind.TRAJECTORY, "path", (9, 9))
    lengths = Spectrum.exact(np.arange(1.0, 10.0), path)
    with Store(tmp_path, info=info(), fsync=False) as store:
        for step in (0, 10, 20, 30):
            written(store, step, [spectrum("fc1", step), lengths])
    with Store(tmp_path, info=info(), start_step=20, fsync=False) as store:
        live = written(store, 20, [spectrum("fc1", 20, seed=9)])
        written(store, 25, [spectrum("fc1", 25, seed=9)])
    run = load_run(tmp_path)
    assert run.metrics("alpha").steps.tolist() == [0, 10, 20, 25]
    assert run.record(20).readings[0].numbers["alpha"] == live.diagnoses[0].numbers["alpha"]
    assert [reading.source.name for reading in run.record(20).readings] == ["fc1", "path"]  # of the first attempt
    assert no_fits == []


def test_a_resumed_step_whose_process_ended_before_its_numbers_is_fitted(no_fits: list[str], tmp_path: Path) -> None:
    with Store(tmp_path, info=info(), fsync=False) as store:
        written(store, 20, [spectrum("fc1", 20)])
    with Store(tmp_path, info=info(), start_step=20, fsync=False) as store:
        store.write(20, [spectrum("fc1", 20, seed=9)])
    read = load_run(tmp_path).record(20)
    assert read.metrics()["weights_lambda_max/fc1"] == spectrum("fc1", 20, seed=9).values[-1]
    assert no_fits == ["fc1"]


def test_a_torn_line_does_not_count_and_a_damaged_one_costs_itself(no_fits: list[str], tmp_path: Path) -> None:
    with Store(tmp_path, info=info(), fsync=False) as store:
        for step in (1, 2, 3):
            written(store, step, [spectrum("fc1", step)])
    path = next(tmp_path.rglob("numbers.jsonl"))
    first, second, third = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([first, second, third[:-9]]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_run(tmp_path).undiagnosed() == (3,)
    path.write_bytes(b"\n".join([first, second.replace(b"fc1", b"fc2"), third, b""]))
    with pytest.warns(RuntimeWarning, match=r"damaged line at byte \d+ of .*numbers\.jsonl") as said:
        run = load_run(tmp_path)
        assert run.undiagnosed() == run.undiagnosed() == (2,)
    assert len(said) == 1


def test_a_line_after_a_torn_one_is_whole(tmp_path: Path) -> None:
    table = StepNumbers.of(4, [spectrum("fc1", 4)], [Reading.of(diagnose(spectrum("fc1", 4), FAST))], FAST, 0.0)
    append_numbers(tmp_path, table)
    whole = (tmp_path / "numbers.jsonl").read_bytes()
    (tmp_path / "numbers.jsonl").write_bytes(whole[:100])
    append_numbers(tmp_path, table)
    torn, second = (tmp_path / "numbers.jsonl").read_bytes().splitlines()
    assert (line_step(torn), line_step(second)) == (None, 4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arrays(np.float64, (3, 4), elements=st.floats(width=64)),
    st.lists(TEXT, min_size=3, max_size=3),
    st.lists(TEXT, min_size=4, max_size=4, unique=True),
)
def test_any_table_comes_back_to_the_last_bit(
    tmp_path: Path, values: np.ndarray, texts: list[str], names: list[str]
) -> None:
    spectra = tuple(("weights", text, 3, 4, i) for i, text in enumerate(texts))
    table = StepNumbers(7, "1", {"seed": 0}, 0.5, spectra, tuple(names), values, {"said": texts})
    (tmp_path / "numbers.jsonl").unlink(missing_ok=True)
    append_numbers(tmp_path, table)
    line = (tmp_path / "numbers.jsonl").read_bytes()[:-1]
    assert (b"\n" in line, line_step(line)) == (False, 7)
    json.loads(line)
    back = decode_line(line)
    assert back.values.shape == values.shape
    assert ((back.values == values) | (np.isnan(back.values) & np.isnan(values))).all()
    assert np.signbit(back.values[values == 0]).tolist() == np.signbit(values[values == 0]).tolist()
    assert (back.spectra, back.quantities, back.texts) == (spectra, tuple(names), {"said": texts})


@pytest.mark.parametrize("byte", range(0, 400, 7))
def test_a_flipped_bit_anywhere_is_noticed(byte: int, tmp_path: Path) -> None:
    append_numbers(
        tmp_path, StepNumbers.of(4, [spectrum("fc1", 4)], [Reading.of(diagnose(spectrum("fc1", 4)))], FAST, 0)
    )
    line = bytearray((tmp_path / "numbers.jsonl").read_bytes()[:-1])
    line[byte] ^= 1
    assert line_step(bytes(line)) is None


def test_scalars_of_a_spectrum_never_take_the_place_of_computed_numbers() -> None:
    plain = spectrum("fc1", 0)
    claimed = Spectrum.exact(plain.values, plain.source, scalars={"alpha": -1.0, "entropy_deficit": 0.5})
    numbers = diagnose(claimed, FAST).numbers
    assert numbers["alpha"] == diagnose(plain, FAST).numbers["alpha"]
    assert numbers["entropy_deficit"] == 0.5


def test_a_table_has_one_row_a_layer_and_step(every_kind: list[Spectrum], tmp_path: Path) -> None:
    with Store(tmp_path, info=info(), fsync=False) as store:
        for step in (0, 8):
            written(store, step, [spectrum("fc1", step), spectrum("fc2", step, n=30), every_kind[2]])
    run = load_run(tmp_path)
    table = run.to_pandas()
    assert table["step"].tolist() == [0] * 3 + [8] * 3
    assert table["name"].tolist() == ["fc1", "fc2", "model"] * 2
    assert table["kind"].tolist() == ["weights", "weights", "hessian"] * 2
    assert {"rows", "columns", "alpha", "kappa", "verdict", "reason", "tail_status", "routine"} <= set(table.columns)
    assert table.loc[1, "alpha"] == run.diagnose(0).diagnoses[1].numbers["alpha"]
    assert math.isnan(table.loc[2, "kappa"])
    assert run.layers == ("fc1", "fc2")
    assert run.kinds == ("weights", "hessian")
    assert run.metrics("lambda_max", "hessian").values.tolist() == [[2.0], [2.0]]
    with pytest.raises(InputError, match="'alhpa' is no quantity of this run; did you mean 'alpha'"):
        run.metrics("alhpa")


def test_a_layer_that_was_not_measured_at_a_step_has_no_number_there(tmp_path: Path) -> None:
    with Store(tmp_path, info=info(), fsync=False) as store:
        written(store, 0, [spectrum("fc1", 0), spectrum("fc2", 0)])
        written(store, 9, [spectrum("fc2", 9)])
    steps, layers, values = load_run(tmp_path).metrics("alpha")
    assert (steps.tolist(), layers) == ([0, 9], ("fc1", "fc2"))
    assert np.isnan(values).tolist() == [[False, False], [True, False]]


def test_a_run_says_what_it_holds(tmp_path: Path) -> None:
    with Store(tmp_path, info=info(), fsync=False) as store:
        assert "no steps yet" in repr(load_run(tmp_path))
        written(store, 0, [spectrum("fc1", 0)])
        store.write(10, [spectrum("fc1", 10)])
    said = repr(load_run(tmp_path))
    assert "2 steps, 0 to 10" in said
    assert "1 of them without numbers" in said
    assert "1 layers; weights" in said


def test_as_many_readings_as_spectra(one: Spectrum, tmp_path: Path) -> None:
    with Store(tmp_path, fsync=False) as store, pytest.raises(InputError, match="0 readings of 1 spectra"):
        store.write_numbers(0, [one], [], FAST)


def test_a_stored_diagnosis_has_every_attribute_of_a_fresh_one(tmp_path: Path) -> None:
    with Store(tmp_path, info=info(), fsync=False) as store:
        live = written(store, 0, [spectrum("fc1", 0)]).diagnoses[0]
    read = load_run(tmp_path).record(0).diagnoses[0]
    public = [name for name in dir(live) if not name.startswith("_")]
    assert [
        name
        for name in public
        if type(getattr(read, name)) is not type(getattr(live, name)) and not callable(getattr(live, name))
    ] == []
    assert read.spectrum.values.tobytes() == live.spectrum.values.tobytes()
