"""Effective weights: what a module multiplies with, in place of the tensors that it is computed from.

Covers ``torch.nn.utils.parametrize`` (weight_norm, spectral_norm, orthogonal, and users' own), the older hooks of
``torch.nn.utils.weight_norm`` and ``spectral_norm``, pruning, the packed weights of torch.ao's quantised modules, and
8-bit weights beside their scales. Computing a weight changes nothing: the power iteration of spectral_norm is switched
off while it is read, and the random state is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import torch
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod

from htmu_diag.matrices.scales import CODES, SCALES, scaled
from htmu_diag.model.states import evaluating, generators
from htmu_diag.model.tensors import gathered

__all__ = ["UNCOMPUTABLE", "Effective", "effective_weights"]

# what a parametrisation, which is the user's code, may raise when it is run outside a forward pass
UNCOMPUTABLE = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError)


@dataclass(frozen=True)
class Effective:
    """A weight that is computed: its name in the module, how, and the module's own parameters that it is made of."""

    name: str
    compute: Callable[[], torch.Tensor]
    parts: frozenset[str] = frozenset()


def effective_weights(owner: torch.nn.Module) -> list[Effective]:
    """The computed weights of one module (not of its children); an empty list for an ordinary module."""
    return [*_parametrized(owner), *_hooked(owner), *_packed(owner), *_scaled(owner)]


def _parametrized(owner: torch.nn.Module) -> Iterator[Effective]:
    if not parametrize.is_parametrized(owner):
        return
    for name, steps in owner.parametrizations.items():  # type: ignore[union-attr, operator]
        yield Effective(name, partial(_frozen, steps))


def _hooked(owner: torch.nn.Module) -> Iterator[Effective]:
    for hook in owner._forward_pre_hooks.values():
        kind, name = type(hook).__name__, str(getattr(hook, "name", ""))
        if kind == "WeightNorm":
            yield Effective(name, partial(_by_hook, hook.compute_weight, owner), frozenset({f"{name}_g", f"{name}_v"}))  # type: ignore[attr-defined]
        elif kind == "SpectralNorm":
            compute = partial(_by_hook, hook.compute_weight, owner, do_power_iteration=False)  # type: ignore[attr-defined]
            yield Effective(name, compute, frozenset({f"{name}_orig"}))
        elif isinstance(hook, BasePruningMethod):
            name = hook._tensor_name
            yield Effective(
                name, partial(_by_hook, hook.apply_mask, owner), frozenset({f"{name}_orig", f"{name}_mask"})
            )


def _packed(owner: torch.nn.Module) -> Iterator[Effective]:
    """Modules of torch.ao keep their quantised weight in a packed object, which a method takes out."""
    if not type(owner).__module__.startswith("torch.ao.nn.quantized"):
        return
    if hasattr(owner, "get_weight"):  # a recurrent module
        yield from (Effective(name, lambda name=name: owner.get_weight()[name]) for name in owner.get_weight())  # type: ignore[misc, operator]
    elif callable(getattr(owner, "weight", None)):
        yield Effective("weight", owner.weight)  # type: ignore[arg-type]


def _scaled(owner: torch.nn.Module) -> Iterator[Effective]:
    own = {**owner._parameters, **owner._buffers}
    codes = own.get("weight")
    scale = next((name for name in SCALES if own.get(name) is not None), "")
    if scale and codes is not None and str(codes.dtype) in CODES:
        yield Effective("weight", partial(_scaled_weight, codes, own[scale]), frozenset({"weight", scale}))  # type: ignore[arg-type]


def _scaled_weight(codes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return scaled(gathered(codes.detach()), gathered(scale.detach()))


def _by_hook(rule: Callable[..., torch.Tensor], owner: torch.nn.Module, **options: bool) -> torch.Tensor:
    """What a hook would set as the weight. It reads attributes only, so it is given gathered copies of them."""
    own = {name: tensor for name, tensor in {**owner._parameters, **owner._buffers}.items() if tensor is not None}
    with torch.no_grad():
        return rule(SimpleNamespace(**{name: gathered(tensor) for name, tensor in own.items()}), **options)


def _frozen(steps: torch.nn.Module) -> torch.Tensor:
    """The parametrised weight with its steps in eval mode, their mode and the random state restored afterwards."""
    restore = generators()
    try:
        with torch.no_grad(), evaluating(steps):
            whole = {name: gathered(parameter) for name, parameter in steps.named_parameters()}
            weight: torch.Tensor = torch.func.functional_call(steps, whole, ())
            return weight
    finally:
        restore()
