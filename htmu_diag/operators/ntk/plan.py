"""What `empirical_ntk` will do, printable before and after: steps, in passes through the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from htmu_diag.operators.ntk.survey import Parameter

__all__ = ["Pass", "Plan", "Step"]

Strategy = Literal["rows", "pairs", "stream", "absorbed"]
PRODUCT = 6  # forward passes in the time of one product: 4.6 measured on a CNN, 8 on an MLP


@dataclass(frozen=True)
class Step:
    """Numbers start to stop of one parameter, by one strategy. madds: multiply-adds; stored: bytes held meanwhile.

    bias: whether pairs include the layer's bias, an input that is always 1; that parameter's own step is "absorbed".
    """

    parameter: Parameter
    strategy: Strategy
    start: int
    stop: int
    madds: float
    stored: int
    bias: bool = False


@dataclass(frozen=True)
class Pass:
    """One trip of all samples through the model, ``chunk`` at a time, for outputs first to last and these steps."""

    steps: tuple[Step, ...]
    first: int
    last: int
    chunk: int = 1


@dataclass(frozen=True)
class Plan:
    """Everything that ``empirical_ntk`` will do, printable before and after.

    limit: bytes that the computation may add to the process, the kernel included.
    """

    n: int
    outputs: int
    size: int
    trace: bool
    limit: int
    kernel_bytes: int
    passes: tuple[Pass, ...]

    @property
    def madds(self) -> float:
        """Multiply-adds of the contractions and of the passes through the model (counted from its layers)."""
        unique = {(step.parameter.name, step.start): step.madds for each in self.passes for step in each.steps}
        return sum(unique.values()) + self.model_madds

    @property
    def product_madds(self) -> float:
        """Multiply-adds of one product J (J^T v): a forward and a backward pass, and a forward-mode pass."""
        return PRODUCT * self.n * sum(_forward(step.parameter) for step in self._first_steps())

    @property
    def model_madds(self) -> float:
        """Multiply-adds of the forward and backward passes, counted from the layers that have rules."""
        forward = sum(_forward(step.parameter) for step in self._first_steps())
        return self.n * forward * sum(1 + each.last - each.first for each in self.passes)

    def _first_steps(self) -> Iterator[Step]:
        seen: set[str] = set()
        for each in self.passes:
            for step in each.steps:
                if step.parameter.name not in seen:
                    seen.add(step.parameter.name)
                    yield step

    def __str__(self) -> str:
        chunks = " or ".join(str(chunk) for chunk in sorted({each.chunk for each in self.passes}))
        head = (
            f"{'trace' if self.trace else 'full'} kernel of {self.n} samples x {self.outputs} outputs, "
            f"{self.size} parameters: {self.madds:.3g} multiply-adds ({self.model_madds:.3g} in the model), "
            f"{len(self.passes)} pass(es) in chunks of {chunks} samples, limit {self.limit / 1e6:.0f} MB"
        )
        lines = [
            f"  {step.parameter.name:40s} {step.strategy if step.parameter.covered else 'torch.func':10s} "
            f"{step.madds:9.3g} multiply-adds {step.stored / 1e6:9.2f} MB"
            for step in self._first_steps()
        ]
        return "\n".join([head, *lines])


def _forward(parameter: Parameter) -> float:
    positions = parameter.form.positions if parameter.form and not parameter.form.one_hot else 1
    return float(parameter.size * positions)
