import numpy as np
import pytest
import torch

from htmu_diag.errors import MeasurementError
from htmu_diag.probes import Probe, Share, StepContext, WeightsProbe, registry
from htmu_diag.probes.frozen import fingerprint
from htmu_diag.probes.weights import shares


@pytest.fixture
def net() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(12, 20), torch.nn.ReLU(), torch.nn.Linear(20, 30), torch.nn.Linear(30, 5)
    )


@pytest.mark.parametrize("name", sorted(registry))
def test_every_registered_probe_keeps_the_protocol(name: str) -> None:
    probe = registry[name]()
    assert isinstance(probe, Probe)
    assert probe.name == name


def test_eigenvalues_are_squared_singular_values_over_the_larger_side(net: torch.nn.Module) -> None:
    found = {s.source.name: s for s in WeightsProbe().measure(StepContext(step=7, model=net))}
    for name, parameter in net.named_parameters():
        if parameter.ndim == 2:
            squares = np.sort(np.linalg.svd(parameter.detach().double().numpy(), compute_uv=False) ** 2)
            np.testing.assert_allclose(found[name].values, squares / max(parameter.shape), rtol=1e-9)
            assert found[name].source.step == 7
    assert list(found) == ["0.weight", "2.weight", "3.weight"]


def test_what_was_captured_does_not_follow_the_training(net: torch.nn.Module) -> None:
    probe, context = WeightsProbe(), StepContext(step=0, model=net)
    before = [spectrum.values for spectrum in probe.measure(context)]
    pending = list(probe.capture(context))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    for values, item in zip(before, pending, strict=True):
        np.testing.assert_array_equal(item.compute().values, values)


def test_a_nan_layer_fails_alone_and_by_name(net: torch.nn.Module) -> None:
    with torch.no_grad():
        net[2].weight[0, 0] = float("nan")
    pending = {item.name: item for item in WeightsProbe().capture(StepContext(step=3, model=net))}
    with pytest.raises(MeasurementError, match=r"2\.weight"):
        pending["2.weight"].compute()
    assert pending["0.weight"].compute().values.size == 12


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_the_shares_of_all_ranks_are_the_whole_model_once(net: torch.nn.Module, world: int) -> None:
    contexts = [StepContext(step=0, model=net, share=Share(rank, world)) for rank in range(world)]
    found = [(item.order, item.name) for context in contexts for item in WeightsProbe().capture(context)]
    assert sorted(found) == [(0, "0.weight"), (1, "2.weight"), (2, "3.weight")]


def test_the_heaviest_share_is_near_the_lightest() -> None:
    costs = [float(n) ** 3 for n in range(1, 60)]
    owners = shares(costs, 4)
    loads = [sum(cost for cost, owner in zip(costs, owners, strict=True) if owner == rank) for rank in range(4)]
    assert max(loads) < 1.05 * min(loads)


def test_a_model_without_matrices_says_what_it_has() -> None:
    net = torch.nn.Sequential(torch.nn.BatchNorm1d(4))
    with pytest.raises(MeasurementError, match=r"no matrix to measure.*0\.weight"):
        list(WeightsProbe().measure(StepContext(step=0, model=net)))


def test_a_frozen_weight_is_measured_once_and_again_when_its_bits_change(net: torch.nn.Module) -> None:
    net[0].requires_grad_(False)
    probe, context = WeightsProbe(), StepContext(step=0, model=net)

    def names(step: int) -> list[str]:
        return [pending.name for pending in probe.capture(context.at(step))]

    assert names(0) == ["0.weight", "2.weight", "3.weight"]
    assert names(1) == names(2) == ["2.weight", "3.weight"]
    with torch.no_grad():
        net[0].weight.data[3, 4] += 1e-6  # nothing that a version counter sees
    assert names(3) == ["0.weight", "2.weight", "3.weight"]
    net[0].requires_grad_(True)
    assert names(4) == names(5) == ["0.weight", "2.weight", "3.weight"]
    net.requires_grad_(False)
    assert names(6) == ["2.weight", "3.weight"]  # the first was frozen with the bits that were seen at step 3
    assert names(7) == []
    assert names(0) == ["0.weight", "2.weight", "3.weight"]  # another run


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.complex64])
def test_a_fingerprint_sees_a_changed_bit_and_an_exchange(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(30, 40, dtype=torch.float64).to(dtype)
    assert torch.equal(fingerprint(matrix), fingerprint(matrix.clone()))
    assert torch.equal(fingerprint(matrix), fingerprint(matrix.mT.contiguous().mT))
    exchanged, changed = matrix.clone(), matrix.clone()
    exchanged[[0, 1]] = exchanged[[1, 0]]
    changed[29, 39] *= 1.01
    assert len({tuple(fingerprint(one).tolist()) for one in (matrix, exchanged, changed)}) == 3
