"""The input-output Jacobian d f(x) / d x of each sample, by its singular values.

Their spread says how a signal is stretched on its way through the network (dynamical isometry: Saxe, McClelland &
Ganguli 2014; Pennington, Schoenholz & Ganguli 2017). One backward pass an output serves all samples of a chunk. The
Jacobian itself is decomposed, not its Gram matrix, which would lose half of the digits of the small singular values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from htmu_diag.arguments import FLAG, checked, whole
from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.model.arguments import MODULE, OUTPUT
from htmu_diag.model.states import differentiating
from htmu_diag.operators.sample_function import Output, SampleFunction, pick_output

__all__ = ["InputJacobian", "input_output_jacobian"]


@dataclass(frozen=True)
class InputJacobian:
    """Singular values of the Jacobians of n samples.

    singular_values: (n, k) descending, k the smaller of outputs C and inputs d; with ``positions`` (n, T_out, T_in, k)
        for each pair of positions, outputs and inputs then counted at one position.
    shape: (C, d) of one Jacobian.
    """

    singular_values: Tensor
    shape: tuple[int, int]

    @property
    def pooled(self) -> Tensor:
        """Squared singular values of all samples together, ascending: the averaged spectrum."""
        return self.singular_values.flatten().square().sort().values


@differentiating()
@checked(model=MODULE, positions=FLAG, chunk=whole(1), output=OUTPUT)
def input_output_jacobian(
    model: nn.Module,
    inputs: Any,
    *,
    wrt: str | int | None = None,
    positions: bool = False,
    chunk: int = 64,
    output: Output = pick_output,
) -> InputJacobian:
    """Singular values of d output / d input for each sample.

    wrt: which input (key or index) where there are several; by default the first one of floating point.
    positions: for sequence models with inputs (n, T_in, d) and outputs (n, T_out, C): one Jacobian for each pair of
        positions. chunk: samples in one pass.
    Raises MeasurementError for integer inputs (pass embeddings: model(inputs_embeds=...)) and where the output does not
    depend on the input.
    """
    function = SampleFunction(model, inputs, output)
    key = _differentiable(inputs, wrt)
    parts, shape = [], (0, 0)
    for start in range(0, function.n, chunk):
        blocks = _jacobians(function, function.take(start, min(start + chunk, function.n)), key, positions)
        shape = (blocks.shape[-2], blocks.shape[-1])
        parts.append(_singular_values(blocks))
    return InputJacobian(torch.cat(parts), shape)


def _jacobians(function: SampleFunction, inputs: Any, key: str | int | None, positions: bool) -> Tensor:
    """(b, C, d), or (b, T_out, T_in, C, d)."""
    given = inputs if key is None else inputs[key]
    leaf = given.detach().requires_grad_()
    raw, outputs = _evaluated(function, _with(inputs, key, leaf), len(leaf))
    rows = []
    for c in range(outputs.shape[1]):
        last = c == outputs.shape[1] - 1
        found = None
        if outputs.requires_grad:
            found = torch.autograd.grad(outputs[:, c].sum(), leaf, retain_graph=not last, allow_unused=True)[0]
        if found is None:
            raise MeasurementError("model: its output does not depend on this input; choose another one with wrt=")
        rows.append(found)
    jacobian = torch.stack(rows, 1)
    if not positions:
        return jacobian.flatten(2)
    if raw.ndim != 3 or leaf.ndim != 3:
        raise InputError(
            f"positions=True: inputs {tuple(leaf.shape)} and outputs {tuple(raw.shape)} must both be (samples, "
            "positions, features); use positions=False"
        )
    return torch.unflatten(jacobian, 1, (raw.shape[1], raw.shape[2])).permute(0, 1, 3, 2, 4)


def _evaluated(function: SampleFunction, inputs: Any, rows: int) -> tuple[Tensor, Tensor]:
    """The picked output in its own shape, and flattened."""
    kept: list[Tensor] = []

    def pick(result: Any) -> Tensor:
        kept.append(function.output(result))
        return kept[-1]

    flat = SampleFunction(function.model, inputs, pick).on(inputs)
    return kept[-1], flat


def _differentiable(inputs: Any, wrt: str | int | None) -> str | int | None:
    if isinstance(inputs, Tensor):
        candidates: dict[Any, Any] = {None: inputs}
    else:
        candidates = dict(inputs) if isinstance(inputs, Mapping) else dict(enumerate(inputs))
    floating = [key for key, value in candidates.items() if isinstance(value, Tensor) and value.is_floating_point()]
    key = wrt if wrt is not None else next(iter(floating), None)
    if key not in floating:
        which = "" if list(candidates) == [None] else f"{'none' if wrt is None else repr(wrt)} of {list(candidates)} "
        wrong = "is of floating point" if which.startswith("none") else "not of floating point"
        raise MeasurementError(
            f"inputs: {which}{wrong}, so there is no derivative with respect to it; pass embeddings in place of tokens"
        )
    found: str | int | None = key
    return found


def _with(inputs: Any, key: str | int | None, leaf: Tensor) -> Any:
    if key is None:
        return leaf
    if isinstance(inputs, Mapping):
        return {**inputs, key: leaf}
    return tuple(leaf if index == key else value for index, value in enumerate(inputs))


def _singular_values(blocks: Tensor) -> Tensor:
    """In float64, descending; zero where they are within the rounding of the entries, 2 eps times the largest one.

    Raises MeasurementError for derivatives that are NaN or infinite.
    """
    if not bool(blocks.isfinite().all()):
        raise MeasurementError("model: its derivative is NaN or infinite; look for a diverged weight or a bad input")
    values: Tensor = torch.linalg.svdvals(blocks.double())
    floor = 2 * torch.finfo(blocks.dtype).eps * values[..., :1]
    return torch.where(values <= floor, 0.0, values)
