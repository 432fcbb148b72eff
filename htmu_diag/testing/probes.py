"""What a probe must be: declared, repeatable, without a trace in the model, of the kinds and numbers it declares."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from htmu_diag.analysis import QUANTITIES, Options, diagnose
from htmu_diag.model.quiet import quiet
from htmu_diag.probes import Declaration, StepContext
from htmu_diag.spectrum import Spectrum
from htmu_diag.testing.demand import attempt, demand, demand_object

__all__ = ["check_probe"]


def check_probe(probe: Any, *, model: torch.nn.Module, step: int = 7, **context: Any) -> list[Spectrum]:
    """Measure twice as a run would; returns the spectra.

    context: further fields of `StepContext` (batch, loss_fn, optimizer, ...), those that the probe needs at least.
    """
    demand_object(probe)
    declared = Declaration.of(probe)
    at = StepContext(step, model, **context)
    for need in sorted(declared.needs):
        demand(getattr(at, need) is not None, probe, f"declares that it needs {need}; pass {need}= to check_probe")
    before = _state(model)
    if declared.observes:
        for _ in range(3):
            with attempt(probe, "observe(context)", "it is called at every step"):
                probe.observe(at)
    hooks = _hooks(model)
    first = _measured(probe, declared, at)
    with quiet(*at.modules, loss_fn=at.loss_fn):
        for draw in (lambda: torch.rand(1), np.random.rand, random.random):
            draw()  # the training drew on: what a measurement draws must not hang on that
        second = _measured(probe, declared, at)
    demand(_same(before, _state(model)), probe, "parameters or buffers are not as they were")
    demand(_hooks(model) == hooks, probe, "leaves a hook on the model; remove what its measurement registers")
    _check_spectra(probe, declared, first, step)
    demand(_alike(first, second), probe, "two measurements at one step differ; draw from a generator of context.seed")
    return first


def _measured(probe: Any, declared: Declaration, at: StepContext) -> list[Spectrum]:
    with quiet(*at.modules, loss_fn=at.loss_fn):
        if declared.runs != "shared":
            with attempt(probe, "measure(context)", "it must yield a Spectrum for each thing measured"):
                return list(probe.measure(at))
        with attempt(probe, "capture(context)", "it must yield work with an order and compute()"):
            pending = [(one, one.order) for one in probe.capture(at)]
    orders = [order for _, order in pending]
    demand(len(set(orders)) == len(orders), probe, f"two spectra have one order: {orders}")
    with attempt(probe, "compute() of what it captured", "it must give a Spectrum"):
        return [one.compute() for one, _ in pending]


def _check_spectra(probe: Any, declared: Declaration, spectra: list[Spectrum], step: int) -> None:
    demand(bool(spectra), probe, "yields nothing; pass a model that it can measure")
    for spectrum in spectra:
        demand(isinstance(spectrum, Spectrum), probe, f"yields a {type(spectrum).__name__}, no Spectrum")
    names = [(spectrum.source.kind, spectrum.source.name) for spectrum in spectra]
    demand(len(set(names)) == len(names), probe, f"two spectra of one kind and name: their curves would mix; {names}")
    known = QUANTITIES.keys() | {row.name for row in declared.quantities}
    for spectrum in spectra:
        kind = spectrum.source.kind
        demand(
            not declared.kinds or kind in declared.kinds, probe, f"yields the kind {kind!r}, which it does not declare"
        )
        unknown = sorted(spectrum.scalars.keys() - known)
        demand(not unknown, probe, f"brings {unknown}; add a Quantity for each to its quantities")
        demand(spectrum.source.step in (step, None), probe, f"marks a spectrum with step {spectrum.source.step}")
        demand(bool(spectrum.source.unit), probe, "says of no unit what the values are; fill Source.unit")
        with attempt(probe, f"the diagnosis of {spectrum.source.name}", "yield a spectrum that can be diagnosed"):
            diagnose(spectrum, Options(bootstrap=0))


def _state(model: torch.nn.Module) -> Mapping[str, torch.Tensor]:
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def _hooks(model: torch.nn.Module) -> list[int]:
    """How many hooks each module and parameter has."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    places = [*model.modules(), *model.parameters()]
    return [sum(len(getattr(place, kind, None) or ()) for kind in kinds) for place in places]


def _same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _alike(one: list[Spectrum], other: list[Spectrum]) -> bool:
    return len(one) == len(other) and all(np.array_equal(a.values, b.values) for a, b in zip(one, other, strict=True))
