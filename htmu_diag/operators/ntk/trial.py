"""One forward pass that is watched: whatever goes wrong in it is told with the module in which it happened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from htmu_diag.errors import MeasurementError
from htmu_diag.operators.sample_function import SampleFunction, call

__all__ = ["SavedBytes", "watched_outputs"]


@dataclass(frozen=True)
class _Trace:
    """Names of modules. inside: entered and not left; bad: output not finite; attached: output carries a gradient."""

    inside: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    attached: list[str] = field(default_factory=list)

    def enter(self, name: str) -> None:
        self.inside.append(name)

    def leave(self, name: str, output: Any) -> None:
        self.inside.pop()
        if isinstance(output, Tensor) and output.is_floating_point():
            self.attached.extend([name] * output.requires_grad)
            self.bad.extend([name] * (not torch.isfinite(output.detach()).all()))


def watched_outputs(function: SampleFunction, inputs: Any, rows: int) -> Tensor:
    """Outputs (rows, C) of the given inputs. Raises MeasurementError where they fail, are not finite or detached."""
    with _traced(function.model) as trace:
        try:
            result = call(function.model, inputs)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            raise MeasurementError(
                f"{trace.inside[-1] if trace.inside else 'model'}: the forward pass failed on two samples: {error}; "
                "check the inputs' dtype and shape against what this module expects"
            ) from error
    if trace.bad:
        raise MeasurementError(f"{trace.bad[0]}: output is NaN or infinite; look for a diverged weight or a bad input")
    outputs = function.flat(result, rows)
    if not outputs.requires_grad:
        last = (
            f"the last module whose output has one is {trace.attached[-1]}" if trace.attached else "no module has one"
        )
        raise MeasurementError(
            f"model: its output carries no gradient with respect to the chosen parameters ({last}: they are unused, or "
            "the output was detached or rounded after it); return a differentiable output or choose other parameters"
        )
    return outputs


class SavedBytes(torch.autograd.graph.saved_tensors_hooks):
    """Counts the bytes of distinct tensors that autograd saves for the backward pass, parameters left out."""

    def __init__(self, model: nn.Module) -> None:
        self.held = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
        self.seen: dict[int, int] = {}
        super().__init__(self._count, lambda tensor: tensor)

    @property
    def total(self) -> int:
        return sum(self.seen.values())

    def _count(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self.held:
            self.seen[storage.data_ptr()] = storage.nbytes()
        return tensor


@contextmanager
def _traced(model: nn.Module) -> Iterator[_Trace]:
    """Note the modules that are entered and left while the context is open."""
    trace, handles = _Trace(), []
    for name, module in model.named_modules():

        def enter(module: nn.Module, args: Any, name: str = name or "model") -> None:
            trace.enter(name)

        def leave(module: nn.Module, args: Any, output: Any, name: str = name or "model") -> None:
            trace.leave(name, output)

        handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        yield trace
    finally:
        for handle in handles:
            handle.remove()
