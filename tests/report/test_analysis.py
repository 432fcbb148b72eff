"""`Analysis`: rows, averages and pictures say the same as the diagnoses that they are made of."""

import json
import math
import runpy
from pathlib import Path

import numpy as np
import pytest

from htmu_diag.analysis import QUANTITIES, Diagnosis, Options, diagnose, summarize
from htmu_diag.errors import InputError
from htmu_diag.laws.ensembles import beta_laguerre
from htmu_diag.report import Analysis, Layer, Skipped
from htmu_diag.report.cells import columns, number
from htmu_diag.report.content import content_of
from htmu_diag.report.export import as_content, csv_text
from htmu_diag.report.picture_files import write_pictures
from htmu_diag.report.strict_json import json_text
from htmu_diag.report.weightwatcher import WEIGHTWATCHER
from htmu_diag.spectrum import Floats, Kind, Source, Spectrum

REFERENCE = json.loads((Path(__file__).parent / "weightwatcher_reference.json").read_text())
DIFFERENT = {"layer_id", "status"}  # theirs counts modules from 1; noise is a success there


def of_matrix(weight: Floats, name: str, bootstrap: int = 0) -> Layer:
    values = np.linalg.svd(weight, compute_uv=False)[::-1] ** 2 / max(weight.shape)
    shape = (weight.shape[0], weight.shape[1])
    found = diagnose(Spectrum.exact(values, Source(Kind.WEIGHTS, name, shape)), Options(bootstrap=bootstrap))
    return Layer(name, shape, "linear", found)


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    """The matrices of the stored weightwatcher reference: three heavy-tailed ones, one of noise."""
    rng = np.random.default_rng(7)
    shapes = [(200, 300), (120, 200), (120, 120), (96, 64)]
    weights = [0.05 * rng.standard_t(2.5, shape) for shape in shapes[:3]] + [rng.standard_normal(shapes[3]) * 0.1]
    layers = [of_matrix(w.astype(np.float32).astype(float), f"{i}.weight") for i, w in enumerate(weights)]
    return Analysis("reference", tuple(layers), (Skipped("0.bias", (200,), "one-dimensional"),))


@pytest.fixture
def broken(analysis: Analysis) -> Analysis:
    """The same with an unusable matrix in front."""
    bad = Layer("bad.weight", (10, 10), "linear", None, "bad.weight: 3 of 100 weights are NaN")
    return Analysis("broken", (bad, *analysis.layers))


@pytest.mark.parametrize("name", sorted(set(REFERENCE["columns"]) - DIFFERENT))
def test_a_column_of_weightwatcher_has_its_numbers(analysis: Analysis, name: str) -> None:
    ours, theirs = list(analysis.to_pandas("weightwatcher")[name]), REFERENCE["columns"][name]
    if isinstance(theirs[0], str):
        assert ours == theirs
    else:
        np.testing.assert_allclose(np.array(ours, float), np.array(theirs, float), rtol=1e-7)


def test_the_summary_of_weightwatcher_has_its_numbers(analysis: Analysis) -> None:
    assert analysis.summary("weightwatcher") == pytest.approx(REFERENCE["summary"], rel=1e-9)


def test_a_failed_layer_is_nan_and_enters_no_mean_under_either_names(analysis: Analysis, broken: Analysis) -> None:
    first = broken.rows("weightwatcher")[0]
    assert math.isnan(first["alpha"])
    assert first["status"] == "unusable"
    assert not first["has_esd"]
    assert broken.summary("weightwatcher") == analysis.summary("weightwatcher")
    whole, partial = analysis.summary(), broken.summary()
    assert partial == {**whole, "layers": 5.0, "unusable": 1.0}


def test_rows_hold_the_numbers_of_the_diagnoses_under_names_of_the_table(analysis: Analysis) -> None:
    for row, diagnosis in zip(analysis.rows(), analysis.diagnoses, strict=True):
        numbers = {key: value for key, value in row.items() if key in QUANTITIES}
        assert set(numbers) | {"p"} >= {key for key, value in diagnosis.numbers.items() if np.isfinite(value)}
        assert all(value == diagnosis.numbers[key] for key, value in numbers.items() if not math.isnan(value))
        assert set(row) - set(numbers) == {
            *("name", "role", "rows", "columns"),
            *("verdict", "reason", "tail", "tail_reason", "tail_status", "htmp", "htmp_reason", "htmp_status"),
            *("prediction", "law", "law_reason", "repulsion", "routine"),
        }


def test_norms_are_those_of_the_matrix() -> None:
    weight = np.random.default_rng(0).standard_normal((30, 50))
    row = Analysis("one", (of_matrix(weight, "w"),)).rows()[0]
    assert row["log_frobenius_norm"] == pytest.approx(2 * math.log10(np.linalg.norm(weight)))
    assert row["log_spectral_norm"] == pytest.approx(2 * math.log10(np.linalg.norm(weight, 2)))
    schatten = np.sum(np.linalg.svd(weight, compute_uv=False) ** (2 * row["alpha"]))
    assert row["log_alpha_norm"] == pytest.approx(math.log10(schatten))
    assert row["alpha_weighted"] == pytest.approx(row["alpha"] * row["log_spectral_norm"])


def test_means_are_those_of_the_live_curves(analysis: Analysis) -> None:
    live, summary = summarize(analysis.diagnoses), analysis.summary()
    for name in ("alpha_mean", "alpha_weighted_mean", "log_alpha_norm_mean", "stable_rank_mean", "kappa_median"):
        assert summary[name] == live[f"summary/weights_{name}"]
    kappas = [one.htmp.kappa for one in analysis.diagnoses if one.htmp is not None and not one.htmp.noise]
    assert summary["kappa_mean"] == pytest.approx(np.exp(np.mean(np.log(kappas))))
    assert summary["kappa_layers"] == len(kappas) == 3
    phases = [value for key, value in summary.items() if key.startswith("phase_")]
    assert sum(phases) <= summary["layers"] == 4


def test_noise_is_counted_and_not_averaged_in_the_sentence_of_means(analysis: Analysis) -> None:
    """A matrix without a kappa of its own does not move the mean of the others."""
    fits = [one.htmp for one in analysis.diagnoses if one.htmp is not None]
    assert [fit.noise for fit in fits] == [False, False, False, True]
    mean = f"{np.exp(np.mean(np.log([fit.kappa for fit in fits[:3]]))):.3g}"
    for layers, words in ((analysis.layers[:3], mean), (analysis.layers, f"{mean} over 3, noise in 1")):
        assert f" kappa {words} (HTMP describes" in content_of(Analysis("one", layers)).words[0]
    assert " kappa noise (HTMP describes" in content_of(Analysis("one", analysis.layers[3:])).words[0]


def test_unknown_names_are_refused_with_a_reason(analysis: Analysis, broken: Analysis) -> None:
    with pytest.raises(InputError, match="'htmu' or 'weightwatcher'"):
        analysis.rows("mine")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="one-dimensional"):
        analysis["0.bias"]
    with pytest.raises(InputError, match="3 of 100"):
        broken["bad.weight"]
    with pytest.raises(InputError, match=r"no such matrix; there are 0\.weight"):
        analysis["fc1"]
    assert analysis["0.weight"] is analysis.diagnoses[0]


def test_pictures_are_of_one_matrix_or_of_all(broken: Analysis, tmp_path: Path) -> None:
    assert len(broken.plot("1.weight").axes) == 1
    assert sum(bool(axes.get_title(loc="left")) for axes in broken.plot().axes) == 4
    written = write_pictures(broken, tmp_path / "esd")
    assert [path.name for path in written] == [f"00{i + 1}-{i}.weight.png" for i in range(4)]
    assert all(path.stat().st_size > 1000 for path in written)


def test_files_take_any_layer_s_name(analysis: Analysis, tmp_path: Path) -> None:
    found = analysis.layers[0].diagnosis
    names = ["../../evil", "a/b:c*?", "x" * 400, "äö"]
    layers = tuple(Layer(name, (200, 300), "linear", found) for name in names)
    written = write_pictures(Analysis("m", layers), tmp_path / "esd")
    assert len(set(written)) == 4
    assert {path.parent for path in written} == {tmp_path / "esd"}


def test_json_is_strict_and_csv_in_full_precision(broken: Analysis) -> None:
    def refuse(constant: str) -> float:
        raise AssertionError(constant)

    content = json.loads(json_text(as_content(broken)), parse_constant=refuse)
    assert content["layers"][0]["alpha"] is None
    assert content["layers"][1]["alpha"] == broken.diagnoses[0].tail.alpha
    head, first, second, *_ = csv_text(broken.rows()).splitlines()
    assert head.startswith("name,role,rows,columns,dimension")
    assert first.startswith("bad.weight,linear,10,10,,")
    assert float(second.split(",")[head.split(",").index("alpha")]) == broken.diagnoses[0].tail.alpha


def test_the_table_in_the_documentation_is_the_code_s() -> None:
    script = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "weightwatcher_table.py"))
    page = script["PAGE"].read_text(encoding="utf-8")
    assert script["with_table"](page) == page, "run: python scripts/weightwatcher_table.py"
    assert set(REFERENCE["columns"]) <= set(WEIGHTWATCHER)


def test_a_diagnosis_can_be_sent_between_processes(analysis: Analysis) -> None:
    import pickle

    layer = pickle.loads(pickle.dumps(analysis.layers[0]))
    assert isinstance(layer.diagnosis, Diagnosis)
    assert str(layer.row()) == str(analysis.layers[0].row())


def test_a_prediction_of_a_law_that_does_not_describe_is_marked_in_every_table() -> None:
    """Rows of exponent 2.5 are no HTMP: the terminal and Markdown put the number in brackets, rows say why."""
    variances = (1 - np.random.default_rng(0).random(200)) ** (-1 / 1.5)
    matrix = np.sqrt(variances)[:, None] * np.random.default_rng(1).standard_normal((200, 800))
    values = np.linalg.svd(matrix, compute_uv=False)[::-1] ** 2 / 800
    wrong, right = (
        diagnose(Spectrum.exact(v, Source(Kind.WEIGHTS, "w", (200, 800))))
        for v in (values, beta_laguerre(200, 0.25, 5.0, rng=np.random.default_rng(2)))
    )
    column = next(c for c in columns([wrong]) if c.heading == "predicted")
    assert column.text(wrong) == f"({number(wrong.alpha_predicted)})"
    assert column.text(right) == number(right.alpha_predicted)
    assert (wrong.row()["prediction"], right.row()["prediction"]) == ("law does not describe", "")
    assert right.row()["law"] == "HTMP"
    assert wrong.numbers["delta_aic"] > 10 > right.numbers["delta_aic"] == 0
