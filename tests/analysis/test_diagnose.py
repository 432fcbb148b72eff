"""A diagnosis tells noise from signal, names its numbers, and survives any finite spectrum."""

import math

import numpy as np
import pytest

from htmu_diag.analysis import QUANTITIES, Options, Reading, diagnose, summarize
from htmu_diag.errors import InputError
from htmu_diag.fits import fit_htmp
from htmu_diag.laws.ensembles import beta_laguerre, wishart
from htmu_diag.spectrum import Estimator, Floats, Kind, Source, Spectrum
from htmu_diag.theory import Phase


def weights(values: Floats, shape: tuple[int, int], name: str = "fc1.weight") -> Spectrum:
    return Spectrum.exact(values, Source(Kind.WEIGHTS, name, shape, step=0, unit="eigenvalues of W W^T / max(shape)"))


def gram(matrix: Floats) -> Floats:
    return np.linalg.svd(matrix, compute_uv=False) ** 2 / max(matrix.shape)


def noise(seed: int, shape: tuple[int, int] = (120, 400)) -> Floats:
    return np.random.default_rng(seed).standard_normal(shape)


def test_pure_noise_is_random_like_and_not_a_power_law() -> None:
    readings = [diagnose(weights(gram(noise(seed)), (120, 400))) for seed in range(20)]
    assert sum(d.phase.phase is Phase.RANDOM_LIKE for d in readings) >= 17
    assert sum(d.tail.status.ok for d in readings) <= 4


def test_noise_gives_on_average_the_alpha_of_the_marchenko_pastur_law() -> None:
    readings = [diagnose(weights(gram(noise(seed)), (120, 400)), Options(bootstrap=0)) for seed in range(30)]
    alphas = np.array([d.numbers["alpha"] for d in readings])
    reference = readings[0].numbers["alpha_noise"]
    assert abs(np.median(alphas) - reference) < 3 * alphas.std()
    assert reference > 3.5


def test_a_strong_spike_is_counted_and_turns_noise_into_bulk_and_spikes() -> None:
    matrix = noise(3)
    matrix[0] *= 4.0
    diagnosis = diagnose(weights(gram(matrix), matrix.shape))
    assert diagnosis.bulk is not None
    assert diagnosis.bulk.n_spikes == 1
    assert diagnosis.phase.phase is Phase.BULK_AND_SPIKES


def test_heavy_tailed_entries_are_not_called_noise() -> None:
    heavy = np.random.default_rng(5).standard_t(2.0, (200, 600))
    diagnosis = diagnose(weights(gram(heavy), heavy.shape))
    assert diagnosis.phase.phase in (Phase.HEAVY_TAILED, Phase.BULK_DECAY)
    assert diagnosis.numbers["alpha"] < diagnosis.numbers["alpha_noise"]


def test_a_low_rank_matrix_has_collapsed() -> None:
    matrix = noise(6, (100, 40)) @ noise(7, (40, 300))
    diagnosis = diagnose(weights(gram(matrix), matrix.shape))
    assert diagnosis.phase.phase is Phase.RANK_COLLAPSE
    assert diagnosis.numbers["zero_fraction"] == pytest.approx(0.6)


def test_values_of_the_law_that_rounding_lost_count_for_its_kappa_and_dead_rows_do_not() -> None:
    values = beta_laguerre(150, 1.0, 2.0, rng=np.random.default_rng(7))
    found = diagnose(weights(values, (150, 150)), Options(bootstrap=0))
    assert found.numbers["zero_fraction"] > 0.02
    assert found.htmp is not None
    low, high = found.htmp.kappa_interval
    assert low < 2.0 < high
    assert found.htmp.kappa == pytest.approx(fit_htmp(values, 1.0).kappa)

    dead = np.concatenate([np.zeros(8), wishart(120, 256, rng=np.random.default_rng(7))])
    beside = diagnose(weights(dead, (128, 256)), Options(bootstrap=0))
    assert beside.htmp is not None
    assert beside.htmp.noise


@pytest.mark.parametrize("shape", [(128, 256), (120, 120)])
def test_noise_beside_a_few_dead_rows_is_noise(shape: tuple[int, int]) -> None:
    matrix = noise(3, shape)
    matrix[:6] = 0
    found = diagnose(weights(gram(matrix), shape), Options(bootstrap=0))
    assert found.phase.phase is Phase.RANDOM_LIKE
    assert found.numbers["zero_fraction"] == pytest.approx(6 / shape[0])
    assert found.bulk is not None
    assert found.bulk.scale == pytest.approx(1.0, rel=0.1)


def test_scaling_a_matrix_scales_xmin_and_leaves_every_shape_number_alone() -> None:
    values = gram(noise(8))
    one, tiny = (diagnose(weights(s * values, (120, 400)), Options(bootstrap=0)).numbers for s in (1.0, 1e-9))
    assert tiny["xmin"] == pytest.approx(1e-9 * one["xmin"])
    for name in ("alpha", "ks", "n_tail", "spikes", "stable_rank", "effective_rank", "bulk_ks"):
        assert tiny[name] == pytest.approx(one[name], rel=1e-6), name
    assert tiny["kappa"] == pytest.approx(one["kappa"], rel=1e-3)


def test_the_same_spectrum_gives_the_same_numbers_again() -> None:
    spectrum = weights(gram(noise(9)), (120, 400))
    assert diagnose(spectrum).metrics() == diagnose(spectrum).metrics()


@pytest.mark.parametrize(
    "values",
    [[], [1.0], [2.0] * 50, [0.0] * 20, [1e-310] * 5 + [1e300], list(range(9)), [0.0] * 90 + [1.0] * 10],
    ids=["empty", "one", "constant", "zeros", "300 orders", "few", "projection"],
)
def test_hopeless_spectra_end_in_a_status_and_finite_metrics(values: list[float]) -> None:
    size = max(len(values), 1)
    diagnosis = diagnose(weights(np.array(values, dtype=float), (size, 2 * size)))
    assert not diagnosis.tail.status.ok
    assert diagnosis.tail.status.message
    assert all(math.isfinite(value) for value in diagnosis.metrics().values())


def test_every_metric_is_in_the_table_and_in_its_range() -> None:
    matrix = noise(10)
    matrix[0] *= 3.0
    for kind in Kind:
        source = Source(kind, "model", matrix.shape, step=3)
        for name, value in diagnose(Spectrum.exact(gram(matrix), source)).numbers.items():
            row = QUANTITIES[name]
            assert math.isnan(value) or row.low - 1e-9 <= value <= row.high + 1e-9, (kind, name, value)


def test_a_quadrature_spectrum_is_never_counted() -> None:
    source = Source(Kind.HESSIAN, "model", (1000, 1000))
    nodes = np.geomspace(1e-3, 10.0, 40)
    diagnosis = diagnose(Spectrum(nodes, np.full(40, 1 / 40), 1000, source, Estimator("quadrature")))
    assert math.isnan(diagnosis.numbers["alpha"])
    assert diagnosis.numbers["trace"] == pytest.approx(1000 * nodes.mean())


def test_an_indefinite_spectrum_reports_its_negative_share() -> None:
    source = Source(Kind.HESSIAN, "model", (100, 100))
    numbers = diagnose(Spectrum.exact(np.linspace(-1.0, 3.0, 100), source)).numbers
    assert numbers["negative_mass"] == pytest.approx(0.25)
    assert numbers["lambda_min"] == -1.0


def test_a_summary_averages_layers_and_leaves_failed_ones_out() -> None:
    good = [diagnose(weights(gram(noise(seed)), (120, 400), f"fc{seed}.weight")) for seed in (1, 2)]
    failed = diagnose(weights(np.array([1.0, 2.0]), (2, 5), "tiny.weight"))
    summary = summarize([*good, failed])
    assert summary["summary/weights_alpha_mean"] == pytest.approx(np.mean([d.tail.alpha for d in good]))
    assert summary["summary/weights_layers_count"] == 3


def test_the_mean_prediction_is_over_the_layers_that_the_law_describes() -> None:
    population = np.where(np.arange(120) % 2, 1.0, 4.0)[:, None]
    described, missed = (
        diagnose(weights(gram(matrix), (120, 400), name))
        for matrix, name in ((noise(1), "noise"), (population * noise(2), "population"))
    )
    assert [described.prediction_stands, missed.prediction_stands] == [True, False]
    for both in ([described, missed], [Reading.of(described), Reading.of(missed)]):
        summary = summarize(both)
        assert summary["summary/weights_alpha_predicted_mean"] == described.alpha_predicted
        assert summary["summary/weights_alpha_predicted_layers_count"] == 1
        assert summary["summary/weights_alpha_layers_count"] == 2


def test_the_mean_of_log_kappa_is_over_the_layers_that_are_not_noise() -> None:
    """However many layers are noise, they do not move it; of noise alone there is none."""
    heavy = diagnose(weights(gram(np.random.default_rng(3).standard_t(2.5, (120, 400))), (120, 400), "heavy"))
    quiet = [diagnose(weights(gram(noise(seed)), (120, 400), f"noise{seed}")) for seed in (1, 2)]
    assert heavy.htmp is not None
    assert all(one.htmp is not None and one.htmp.noise for one in quiet)
    for layers in ([heavy, *quiet], [Reading.of(one) for one in (heavy, *quiet)]):
        summary = summarize(layers)
        assert summary["summary/weights_log_kappa_mean"] == math.log10(heavy.htmp.kappa)
        assert summary["summary/weights_kappa_layers_count"] == 1
        alone = summarize(layers[1:])
        assert "summary/weights_log_kappa_mean" not in alone
        assert alone["summary/weights_kappa_layers_count"] == 0


def test_a_tiny_layer_does_not_move_the_mean_alpha() -> None:
    good = diagnose(weights(gram(noise(1)), (120, 400)))
    tiny = diagnose(weights(gram(noise(2, (10, 400))), (10, 400), "head.weight"))
    assert math.isfinite(tiny.tail.alpha)
    assert summarize([good, tiny])["summary/weights_alpha_mean"] == good.tail.alpha


def test_eigenvalues_alone_are_diagnosed_with_the_shape_of_their_matrix() -> None:
    noise = np.random.default_rng(0).standard_normal((40, 80))
    values = np.linalg.eigvalsh(noise @ noise.T / 80)
    by_shape = diagnose(values, shape=(40, 80))
    assert by_shape.numbers["alpha"] == diagnose(values, gamma=0.5).numbers["alpha"]
    assert by_shape.source.shape == (40, 80)
    for wrong in ({}, {"gamma": 0.5, "shape": (40, 80)}, {"gamma": 2.0}, {"shape": (30, 80)}):
        with pytest.raises(InputError):
            diagnose(values, **wrong)  # type: ignore[arg-type]


def test_values_of_several_matrices_together_have_a_tail_and_no_phase() -> None:
    """Gaps between values of two matrices repel nothing, and none of the nulls is about them."""
    rng = np.random.default_rng(5)
    each = [np.linalg.svd(rng.standard_normal((40, 60)), compute_uv=False) ** 2 / 60 for _ in range(8)]
    source = Source(Kind.JACOBIAN, "model", (40, 60))
    one, pooled = (diagnose(Spectrum.exact(np.concatenate(values), source)) for values in (each[:1], each))
    assert one.phase.phase is Phase.RANDOM_LIKE
    assert pooled.phase.phase is Phase.UNDETERMINED
    assert pooled.phase.reason.startswith("values of 8 matrices together")
    assert (pooled.bulk, pooled.htmp, pooled.gaps) == (None, None, None)
    assert pooled.tail.n == 320
