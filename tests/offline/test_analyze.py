"""What `analyze` says about models: all is accounted for, nothing moves, and what is no tail is called so."""

import math
import random
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg  # noqa: F401  (its BLAS is seen once it is there)
import torch
from threadpoolctl import threadpool_info, threadpool_limits

import htmu_diag
from htmu_diag.analysis import Diagnosis, Options, diagnose, diagnose_each
from htmu_diag.errors import HTMUError, InputError
from htmu_diag.matrices import matrices
from htmu_diag.offline import Progress, analyze
from htmu_diag.offline.measure import Choices, measured
from htmu_diag.solvers import exact_spectrum
from htmu_diag.spectrum import Floats, Spectrum

QUICK = Options(bootstrap=0)
TAIL = Options(tail_only=True)


def linear(weight: torch.Tensor) -> torch.nn.Linear:
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=weight.dtype)
    with torch.no_grad():
        layer.weight.copy_(weight)
    return layer


def all_kinds() -> torch.nn.Module:
    """Modules that other tools leave out without a word."""
    model = torch.nn.ModuleDict(
        {
            "attention": torch.nn.MultiheadAttention(32, 4),
            "lstm": torch.nn.LSTM(20, 24),
            "conv3d": torch.nn.Conv3d(3, 16, 2),
            "transposed": torch.nn.ConvTranspose2d(16, 12, 3),
            "conv1d": torch.nn.Conv1d(16, 16, 3),
            "embedding": torch.nn.Embedding(60_000, 16),
            "normed": torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(20, 30)),
            "norm": torch.nn.LayerNorm((4, 5)),
        }
    )
    model.register_parameter("experts", torch.nn.Parameter(torch.randn(3, 16, 20)))
    model.register_parameter("bare", torch.nn.Parameter(torch.randn(16, 20)))
    return model


def test_every_parameter_with_two_dimensions_gives_rows_or_a_reason() -> None:
    model = all_kinds()
    analysis = analyze(model, options=TAIL)
    measured_from = {matrix.parameter: matrix.name for matrix in matrices(model, min_side=2)}
    assert {layer.name for layer in analysis.layers} == {m.name for m in matrices(model, min_side=2)}
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            reasons = [skip.reason for skip in analysis.skipped if skip.name == name]
            assert name in measured_from or (reasons and reasons[0]), name
    assert not analysis.unusable
    for kind in (
        "attention.in_proj_weight",
        "lstm.weight_ih",
        "conv3d",
        "transposed",
        "conv1d",
        "embedding",
        "experts",
    ):
        assert any(layer.name.startswith(kind) for layer in analysis.layers), kind


def test_one_bad_layer_is_a_row_without_numbers_and_the_others_are_as_before(heavy: torch.nn.Sequential) -> None:
    before = analyze(heavy, options=QUICK)
    with torch.no_grad():
        heavy[0].weight[2, 3] = math.nan
    after = analyze(heavy, options=QUICK)
    assert [layer.name for layer in after.unusable] == ["0.weight"]
    assert "1 of 6144 weights are NaN" in after.unusable[0].reason
    assert np.isnan(after.to_pandas()["alpha"][0])
    assert after.rows()[1] == before.rows()[1]
    assert after.summary()["alpha_mean"] == before["2.weight"].tail.alpha
    with pytest.raises(InputError, match="NaN"):
        after["0.weight"]


def test_tied_weights_are_counted_once_and_the_reason_names_the_other() -> None:
    model = torch.nn.Sequential(torch.nn.Embedding(50, 20), torch.nn.Linear(20, 50, bias=False))
    model[1].weight = model[0].weight
    analysis = analyze(model, options=TAIL)
    assert [layer.name for layer in analysis.layers] == ["0.weight"]
    assert [(skip.name, "tied to 0.weight" in skip.reason) for skip in analysis.skipped] == [("1.weight", True)]


@pytest.mark.parametrize("scale", [1e-3, 1e-6, 1e4])
def test_scaling_the_weights_changes_no_exponent(scale: float) -> None:
    torch.manual_seed(1)
    weight = torch.distributions.StudentT(torch.tensor(2.0)).sample((80, 100)).double()
    one, other = (analyze(linear(w), options=QUICK).rows()[0] for w in (weight, weight * scale))
    for name in ("alpha", "ks", "n_tail", "kappa", "stable_rank", "spikes", "gap_ratio"):
        assert other[name] == pytest.approx(one[name], rel=1e-6), name
    assert other["xmin"] == pytest.approx(one["xmin"] * scale**2, rel=1e-9)
    assert other["log_spectral_norm"] == pytest.approx(one["log_spectral_norm"] + 2 * math.log10(scale), abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_spectrum_has_no_exponent(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    orthogonal = torch.linalg.qr(torch.randn(64, 64, dtype=torch.float64)).Q.to(dtype)
    for weight in (torch.eye(64, dtype=dtype), orthogonal):
        analysis = analyze(linear(weight))
        assert analysis.diagnoses[0].tail.status.code == "degenerate"
        assert math.isnan(analysis.rows()[0]["alpha"])
        assert math.isnan(analysis.summary()["alpha_mean"])
        assert analysis.rows("weightwatcher")[0]["status"] != "success"


def test_noise_is_not_called_a_power_law_and_a_power_law_is() -> None:
    rng = np.random.default_rng(0)
    noise = [linear(torch.tensor(rng.standard_normal((150, 200)))) for _ in range(5)]
    codes = [analyze(layer).diagnoses[0].tail.status.code for layer in noise]
    assert codes.count("not_a_power_law") == 5
    basis = np.linalg.qr(rng.standard_normal((150, 150)))[0]
    squares = (1 + rng.pareto(1.5, 150)) * 150
    heavy = analyze(linear(torch.tensor(basis * np.sqrt(squares)))).diagnoses[0]
    assert heavy.tail.status.ok
    assert heavy.tail.alpha == pytest.approx(2.5, abs=3 * heavy.tail.alpha_stderr)


def test_a_matrix_of_low_rank_has_its_true_spikes_only() -> None:
    torch.manual_seed(0)
    one = analyze(linear(torch.outer(torch.randn(50), torch.randn(60)))).rows()[0]
    assert one["verdict"] == "rank-collapse"
    assert not one.get("spikes", 0.0) > 1
    assert one["stable_rank"] == pytest.approx(1.0)


def test_nothing_in_the_process_or_the_model_moves(heavy: torch.nn.Sequential) -> None:
    weights = [parameter.detach().clone() for parameter in heavy.parameters()]
    filters, threads = list(warnings.filters), torch.get_num_threads()
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # type: ignore[index, union-attr] # noqa: NPY002
    analyze(heavy)
    assert warnings.filters == filters
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()  # type: ignore[index] # noqa: NPY002
    assert random.getstate() == states[2]
    assert heavy.training
    assert all(parameter.grad is None for parameter in heavy.parameters())
    assert all(torch.equal(old, new) for old, new in zip(weights, heavy.parameters(), strict=True))


def test_a_file_gives_the_rows_of_the_module(heavy: torch.nn.Sequential, checkpoint: Path) -> None:
    live, stored = analyze(heavy), htmu_diag.analyze(checkpoint)
    assert [layer.name for layer in stored.layers] == ["0.weight", "2.weight"]
    for one, other in zip(live.rows(), stored.rows(), strict=True):
        assert one == other or one["role"] != other["role"]


def test_wrappers_change_neither_names_nor_numbers(heavy: torch.nn.Sequential) -> None:
    plain, wrapped = analyze(heavy, options=TAIL), analyze(torch.compile(heavy, backend="eager"), options=TAIL)
    assert str(wrapped.rows()) == str(plain.rows())
    assert wrapped.model == "Sequential"


def test_small_matrices_of_one_shape_are_decomposed_together_to_the_same_numbers() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(*[torch.nn.Linear(24, 16, bias=False) for _ in range(4)], torch.nn.Linear(16, 24))
    inventory = matrices(model)
    together = dict(measured(inventory, range(5), Choices(TAIL)))
    for place, matrix in enumerate(inventory):
        layer = together[place]
        assert layer.name == matrix.name
        alone = diagnose(exact_spectrum(matrix.read(), layer.diagnosis.source), TAIL)  # type: ignore[union-attr]
        assert (layer.diagnosis.spectrum.values == alone.spectrum.values).all()  # type: ignore[union-attr]
    with torch.no_grad():
        model[2].weight[0, 0] = math.inf
    partly = dict(measured(inventory, range(5), Choices(TAIL)))
    assert [place for place in range(5) if partly[place].diagnosis is None] == [2]
    assert [place for place, _ in measured(inventory, [0, 2, 3], Choices(TAIL))] == [0, 2, 3]


def test_names_sorted_as_text_are_put_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    save = pytest.importorskip("safetensors.torch").save_file
    save({f"layers.{i}.weight": torch.randn(12, 12) for i in range(12)}, tmp_path / "a.safetensors")
    names = [layer.name for layer in analyze(tmp_path / "a.safetensors", options=TAIL).layers]
    assert names == [f"layers.{i}.weight" for i in range(12)]


def test_globs_may_be_one_text_and_progress_ends_at_one(heavy: torch.nn.Sequential) -> None:
    seen: list[Progress] = []
    analysis = analyze(heavy, include="2.*", options=TAIL, progress=seen.append)
    assert [layer.name for layer in analysis.layers] == ["2.weight"]
    assert seen == [Progress(1, 1, "2.weight", 1.0)]
    assert [layer.name for layer in analyze(heavy, exclude="2.*", options=TAIL).layers] == ["0.weight"]


def test_a_glob_that_matches_no_name_is_told(heavy: torch.nn.Sequential) -> None:
    with pytest.warns(RuntimeWarning, match="no name matches 'layers.2'; the names are 0.weight"):
        analyze(heavy, exclude=["layers.2", "2.*"], options=TAIL)


def test_vectors_add_the_entropy_deficit(heavy: torch.nn.Sequential) -> None:
    row = analyze(heavy, vectors=True, options=TAIL).rows()[0]
    assert row["entropy_deficit"] > 0.1  # heavy-tailed entries localise singular vectors
    torch.manual_seed(0)
    haar = analyze(linear(torch.randn(96, 64)), vectors=True, options=TAIL).rows()[0]
    assert abs(haar["entropy_deficit"]) < 0.05


def test_low_rank_products_are_measured_by_their_factors() -> None:
    model = torch.nn.Module()
    model.lora_A = torch.nn.ModuleDict({"default": torch.nn.Linear(40, 4, bias=False)})  # type: ignore[assignment]
    model.lora_B = torch.nn.ModuleDict({"default": torch.nn.Linear(4, 30, bias=False)})  # type: ignore[assignment]
    product = [d for d in analyze(model, options=TAIL).diagnoses if d.source.name == "lora_delta.default"]
    assert len(product) == 1
    b, a = model.lora_B["default"].weight, model.lora_A["default"].weight  # type: ignore[index]
    expected: Floats = np.linalg.svd((b @ a).detach().double().numpy(), compute_uv=False)[3::-1] ** 2 / 40
    np.testing.assert_allclose(product[0].spectrum.values, expected, atol=1e-7 * expected.max())
    assert (product[0].shape.dimension, product[0].source.shape) == (4, (4, 40))


@pytest.mark.parametrize(
    ("choice", "said"), [({"threads": 0}, "at least 1"), ({"device": "abacus"}, "cannot be used here")]
)
def test_a_choice_that_cannot_be_is_refused(choice: dict[str, object], said: str, heavy: torch.nn.Sequential) -> None:
    with pytest.raises(HTMUError, match=said):
        analyze(heavy, **choice)  # type: ignore[arg-type]


def test_models_without_a_matrix_and_other_objects_are_refused(checkpoint: Path) -> None:
    with pytest.raises(InputError, match="no matrix to analyse; .*one-dimensional"):
        analyze(torch.nn.LayerNorm(5))
    with pytest.raises(InputError, match="not list"):
        analyze([torch.ones(3, 3)])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="include"):
        analyze(checkpoint, include="nothing*")


def test_ranks_without_a_job_are_refused(heavy: torch.nn.Sequential) -> None:
    with pytest.raises(InputError, match="no torch.distributed job"):
        analyze(heavy, ranks=True)


def test_nothing_usable_is_still_an_analysis(heavy: torch.nn.Sequential) -> None:
    with torch.no_grad():
        for parameter in heavy.parameters():
            parameter.fill_(math.nan)
    analysis = analyze(heavy)
    assert len(analysis.unusable) == 2
    assert list(analysis.to_pandas()["verdict"]) == ["unusable"] * 2
    assert all(math.isnan(value) for key, value in analysis.summary().items() if "mean" in key)
    assert analysis.plot() is not None


def test_the_step_of_a_path_seeds_the_p_values_as_in_live_training(heavy: torch.nn.Sequential, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-40"
    path.mkdir()
    torch.save(heavy.state_dict(), path / "pytorch_model.bin")
    named, given = analyze(path), analyze(heavy, step=40)
    assert named.step == 40
    assert [row["p"] for row in named.rows()] == [row["p"] for row in given.rows()]


def blas_counts() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_fits_are_made_with_the_threads_that_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[int]] = []

    def counted(spectra: Sequence[Spectrum], options: Options) -> list[Diagnosis | Exception]:
        seen.append(blas_counts())
        return diagnose_each(spectra, options)

    monkeypatch.setattr("htmu_diag.offline.measure.diagnose_each", counted)
    with threadpool_limits(2, user_api="blas"):
        for threads in (1, None):
            analyze(torch.nn.Linear(6, 5), threads=threads, options=Options(tail_only=True))
        assert blas_counts() == {2}
    assert seen == [{1}, {2}]
