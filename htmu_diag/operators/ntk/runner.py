"""Carrying out a plan, pass by pass: samples go through the model in chunks, pieces are stored, then contracted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from htmu_diag.errors import MeasurementError
from htmu_diag.operators.ntk.capture import captured, gradients
from htmu_diag.operators.ntk.contract import mirror
from htmu_diag.operators.ntk.fallback import jacobian_rows
from htmu_diag.operators.ntk.pieces import Rows
from htmu_diag.operators.ntk.plan import Pass, Plan, Step
from htmu_diag.operators.ntk.stores import PieceStore, open_store, working
from htmu_diag.operators.ntk.stream import StreamStore
from htmu_diag.operators.ntk.survey import Survey, pieces_of
from htmu_diag.operators.sample_function import SampleFunction

__all__ = ["Runner", "module_of"]

Held = PieceStore | StreamStore


@dataclass(frozen=True)
class Runner:
    """Everything that a pass needs. cotangents: (C', C), one row for each differentiated combination of outputs."""

    function: SampleFunction
    chosen: Mapping[str, nn.Parameter]
    survey: Survey
    plan: Plan
    cotangents: Tensor
    batched: bool

    def kernels(self, names: Sequence[str]) -> dict[str, Tensor]:
        """The kernel of each named module, or the whole kernel under "" where no names are given.

        What a parameter adds is computed on its own device, and all of it summed on that of the outputs.
        """
        kernels = {name: self._zeros(self.survey.device) for name in names or ("",)}
        elsewhere: dict[tuple[str, torch.device], Tensor] = {}
        for each in self.plan.passes:
            for step, store in self._collect(each):
                name = module_of(step.parameter.name) if names else ""
                device = self.chosen[step.parameter.name].device
                if device != self.survey.device and (name, device) not in elsewhere:
                    elsewhere[name, device] = self._zeros(device)
                store.add_to(elsewhere.get((name, device), kernels[name]), trace=self.plan.trace)
        for (name, _), part in elsewhere.items():
            kernels[name].add_(part.to(self.survey.device))
        return {name: mirror(kernel) for name, kernel in kernels.items()}

    def _zeros(self, device: torch.device) -> Tensor:
        side = self.plan.n if self.plan.trace else self.plan.n * self.survey.outputs
        return torch.zeros(side, side, dtype=working(self.survey.dtype), device=device)

    def _collect(self, each: Pass) -> list[tuple[Step, Held]]:
        stores = [(step, self._opened(step)) for step in each.steps if step.strategy != "absorbed"]
        paths = {path for step in each.steps if step.parameter.covered for path, _ in step.parameter.uses}
        modules = {path: self.function.model.get_submodule(path) for path in paths}
        cotangents = self.cotangents[each.first : each.last]
        for start in range(0, self.plan.n, each.chunk):
            stop = min(start + each.chunk, self.plan.n)
            inputs = self.function.take(start, stop)
            if modules:
                self._by_rules(stores, modules, inputs, cotangents, start, stop)
            self._by_func(stores, inputs, cotangents, start, stop)
        return stores

    def _by_rules(
        self,
        stores: Sequence[tuple[Step, Held]],
        modules: Mapping[str, nn.Module],
        inputs: Any,
        cotangents: Tensor,
        start: int,
        stop: int,
    ) -> None:
        with captured(modules) as calls:
            outputs = self.function.on(inputs)
        _refuse_non_finite(outputs, start)
        self._refuse_late_uses(outputs)
        found = gradients(outputs, cotangents, calls, batched=self.batched)
        for step, store in stores:
            if isinstance(store, StreamStore):
                store.put_calls(start, stop, calls, found)
            elif step.parameter.covered:
                store.put(start, stop, pieces_of(step.parameter, calls, found, stop - start))

    def _by_func(
        self, stores: Sequence[tuple[Step, Held]], inputs: Any, cotangents: Tensor, start: int, stop: int
    ) -> None:
        loose = [(step, store) for step, store in stores if not step.parameter.covered]
        if not loose:
            return
        parameters = {step.parameter.name: self.chosen[step.parameter.name] for step, _ in loose}
        rows = jacobian_rows(self.function, parameters, inputs, cotangents, self.survey.vectorised)
        for step, store in loose:
            assert not isinstance(store, StreamStore)
            store.put(start, stop, [Rows(rows[step.parameter.name])])

    def _refuse_late_uses(self, outputs: Tensor) -> None:
        """A parameter that the survey's two samples did not reach must not be reached by others."""
        unused = {p.name: self.chosen[p.name] for p in self.survey.parameters if p.unused}
        if not unused:
            return
        ones = torch.ones_like(outputs)
        found = torch.autograd.grad(outputs, list(unused.values()), ones, retain_graph=True, allow_unused=True)
        late = [name for name, gradient in zip(unused, found, strict=True) if gradient is not None]
        if late:
            raise MeasurementError(
                f"{late[0]}: some samples use it and the first two do not (branches that depend on the data); "
                "put a sample that uses every branch first, or exclude it by parameters="
            )

    def _opened(self, step: Step) -> Held:
        room = (self.plan.limit - self.plan.kernel_bytes) // 8
        return (
            StreamStore(step, self.plan.n, room) if step.strategy == "stream" else open_store(step, self.plan.n, room)
        )


def module_of(name: str) -> str:
    """The module that holds a parameter: its name without the last component, "model" at the top."""
    return name.rpartition(".")[0] or "model"


def _refuse_non_finite(outputs: Tensor, start: int) -> None:
    bad = (~torch.isfinite(outputs)).any(1).nonzero().flatten()
    if len(bad):
        raise MeasurementError(
            f"model: outputs of sample {start + int(bad[0])} are NaN or infinite; look for a diverged weight"
        )
