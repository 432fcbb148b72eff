"""Effective weights: what a parametrised module multiplies with, in place of the tensors that it is computed from.

Covers ``torch.nn.utils.parametrize`` (weight_norm, spectral_norm, orthogonal, and users' own) and the older hooks of
``torch.nn.utils.weight_norm`` and ``spectral_norm``. Computing a weight changes nothing: the power iteration of
spectral_norm is switched off while it is read, and the random state is kept.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.utils import parametrize

__all__ = ["Effective", "effective_weights"]


@dataclass(frozen=True)
class Effective:
    """A weight that is computed: its name in the module, how, and the module's own parameters that it is made of."""

    name: str
    compute: Callable[[], torch.Tensor]
    parts: frozenset[str] = frozenset()


def effective_weights(owner: torch.nn.Module) -> list[Effective]:
    """The computed weights of one module (not of its children); an empty list for an ordinary module."""
    return [*_parametrized(owner), *_hooked(owner)]


def _parametrized(owner: torch.nn.Module) -> Iterator[Effective]:
    if not parametrize.is_parametrized(owner):
        return
    for name, steps in owner.parametrizations.items():  # type: ignore[union-attr, operator]
        yield Effective(name, lambda name=name, steps=steps: _frozen(steps, lambda: getattr(owner, name)))  # type: ignore[misc]


def _hooked(owner: torch.nn.Module) -> Iterator[Effective]:
    for hook in owner._forward_pre_hooks.values():
        kind, name = type(hook).__name__, getattr(hook, "name", "")
        if kind == "WeightNorm":
            yield Effective(name, _no_grad(hook.compute_weight, owner), frozenset({f"{name}_g", f"{name}_v"}))  # type: ignore[attr-defined]
        elif kind == "SpectralNorm":
            compute = _no_grad(hook.compute_weight, owner, do_power_iteration=False)  # type: ignore[attr-defined]
            yield Effective(name, compute, frozenset({f"{name}_orig"}))


def _no_grad(compute: Callable[..., torch.Tensor], *args: Any, **options: Any) -> Callable[[], torch.Tensor]:
    def call() -> torch.Tensor:
        with torch.no_grad():
            return compute(*args, **options)

    return call


def _frozen(steps: torch.nn.Module, compute: Callable[[], torch.Tensor]) -> torch.Tensor:
    """The parametrised weight with its steps in eval mode, their mode and the random state restored afterwards."""
    modes = [(module, module.training) for module in steps.modules()]
    with torch.no_grad(), torch.random.fork_rng(devices=_cuda_devices(steps)), contextlib.ExitStack() as stack:
        for module, mode in modes:
            module.training = False
            stack.callback(setattr, module, "training", mode)
        return compute()


def _cuda_devices(module: torch.nn.Module) -> list[int]:
    return sorted(
        {p.device.index for p in module.parameters() if p.device.type == "cuda" and p.device.index is not None}
    )
