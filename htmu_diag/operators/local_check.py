"""Which module has a wrong second derivative: each one is checked alone, on the inputs it saw.

For a module y = f(x, theta) the scalar s = c . y^2 / 2 with a random c has a symmetric Hessian in (x, theta). A module
fails where u . H v and v . H u differ (a function differentiable once, a wrong formula), where PyTorch raises, or where
H v disagrees with a float64 finite difference of the gradient (a function that stashes a detached tensor).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch

from htmu_diag.model.names import clean_name
from htmu_diag.operators.batches import Batch
from htmu_diag.operators.differentiable_model import DifferentiableModel

__all__ = ["failing_modules"]

_TOLERANCE = 1e-4  # of float64 products; a step of 1e-7 leaves about 1e-6
_STEPS = (1e-7, 1e-6, 1e-8)  # more than one: a kink of ReLU inside a step spoils it
Call = tuple[tuple[Any, ...], dict[str, Any]]


def failing_modules(stage: DifferentiableModel, batch: Batch) -> list[str]:
    """Names of the deepest modules that fail the check; empty where none does alone."""
    failing: list[str] = []
    for name, module, call in sorted(_calls(stage, batch), key=lambda item: -_depth(item[0])):
        inside = any(other.startswith(f"{name}.") or name == "" for other in failing)
        with stage.working():
            fails = not inside and _fails(module, call)
        if fails:
            failing.append(name)
    return [clean_name(name) or type(stage.model).__name__ for name in sorted(failing)]


def _depth(name: str) -> int:
    return name.count(".") + 1 if name else 0


def _calls(stage: DifferentiableModel, batch: Batch) -> list[tuple[str, torch.nn.Module, Call]]:
    """Every module that ran, with the arguments of its first call."""
    seen: dict[str, tuple[str, torch.nn.Module, Call]] = {}

    def watch(name: str) -> Callable[..., None]:
        def hook(module: torch.nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
            seen.setdefault(name, (name, module, (_detached(arguments), _detached(keywords))))

        return hook

    named = list(stage.model.named_modules())
    handles = [module.register_forward_pre_hook(watch(name), with_kwargs=True) for name, module in named]
    try:
        with stage.working(0), torch.no_grad():
            batch.call(stage.model)
    finally:
        for handle in handles:
            handle.remove()
    return list(seen.values())


def _fails(module: torch.nn.Module, call: Call) -> bool:
    twin = _twin(module)
    if twin is None:
        return False
    try:
        gradient, tensors = _local_gradient(twin, call)
        if not tensors:
            return False
        u, v = (_direction(tensors, seed) for seed in (1, 2))
        hu, hv = _hessian(gradient(), tensors, u), _hessian(gradient(), tensors, v)
        scale = max(_norm(hu), _norm(hv)) or 1.0
        if not abs(_dot(u, hv) - _dot(v, hu)) <= _TOLERANCE * scale * _norm(u):
            return True
        return all(not _difference(gradient, tensors, v, hv, step) <= _TOLERANCE * scale for step in _STEPS)
    except RuntimeError as problem:  # no second derivative at all: what is looked for
        return "dtype" not in str(problem)  # but not a module that insists on float32
    except TypeError:  # it cannot be called alone
        return False


def _twin(module: torch.nn.Module) -> torch.nn.Module | None:
    """A float64 copy, None where there is none."""
    try:
        return copy.deepcopy(module).double()
    except (RuntimeError, TypeError):
        return None


def _local_gradient(module: torch.nn.Module, call: Call) -> tuple[Callable[[], Any], list[torch.Tensor]]:
    arguments, keywords = _lifted(call[0]), _lifted(call[1])
    tensors = [x for x in _leaves((arguments, keywords)) if x.requires_grad]
    tensors += [p.requires_grad_(True) for p in module.parameters()]

    def gradient() -> Any:
        state = torch.random.get_rng_state()
        outputs = [y for y in _leaves(module(*arguments, **keywords)) if y.is_floating_point()]
        torch.random.set_rng_state(state)
        rng = torch.Generator().manual_seed(3)
        weights = [torch.randn(y.shape, generator=rng, dtype=torch.float64, device="cpu").to(y.device) for y in outputs]
        total = sum(
            ((c * y.double() ** 2).sum() / 2 for c, y in zip(weights, outputs, strict=True)),
            torch.zeros((), dtype=torch.float64, device="cpu"),
        )
        return torch.autograd.grad(total, tensors, create_graph=True, allow_unused=True, materialize_grads=True)

    return gradient, tensors


def _hessian(gradients: Any, tensors: list[torch.Tensor], vectors: list[torch.Tensor]) -> list[torch.Tensor]:
    curved = [(g, v) for g, v in zip(gradients, vectors, strict=True) if g.requires_grad]
    if not curved:
        return [torch.zeros_like(x) for x in tensors]
    outputs, weights = zip(*curved, strict=True)
    return list(torch.autograd.grad(outputs, tensors, weights, allow_unused=True, materialize_grads=True))


def _difference(gradient: Any, tensors: list[torch.Tensor], v: Any, hv: Any, step: float) -> float:
    """|(g(x + t v) - g(x - t v)) / 2t - H v|, with t relative to |x| / |v|."""
    t = step * max(_norm(tensors), 1e-8) / _norm(v)
    sides = []
    for sign in (t, -2 * t):
        _move(tensors, v, sign)
        sides.append([g.detach() for g in gradient()])
    _move(tensors, v, t)
    return _norm([(a - b) / (2 * t) - h for a, b, h in zip(*sides, hv, strict=True)])


def _move(tensors: list[torch.Tensor], v: Any, amount: float) -> None:
    for x, direction in zip(tensors, v, strict=True):
        x.data.add_(direction, alpha=amount)


def _direction(tensors: list[torch.Tensor], seed: int) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(x.shape, generator=rng, dtype=torch.float64, device="cpu").to(x.device) for x in tensors]


def _dot(left: Any, right: Any) -> float:
    return sum(float((a * b).sum()) for a, b in zip(left, right, strict=True))


def _norm(tensors: Any) -> float:
    return float(sum(float((x.detach().double() ** 2).sum()) for x in tensors) ** 0.5)


def _leaves(values: Any) -> list[torch.Tensor]:
    if isinstance(values, torch.Tensor):
        return [values]
    parts = values.values() if isinstance(values, dict) else values if isinstance(values, tuple | list) else ()
    return [x for part in parts for x in _leaves(part)]


def _detached(values: Any) -> Any:
    return _changed(values, lambda x: x.detach().clone())


def _lifted(values: Any) -> Any:
    return _changed(values, lambda x: x.double().requires_grad_(True) if x.is_floating_point() else x)


def _changed(values: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    if isinstance(values, torch.Tensor):
        return change(values)
    if isinstance(values, dict):
        return {key: _changed(value, change) for key, value in values.items()}
    if isinstance(values, tuple | list):
        return tuple(_changed(value, change) for value in values)
    return values
