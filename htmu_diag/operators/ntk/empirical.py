"""The empirical neural tangent kernel K = J J^T, layer by layer, without the Jacobian.

J is the (n C) x P Jacobian of all outputs with respect to all parameters. Each parameter adds its own J_l J_l^T; the
layer's input and its output gradients suffice to build that part (``rules``), by the cheapest contraction (``plan``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from htmu_diag.arguments import FLAG, GLOBS, checked, either, one_of, optional, whole
from htmu_diag.errors import InputError
from htmu_diag.model.arguments import BYTES, MODULE, OUTPUT
from htmu_diag.model.states import differentiating
from htmu_diag.operators.ntk.plan import Plan
from htmu_diag.operators.ntk.planning import make_plan
from htmu_diag.operators.ntk.runner import Runner, module_of
from htmu_diag.operators.ntk.sketch import combine, directions
from htmu_diag.operators.ntk.survey import Survey, select, survey
from htmu_diag.operators.sample_function import Output, SampleFunction, pick_output

__all__ = ["Kernel", "Outputs", "empirical_ntk", "ntk_plan"]

Outputs = Literal["trace", "full", "pseudo"]
GIGABYTE = 1_000_000_000
_MANY_OUTPUTS = 1024  # ImageNet's classes take each its own; positions x vocabulary do not
_DIRECTIONS = 16  # of "auto": 0.6 % of the kernel of a small transformer with 12,288 outputs


@dataclass(frozen=True)
class Kernel:
    """A neural tangent kernel.

    matrix: (n, n) for "trace" and "pseudo", (n C, n C) for "full" (row i C + c: output c of sample i).
    samples, outputs, parameters: n, C and P. layers: module -> its part, where asked for; they add up to ``matrix``.
    sizes: module -> its number of parameters; they add up to P.
    plan: how it was computed. error: relative Frobenius error estimated by a sketch, 0 for an exact kernel.
    """

    matrix: Tensor
    mode: Outputs
    samples: int
    outputs: int
    parameters: int
    plan: Plan
    layers: Mapping[str, Tensor] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    error: float = 0.0


@differentiating()
@checked(
    model=MODULE,
    outputs=one_of("trace", "full", "pseudo"),
    parameters=GLOBS,
    layerwise=FLAG,
    chunk=optional(whole(1)),
    memory=BYTES,
    pseudo=one_of("sum", "random"),
    sketch=optional(either(whole(), one_of("auto"))),
    seed=whole(0, 2**62),
    output=OUTPUT,
    batched=optional(FLAG),
)
def empirical_ntk(
    model: nn.Module,
    inputs: Any,
    *,
    outputs: Outputs = "trace",
    parameters: str | Sequence[str] = "*",
    layerwise: bool = False,
    chunk: int | None = None,
    memory: int = 2 * GIGABYTE,
    pseudo: Literal["sum", "random"] = "sum",
    sketch: int | Literal["auto"] | None = None,
    seed: int = 0,
    output: Output = pick_output,
    batched: bool | None = None,
) -> Kernel:
    """The Gram matrix of the per-sample Jacobian with respect to the trainable parameters.

    inputs: a tensor, a tuple (positional) or a dict (keywords) of tensors with n rows each.
    outputs: "trace" sums over the C outputs, "full" keeps all of them, "pseudo" takes the gradient of one combination
        of outputs: their sum over sqrt(C) (Mohamadi, Bae & Sutherland 2023), or with pseudo="random" seeded random
        signs, whose kernel is an unbiased estimate of the trace kernel.
    sketch: directions in output space instead of all C outputs ("trace" only): unbiased, at sketch/C of the cost, with
        its error in ``Kernel.error``. "auto": 16 where there are more than 1,024 outputs, as those of a language model
        (positions x vocabulary), else none.
    parameters: globs on clean ``named_parameters`` names; "blocks.0" selects all below it.
    layerwise: keep each module's part as well.
    chunk: samples in one forward pass; by default what fits. memory: bytes that may be added, the result included.
    output: picks the tensor out of what the model returns (logits by default).
    batched: vectorise the backward passes over outputs; by default on CUDA only (it gains nothing on a CPU).

    Raises InputError for bad inputs, MeasurementError where per-sample Jacobians do not exist (batch statistics, live
    dropout) or the kernel does not fit. The model is left as found: no ``.grad``, no hooks, no mode change.
    """
    if outputs not in ("trace", "full", "pseudo"):
        raise InputError(f"outputs={outputs!r}: must be 'trace', 'full' or 'pseudo'")
    if sketch not in (None, "auto") and outputs != "trace":
        raise InputError(f"sketch={sketch}: only the trace kernel can be projected; use outputs='trace'")
    function = SampleFunction(model, inputs, output)
    chosen = select(function.model, parameters)
    found = survey(function, chosen)
    names = sorted({module_of(name) for name in chosen}) if layerwise else []
    vectorise = found.device.type == "cuda" if batched is None else batched

    def kernels(cotangents: Tensor) -> tuple[Plan, dict[str, Tensor]]:
        reduced = replace(found, outputs=len(cotangents))
        trace, copies = outputs != "full", (len(names) + 1) * (1 if sketch is None else 2)
        plan = make_plan(reduced, function.n, trace=trace, limit=memory, kernels=copies, chunk=chunk)
        return plan, Runner(function, chosen, reduced, plan, cotangents, vectorise).kernels(names)

    if sketch == "auto":
        sketch = _DIRECTIONS if outputs == "trace" and found.outputs > _MANY_OUTPUTS else None
    if sketch is None:
        plan, parts = kernels(_cotangents(found, outputs, pseudo, seed))
        return _assembled(parts, outputs, function.n, found, plan)
    groups = [group.to(found.device, found.dtype) for group in directions(found.outputs, sketch, seed)]
    (plan, first), (_, second) = (kernels(group) for group in groups)
    parts = {name: combine(first[name], second[name], sketch, found.outputs)[0] for name in first}
    _, error = combine(_total(first), _total(second), sketch, found.outputs)
    return replace(_assembled(parts, outputs, function.n, found, plan), error=error)


@differentiating()
def ntk_plan(
    model: nn.Module,
    inputs: Any,
    *,
    outputs: Outputs = "trace",
    parameters: str | Sequence[str] = "*",
    memory: int = 2 * GIGABYTE,
    output: Output = pick_output,
) -> Plan:
    """What ``empirical_ntk`` would do and what it would cost, from two samples; ``print`` it."""
    function = SampleFunction(model, inputs, output)
    found = survey(function, select(function.model, parameters))
    reduced = replace(found, outputs=1) if outputs == "pseudo" else found
    return make_plan(reduced, function.n, trace=outputs != "full", limit=memory)


def _assembled(parts: dict[str, Tensor], outputs: Outputs, n: int, found: Survey, plan: Plan) -> Kernel:
    layers = {name: part for name, part in parts.items() if name}
    count = 1 if outputs == "pseudo" else found.outputs
    sizes: Counter[str] = Counter()
    for parameter in found.parameters:
        sizes[module_of(parameter.name)] += parameter.size
    return Kernel(_total(parts), outputs, n, count, found.size, plan, layers, sizes)


def _total(parts: dict[str, Tensor]) -> Tensor:
    """The sum of the layers' kernels, the kernel itself where there is one part."""
    first, *others = parts.values()
    total = first.clone() if others else first
    for part in others:
        total += part
    return total


def _cotangents(found: Survey, outputs: Outputs, pseudo: str, seed: int) -> Tensor:
    """The combinations of outputs to differentiate, (C', C): the identity, or one row."""
    identity: Tensor = torch.eye(found.outputs, dtype=found.dtype, device=found.device)
    if outputs != "pseudo":
        return identity
    if pseudo == "sum":
        return torch.full_like(identity[:1], found.outputs**-0.5)
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, (1, found.outputs), generator=generator, device="cpu") * 2 - 1
    return signs.to(found.device, found.dtype)
