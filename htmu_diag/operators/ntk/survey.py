"""A trial run on two samples: which parameters have a rule that is right for them, and what each would cost.

Rules are believed only after a check. With a random cotangent on the first sample, the Jacobian that the rules give
must equal autograd's gradient of every parameter, and nothing may reach the second sample's rows. Functional reuse of a
weight, an overridden forward, layouts with the batch elsewhere and inputs shared by all samples fail it, and those
parameters are differentiated with torch.func.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.model.names import clean_parameters, selected
from htmu_diag.operators.ntk.capture import Call, captured
from htmu_diag.operators.ntk.fallback import is_vectorisable
from htmu_diag.operators.ntk.pieces import Piece, Rows, outer
from htmu_diag.operators.ntk.rules import regroup, rule_for
from htmu_diag.operators.ntk.trial import SavedBytes, watched_outputs
from htmu_diag.operators.sample_function import SampleFunction

__all__ = ["Form", "Parameter", "Survey", "pieces_of", "select", "survey"]


@dataclass(frozen=True)
class Form:
    """Shape of a parameter's factors: G groups of (rows x columns), T positions, and the side that varies by output."""

    groups: int
    positions: int
    rows: int
    columns: int
    left_varies: bool
    one_hot: bool


@dataclass(frozen=True)
class Parameter:
    """One trainable tensor with everything the plan needs.

    uses: (module name, attribute) of every module that holds it; forms: of each use that has factors.
    form: the common form of all uses with their positions added up; None where they differ or none has factors.
    covered: False where the rules do not cover it (torch.func then does).
    unused: True where the two samples did not reach it; it must then be unused by all.
    inputs, gradients: numbers per sample in the inputs and in the outputs of the layers that use it.
    """

    name: str
    size: int
    uses: tuple[tuple[str, str], ...]
    form: Form | None
    covered: bool
    columns: int = 1
    unused: bool = False
    inputs: int = 0
    gradients: int = 0


@dataclass(frozen=True)
class Survey:
    """What two samples told: outputs C, the parameters, bytes of graph a sample, and whether torch.func vectorises."""

    outputs: int
    dtype: torch.dtype
    device: torch.device
    parameters: tuple[Parameter, ...]
    graph_bytes: int
    gradient_bytes: int
    largest_gradient: int
    vectorised: bool

    @property
    def size(self) -> int:
        """Number of parameters P."""
        return sum(parameter.size for parameter in self.parameters)


def select(model: nn.Module, patterns: str | Sequence[str]) -> dict[str, nn.Parameter]:
    """Trainable parameters whose clean names, or leading paths, match a glob. Raises InputError where none does,
    and MeasurementError where the model holds one that is not initialised, or a chosen one is complex.
    """
    globs = (patterns,) if isinstance(patterns, str) else tuple(patterns)
    clean = clean_parameters(model)
    lazy = next((clean[name] for name, p in model.named_parameters() if is_lazy(p)), "")
    if lazy:
        raise MeasurementError(f"{lazy}: not initialised yet; run the model once on a batch before measuring it")
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad and p.numel()}
    chosen = {name: p for name, p in trainable.items() if selected(clean[name], globs)}
    if complex_one := next((clean[name] for name, p in chosen.items() if p.is_complex()), ""):
        remedy = "keep it as a real one, with torch.view_as_complex in the forward pass, or leave it out by parameters="
        raise MeasurementError(f"{complex_one}: a complex parameter, for which the kernel is not defined; {remedy}")
    if not chosen:
        raise InputError(
            f"parameters={patterns!r}: no trainable parameter has such a name; there are "
            f"{', '.join(list(trainable)[:8]) or 'none (all are frozen)'}"
        )
    return chosen


def survey(function: SampleFunction, chosen: Mapping[str, nn.Parameter]) -> Survey:
    """Run two samples, check the rules, and measure. Raises MeasurementError naming the module that cannot be."""
    uses = _uses(function.model, chosen)
    pair = _pair(function)
    modules = {name: module for found in uses.values() for name, _, module in found}
    counter = SavedBytes(function.model)
    with captured(modules) as calls, counter:
        outputs = watched_outputs(function, pair, 2)
    own, found = _check_gradients(outputs, calls, chosen)
    parameters = tuple(
        _judge(name, parameter, uses[name], calls, found, own[name]) for name, parameter in chosen.items()
    )
    loose = {p.name: chosen[p.name] for p in parameters if not p.covered}
    gradient_bytes = sum(g.numel() // 2 for g in found) * outputs.element_size()
    return Survey(
        outputs=outputs.shape[1],
        dtype=outputs.dtype,
        device=outputs.device,
        parameters=parameters,
        graph_bytes=counter.total // 2 + 1,
        gradient_bytes=gradient_bytes,
        largest_gradient=max((g.numel() // 2 for g in found), default=0) * outputs.element_size(),
        vectorised=not loose or is_vectorisable(function, loose, pair),
    )


def pieces_of(parameter: Parameter, calls: Sequence[Call], found: Sequence[Tensor], n: int) -> list[Piece]:
    """The pieces of one parameter: one for each call of each module that holds it."""
    pieces: list[Piece] = []
    for call_, gradient in zip(calls, found, strict=True):
        for module_name, attribute in parameter.uses:
            rule = rule_for(call_.module)
            if call_.name == module_name and rule is not None:
                pieces.append(regroup(rule(call_.module, attribute, call_.inputs, gradient), n))
    return pieces


def _uses(model: nn.Module, chosen: Mapping[str, nn.Parameter]) -> dict[str, list[tuple[str, str, nn.Module]]]:
    names = {id(parameter): name for name, parameter in chosen.items()}
    uses: dict[str, list[tuple[str, str, nn.Module]]] = {name: [] for name in chosen}
    for path, module in model.named_modules():
        for attribute, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            if id(parameter) in names and rule_for(module) is not None:
                uses[names[id(parameter)]].append((path, attribute, module))
    return uses


def _pair(function: SampleFunction) -> Any:
    """Two different rows where there are two, else the one row twice."""
    if function.n > 1:
        return function.take(0, 2)
    row = function.take(0, 1)
    return _doubled(row)


def _doubled(inputs: Any) -> Any:
    if isinstance(inputs, Tensor):
        return torch.cat([inputs, inputs])
    if isinstance(inputs, Mapping):
        return {key: _doubled(value) for key, value in inputs.items()}
    return tuple(_doubled(item) for item in inputs) if isinstance(inputs, tuple | list) else inputs


def _check_gradients(
    outputs: Tensor, calls: Sequence[Call], chosen: Mapping[str, nn.Parameter]
) -> tuple[dict[str, Tensor | None], list[Tensor]]:
    """Autograd's parameter gradients and the calls' output gradients for one cotangent on the first sample."""
    generator = torch.Generator().manual_seed(0)
    cotangent = torch.randn(1, outputs.shape[1], generator=generator, dtype=torch.float64, device="cpu").to(outputs)
    first = torch.zeros_like(outputs)
    first[0] = cotangent[0]
    targets: list[Any] = [*(call_.edge for call_ in calls), *chosen.values()]
    everything = torch.autograd.grad(outputs, targets, first, allow_unused=True)
    dense = [None if gradient is None else gradient.to_dense() for gradient in everything[len(calls) :]]
    own: dict[str, Tensor | None] = dict(zip(chosen, dense, strict=True))
    if all(gradient is None for gradient in own.values()):
        raise MeasurementError(
            f"model: its output does not depend on any of the chosen parameters ({', '.join(list(chosen)[:4])}); "
            "choose parameters that the forward pass uses"
        )
    found = [
        outputs.new_zeros(call_.shape[0], 1, *call_.shape[1:]) if gradient is None else gradient.unsqueeze(1)
        for call_, gradient in zip(calls, everything, strict=False)
    ]
    return own, found


def _judge(
    name: str,
    parameter: nn.Parameter,
    uses: list[tuple[str, str, nn.Module]],
    calls: Sequence[Call],
    found: Sequence[Tensor],
    own: Tensor | None,
) -> Parameter:
    held = tuple((path, attribute) for path, attribute, _ in uses)
    columns = parameter[0].numel() if parameter.ndim > 1 else 1
    plain = Parameter(name, parameter.numel(), held, None, False, columns)
    involved = [call_ for call_ in calls if call_.name in {path for path, _ in held}]
    if own is None:
        return Parameter(name, parameter.numel(), (), None, True, columns, unused=True)
    if not involved or any(call_.shape[0] % 2 or call_.inputs.shape[0] != call_.shape[0] for call_ in involved):
        return plain
    pieces = pieces_of(plain, calls, found, 2)
    total = reduce(add, (piece.values if isinstance(piece, Rows) else outer(piece) for piece in pieces))
    if total.ndim != 3 or total.shape[-1] != parameter.numel():
        return plain
    tolerance = torch.finfo(own.dtype).eps ** 0.5
    error = (total[0, 0] - own.flatten()).norm() + total[1].norm()
    if not bool(error <= tolerance * own.norm()):
        return plain
    inputs, gradients = (sum(t.numel() // 2 for t in ts) for ts in _tensors(involved))
    form = _common_form(pieces)
    return Parameter(name, parameter.numel(), held, form, True, columns, inputs=inputs, gradients=gradients)


def _tensors(calls: Sequence[Call]) -> tuple[list[Tensor], list[Tensor]]:
    """Inputs, and stand-ins for the outputs, of some calls."""
    return [call_.inputs for call_ in calls], [
        torch.empty(call_.shape, dtype=torch.float32, device="meta") for call_ in calls
    ]


def _common_form(pieces: Sequence[Piece]) -> Form | None:
    forms = list(_forms(pieces))
    if not forms or len(forms) < len(pieces) or len({_without_positions(form) for form in forms}) > 1:
        return None
    first = forms[0]
    positions = sum(form.positions for form in forms)
    return Form(first.groups, positions, first.rows, first.columns, first.left_varies, first.one_hot)


def _forms(pieces: Sequence[Piece]) -> Iterator[Form]:
    for piece in pieces:
        if isinstance(piece, Rows):
            continue
        groups, positions, columns = piece.right.shape[2:]
        rows = piece.size or piece.left.shape[-1]
        yield Form(groups, positions, rows, columns, piece.left_varies, bool(piece.size))


def _without_positions(form: Form) -> Form:
    return Form(form.groups, 0, form.rows, form.columns, form.left_varies, form.one_hot)
