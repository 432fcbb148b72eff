"""After a block of `quiet` everything is as it was, whatever happened in it."""

import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from htmu_diag.probes import quiet


@pytest.fixture
def net() -> torch.nn.Module:
    torch.manual_seed(0)
    hidden = (torch.nn.BatchNorm1d(6), torch.nn.Dropout(0.5))
    net = torch.nn.Sequential(torch.nn.Linear(4, 6), *hidden, torch.nn.Linear(6, 2))
    net[2].eval()
    net[3].bias.requires_grad_(False)
    net(torch.randn(8, 4)).sum().backward()
    return net


def disturb(net: torch.nn.Module) -> None:
    """What careless probes do."""
    net.train()
    net(torch.randn(8, 4)).square().sum().backward()
    net.requires_grad_(False)
    net.zero_grad()
    net.eval()
    random.random()
    np.random.rand()  # noqa: NPY002
    net[1].running_mean = torch.ones(6)
    torch.set_default_dtype(torch.float64)
    torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)


def generators() -> tuple[bytes, bytes, object]:
    numpy_state = np.random.get_state()[1].tobytes()  # type: ignore[union-attr, index] # noqa: NPY002
    return torch.get_rng_state().numpy().tobytes(), numpy_state, random.getstate()


@pytest.mark.parametrize("raises", [False, True])
def test_everything_is_as_it_was_also_after_an_error(net: torch.nn.Module, raises: bool) -> None:
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    buffers = {name: id(buffer) for name, buffer in net.named_buffers()}
    gradients = [(p.grad, None if p.grad is None else p.grad.clone()) for p in net.parameters()]
    modes = [module.training for module in net.modules()]
    wanted = [p.requires_grad for p in net.parameters()]
    before, benchmark = generators(), torch.backends.cudnn.benchmark
    if raises:
        with pytest.raises(ZeroDivisionError):
            with quiet(net):
                disturb(net)
                raise ZeroDivisionError
    else:
        with quiet(net):
            disturb(net)
    assert generators() == before
    torch.testing.assert_close(dict(net.state_dict()), state, rtol=0, atol=0)
    assert {name: id(buffer) for name, buffer in net.named_buffers()} == buffers
    for parameter, (grad, values) in zip(net.parameters(), gradients, strict=True):
        assert parameter.grad is grad
        if grad is not None:
            assert torch.equal(grad, values)
    assert [module.training for module in net.modules()] == modes
    assert [p.requires_grad for p in net.parameters()] == wanted
    assert torch.get_default_dtype() == torch.float32
    assert torch.backends.cudnn.benchmark == benchmark
    assert not torch.are_deterministic_algorithms_enabled()


def test_inside_gradients_work_whatever_surrounds_the_block(net: torch.nn.Module) -> None:
    with torch.no_grad(), torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        with quiet(net):
            out = net(torch.randn(8, 4))
            (grad,) = torch.autograd.grad(out.sum(), net[0].weight)
            assert out.dtype == torch.float32
            assert grad.shape == net[0].weight.shape
        assert torch.is_autocast_enabled("cpu")
    assert torch.is_grad_enabled()


def test_a_graph_that_holds_a_buffer_stays_usable(net: torch.nn.Module) -> None:
    weight = torch.ones(6, requires_grad=True)
    held = (weight * net[1].running_mean).sum()
    with quiet(net):
        net.train()
        net(torch.randn(8, 4))
    held.backward()
    assert torch.equal(weight.grad, net[1].running_mean)


def test_a_buffer_resized_inside_is_as_it_was(net: torch.nn.Module) -> None:
    """Observers of quantisation-aware training do so at their first batch."""
    net.register_buffer("least", torch.empty(0))
    least, modes = net.least, [module.training for module in net.modules()]
    with quiet(net):
        net.eval()
        net.least.resize_(6)
    assert net.least is least
    assert least.shape == (0,)
    assert modes == [module.training for module in net.modules()]


def test_what_cannot_be_put_back_costs_nothing_else(net: torch.nn.Module) -> None:
    modes = [module.training for module in net.modules()]
    with pytest.raises(TypeError):
        with quiet(net):
            disturb(net)
            net[1].__dict__["_buffers"] = None
    assert torch.get_default_dtype() == torch.float32
    assert not torch.are_deterministic_algorithms_enabled()
    assert modes == [module.training for module in net.modules()]


def test_a_compiled_model_is_not_compiled_again_by_what_happens_inside(net: torch.nn.Module) -> None:
    compiled = torch.compile(net.train(), backend="aot_eager")
    inputs = torch.randn(8, 4)
    compiled(inputs).sum().backward()
    frames = torch._dynamo.utils.counters["frames"]
    before = dict(frames)
    with quiet(net):
        net.eval()
        compiled(torch.randn(3, 4)).sum().backward()
    compiled(inputs).sum().backward()
    assert dict(frames) == before


def test_the_first_use_of_the_package_changes_neither_generators_nor_the_collector() -> None:
    """In a fresh interpreter: libraries such as rich draw from Python's generator where they are imported."""
    code = (
        "import gc, random, numpy, torch, htmu_diag; "
        "told = lambda: (random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist(), "
        "gc.isenabled(), gc.get_threshold()); "
        "random.seed(3); before = told(); "
        "[getattr(htmu_diag, name) for name in htmu_diag.__all__]; "
        "assert told() == before; import rich.console; assert told() == before, 'loaded too late'"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
