"""The probes of kernels and Jacobians: the same samples at every step, and nothing left behind."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from htmu_diag.analysis import diagnose
from htmu_diag.errors import MeasurementError
from htmu_diag.operators import Features, empirical_ntk
from htmu_diag.probes import ConjugateKernelProbe, JacobianProbe, NTKProbe, Probe, StepContext, registry
from htmu_diag.probes.probe_batch import chosen_rows, probe_inputs, probe_targets
from htmu_diag.solvers.kernels import covariance_spectrum, feature_spectrum, ntk_spectrum, spectra_together
from htmu_diag.spectrum import Kind, Spectrum
from htmu_diag.theory import Phase


def context(step: int = 3, **changes: Any) -> StepContext:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Tanh(), nn.Linear(8, 3))
    batch = (torch.randn(50, 6), torch.randint(0, 3, (50,)))
    return StepContext(**{"step": step, "model": model, "batch": batch, "seed": 7, **changes})


PROBES = (NTKProbe(samples=20), ConjugateKernelProbe(samples=20), JacobianProbe(samples=20))


@pytest.mark.parametrize("probe", PROBES, ids=lambda p: p.name)
def test_a_probe_keeps_the_protocol_and_gives_the_same_numbers_at_every_step(probe: Probe) -> None:
    here = context()
    first, second = list(probe.measure(here)), list(probe.measure(here.at(9)))
    assert isinstance(probe, Probe)
    assert type(registry[probe.name]()) is type(probe)
    assert all(spectrum.source.step == 3 and spectrum.source.unit for spectrum in first)
    assert all(np.array_equal(a.values, b.values) for a, b in zip(first, second, strict=True))
    assert all((spectrum.values >= 0).all() and spectrum.values.max() > 0 for spectrum in first)


@pytest.mark.parametrize("probe", PROBES, ids=lambda p: p.name)
def test_a_probe_leaves_model_and_generators_as_found(probe: Probe) -> None:
    here = context()
    here.model.train()
    before, rng = {k: v.clone() for k, v in here.model.state_dict().items()}, torch.get_rng_state()
    assert list(probe.measure(here))
    assert all(torch.equal(before[k], v) for k, v in here.model.state_dict().items())
    assert here.model.training
    assert here.model[2].training
    assert torch.equal(rng, torch.get_rng_state())
    assert all(p.grad is None for p in here.model.parameters())


@pytest.mark.parametrize("probe", PROBES, ids=lambda p: p.name)
def test_a_missing_batch_is_told(probe: Probe) -> None:
    with pytest.raises(MeasurementError, match=r"watch\(batch="):
        list(probe.measure(context(batch=None)))


def features_of_many_shapes() -> list[Features]:
    """Wide and tall ones, of one precision and another, a rank that is lost, copies, zeros, too few rows, and NaN."""
    rng = np.random.default_rng(0)
    found = []
    for place, (n, d) in enumerate([(12, 40), (12, 40), (60, 12), (12, 40), (12, 12), (60, 12), (12, 40), (3, 9)]):
        array = rng.standard_normal((n, d))
        array[:, 5] = {2: array[:, 4], 3: 0.0, 4: array[:, 4]}.get(place, array[:, 5])
        array[0, 0] = np.nan if place == 6 else array[0, 0]
        matrix = torch.from_numpy(array).to(torch.float32 if place != 1 else torch.float64)
        rows = np.nan_to_num(array[:, :6])
        covariance = torch.from_numpy(np.cov(rows.T, bias=True))
        found.append(Features(f"layer{place}", matrix, covariance, n))
    return found


def everything(spectrum: Spectrum) -> str:
    return f"{spectrum.values.tobytes()!r} {spectrum.source} {spectrum.estimator} {dict(spectrum.scalars)}"


def test_spectra_of_many_layers_together_are_those_of_each_to_the_last_bit() -> None:
    features = features_of_many_shapes()
    found = spectra_together(features[:6] + features[7:], 3)
    for one in features[:6] + features[7:]:
        assert everything(found[id(one.matrix)]) == everything(feature_spectrum(one, 3))
        assert everything(found[id(one.covariance)]) == everything(covariance_spectrum(one, 3))
    assert len(found) == 14


def test_a_layer_without_a_spectrum_is_left_to_say_so_itself() -> None:
    features = features_of_many_shapes()
    found = spectra_together(features, 3)
    assert id(features[6].matrix) not in found
    for one in features:
        if id(one.matrix) in found:
            assert everything(found[id(one.matrix)]) == everything(feature_spectrum(one, 3))


def test_layers_that_share_a_tensor_have_its_spectrum_under_their_own_names() -> None:
    found = list(ConjugateKernelProbe(samples=20).measure(context()))
    named = {(one.source.name, one.source.kind): one.values for one in found}
    assert np.array_equal(named["1", Kind.CONJUGATE_KERNEL], named["2", Kind.CONJUGATE_KERNEL])
    assert np.array_equal(named["1", Kind.ACTIVATIONS], named["2", Kind.ACTIVATIONS])


def test_the_ntk_probe_measures_the_kernel_of_the_chosen_rows_in_eval_mode() -> None:
    here = context()
    (found,) = NTKProbe(samples=20).measure(here)
    kernel = empirical_ntk(here.model.eval(), here.batch[0][chosen_rows(50, 20, 7)])
    assert np.allclose(found.values, torch.linalg.eigvalsh(kernel.matrix.double() / 20), rtol=1e-4)
    assert found.source.shape == (20 * 3, kernel.parameters)
    assert -1 <= found.scalars["target_alignment"] <= 1


def test_kernels_are_diagnosed_with_inverse_htmp_and_with_inverse_gamma_near_zero() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 3))
    (found,) = NTKProbe(samples=150).measure(context(model=model, batch=(torch.randn(150, 20), None)))
    diagnosis = diagnose(found)
    assert diagnosis.htmp is not None
    assert diagnosis.htmp.family == "InverseHTMP"
    numbers = diagnosis.numbers
    assert numbers["kappa"] > 0
    assert numbers["inverse_gamma_shape"] > 0
    assert 0 < numbers["inverse_gamma_ks"] < 0.5


def test_layerwise_and_projected_kernels_are_named_and_carry_their_error() -> None:
    spectra = list(NTKProbe(samples=10, layerwise=True, sketch=2).measure(context()))
    assert [s.source.name for s in spectra] == ["model", "0", "1", "4"]
    assert spectra[0].trace() == pytest.approx(sum(s.trace() for s in spectra[1:]), rel=1e-5)
    assert spectra[0].scalars["sketch_error"] > 0
    assert [s.source.shape[1] for s in spectra] == [56 + 16 + 27, 56, 16, 27]


def test_the_rows_depend_on_the_seed_alone_and_are_distinct() -> None:
    rows = chosen_rows(1000, 100, 3)
    assert torch.equal(rows, chosen_rows(1000, 100, 3))
    assert not torch.equal(rows, chosen_rows(1000, 100, 4))
    assert len(set(rows.tolist())) == 100
    assert torch.equal(chosen_rows(5, 100, 3), torch.arange(5))


def test_inputs_of_any_structure_are_cut_alike() -> None:
    inputs = {"a": torch.arange(30), "b": (torch.arange(30.0), "kept")}
    cut = probe_inputs(StepContext(0, nn.Identity(), batch=(inputs, None), seed=1), 4)
    assert cut["b"][0].tolist() == cut["a"].tolist()
    assert cut["b"][1] == "kept"


@pytest.mark.parametrize("columns", [(), (2,), (2, 3)])
def test_targets_of_any_number_of_columns_are_cut_to_the_rows_of_the_inputs(columns: tuple[int, ...]) -> None:
    targets = torch.arange(30.0).reshape(-1, *[1] * len(columns)).expand(30, *columns)
    cut = probe_targets(StepContext(0, nn.Identity(), batch=(torch.arange(30), targets), seed=1), 4)
    assert cut is not None
    assert torch.equal(cut, targets[chosen_rows(30, 4, 1)])
    assert probe_targets(StepContext(0, nn.Identity(), batch=(torch.arange(29), targets), seed=1), 4) is None


def test_the_conjugate_kernel_probe_covers_layers_and_inputs() -> None:
    spectra = list(ConjugateKernelProbe(samples=20).measure(context()))
    kinds = {kind: [s.source.name for s in spectra if s.source.kind == kind] for kind in Kind}
    assert kinds[Kind.CONJUGATE_KERNEL] == ["0", "1", "2", "3", "4"]
    assert kinds[Kind.ACTIVATIONS] == ["0", "1", "2", "3", "4"]
    assert kinds[Kind.INPUTS] == ["inputs"]


def test_full_and_trace_spectra_say_their_aspect_ratio() -> None:
    here = context()
    x = here.batch[0][:4]
    full = ntk_spectrum(empirical_ntk(here.model.eval(), x, outputs="full"))
    trace = ntk_spectrum(empirical_ntk(here.model.eval(), x))
    size = sum(p.numel() for p in here.model.parameters())
    assert "gamma = n C / P" in full.source.unit
    assert "gamma = n C / P" in trace.source.unit
    assert full.source.gamma == trace.source.gamma == pytest.approx(12 / size)
    many = ntk_spectrum(empirical_ntk(here.model.eval(), torch.randn(size, 6)))
    assert many.source.gamma == pytest.approx(1 / 3)
    assert "gamma = P / n C" in many.source.unit
    pseudo = ntk_spectrum(empirical_ntk(here.model.eval(), x, outputs="pseudo"))
    assert pseudo.source.shape == (4, size)
    assert full.trace() == pytest.approx(trace.trace(), rel=1e-5)


def test_rounding_of_a_rank_deficient_kernel_is_zero_not_noise() -> None:
    torch.manual_seed(0)
    kernel = empirical_ntk(nn.Linear(5, 1), torch.randn(40, 5))
    assert int((ntk_spectrum(kernel).values == 0).sum()) == 34


def test_a_layer_wider_than_the_batch_is_judged_on_its_samples() -> None:
    """n samples of 90 channels have n - 1 directions about their mean: the other zeros are the batch's, no collapse."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(60, 90), nn.Tanh())
    x = torch.randn(40, 60)
    found = list(ConjugateKernelProbe().measure(StepContext(0, model, batch=(x, None))))
    (covariance,) = [s for s in found if s.source.kind == Kind.ACTIVATIONS and s.source.name == "1"]
    (kernel,) = [s for s in found if s.source.kind == Kind.CONJUGATE_KERNEL and s.source.name == "1"]
    channels = np.linalg.eigvalsh(np.cov(model(x).detach().double().numpy(), rowvar=False))
    assert (channels > 1e-9).sum() == 39
    np.testing.assert_allclose(covariance.values / covariance.values.sum(), channels[-39:] / channels.sum(), rtol=1e-4)
    assert len(kernel.values) == 40
    assert kernel.values[0] > 0
    assert all(diagnose(s).phase.phase != Phase.RANK_COLLAPSE for s in (covariance, kernel))
