"""Products with the neural tangent kernel, v -> J (J^T v), for n C too large to store the kernel.

J^T v is one backward pass, J w one forward-mode pass. Where an operation has no forward mode (an LSTM), J w is the
derivative of the backward pass, which is linear in its cotangent: J w = d<J^T u, w>/du. Which of the two is right for
a model is decided once, on two samples, by the identity <J w, u> = <w, J^T u>.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp
from torch.nn.attention import SDPBackend, sdpa_kernel

from htmu_diag.arguments import GLOBS, checked, whole
from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.model.arguments import MODULE, OUTPUT
from htmu_diag.model.states import differentiating, eager
from htmu_diag.operators.ntk.survey import select
from htmu_diag.operators.sample_function import Output, SampleFunction, pick_output

__all__ = ["NTKOperator", "ntk_operator"]

Tangents = dict[str, Tensor]


@differentiating()
@checked(model=MODULE, parameters=GLOBS, chunk=whole(1), output=OUTPUT)
def ntk_operator(
    model: nn.Module,
    inputs: Any,
    *,
    parameters: str | Sequence[str] = "*",
    chunk: int = 64,
    output: Output = pick_output,
) -> NTKOperator:
    """The full (n C) x (n C) kernel as an operator with ``shape``, ``dtype``, ``device``, ``matvec`` and ``matmat``.

    chunk: samples in one pass (bounds the memory). The parameters are read at each product; do not change them in
    between. Raises MeasurementError where neither forward mode nor a second derivative gives J w.
    """
    return NTKOperator(SampleFunction(model, inputs, output), parameters, chunk)


class NTKOperator:
    """v -> J J^T v; rows are numbered i C + c for output c of sample i. ``products`` counts them."""

    def __init__(self, function: SampleFunction, parameters: str | Sequence[str], chunk: int) -> None:
        self.function, self.chunk, self.products = function, chunk, 0
        self.parameters = select(function.model, parameters)
        with torch.no_grad():
            first = function(0, 1)
        self.outputs, self.dtype, self.device = first.shape[1], first.dtype, first.device
        self.shape = (function.n * self.outputs, function.n * self.outputs)
        self._forward = self._choose_forward()

    @property
    def size(self) -> int:
        """Number of parameters P."""
        return sum(parameter.numel() for parameter in self.parameters.values())

    @differentiating()
    def matvec(self, vector: Tensor) -> Tensor:
        """J J^T v for ``vector`` (n C,). Raises InputError on another shape."""
        if vector.shape != self.shape[:1]:
            raise InputError(f"ntk_operator: a vector of shape {tuple(vector.shape)}; pass one of {self.shape[:1]}")
        rows = vector.detach().view(-1, self.outputs)
        direction = self._transposed(rows)
        self.products += 1
        return torch.cat([self._forward(start, stop, direction) for start, stop in self._chunks()]).flatten()

    def matmat(self, columns: Tensor) -> Tensor:
        """J J^T V for ``columns`` (n C, k), one after the other: batching gains nothing on a CPU."""
        return torch.stack([self.matvec(column) for column in columns.T], 1)

    def __matmul__(self, other: Tensor) -> Tensor:
        return self.matvec(other) if other.ndim == 1 else self.matmat(other)

    def _chunks(self) -> Iterator[tuple[int, int]]:
        for start in range(0, self.function.n, self.chunk):
            yield start, min(start + self.chunk, self.function.n)

    def _transposed(self, rows: Tensor) -> Tangents:
        """J^T v as one tensor for each parameter."""
        total = {name: torch.zeros_like(parameter) for name, parameter in self.parameters.items()}
        for start, stop in self._chunks():
            for name, gradient in self._backward(start, stop, rows[start:stop]).items():
                total[name] += gradient
        return total

    def _backward(self, start: int, stop: int, rows: Tensor, *, graph: bool = False) -> Tangents:
        outputs = self.function(start, stop)
        if not outputs.requires_grad:
            raise MeasurementError("model: its output does not depend on the chosen parameters; choose others")
        parameters = list(self.parameters.values())
        found = torch.autograd.grad(outputs, parameters, rows, create_graph=graph, allow_unused=True)
        pairs = zip(self.parameters, found, strict=True)
        return {name: gradient.to_dense() for name, gradient in pairs if gradient is not None}

    def _by_forward_mode(self, start: int, stop: int, direction: Tangents) -> Tensor:
        inputs = self.function.take(start, stop)
        arguments, keywords = _as_call(inputs)

        def outputs(values: Tangents) -> Tensor:
            result = functional_call(self.function.model, values, arguments, keywords, tie_weights=True)
            return self.function.flat(result, stop - start)

        values = {name: parameter.detach() for name, parameter in self.parameters.items()}
        with sdpa_kernel(SDPBackend.MATH), eager(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)  # torch's own rules
            tangent: Tensor = jvp(outputs, (values,), (direction,))[1]
        return tangent.detach()

    def _by_double_backward(self, start: int, stop: int, direction: Tangents) -> Tensor:
        rows = torch.zeros(stop - start, self.outputs, dtype=self.dtype, device=self.device, requires_grad=True)
        with sdpa_kernel(SDPBackend.MATH):
            gradients = self._backward(start, stop, rows, graph=True)
            pairing = torch.stack([(gradients[name] * direction[name]).sum() for name in gradients]).sum()
        return torch.autograd.grad(pairing, rows)[0]

    def _choose_forward(self) -> Callable[[int, int, Tangents], Tensor]:
        trouble = "no rule"
        for forward in (self._by_forward_mode, self._by_double_backward):
            try:
                if self._is_adjoint(forward):
                    return forward
            except RuntimeError as error:  # what torch raises where an operation has no such derivative
                trouble = str(error).splitlines()[0]
        raise MeasurementError(
            f"model: neither forward mode nor a second derivative gives J w ({trouble}); use empirical_ntk instead"
        )

    def _is_adjoint(self, forward: Callable[[int, int, Tangents], Tensor]) -> bool:
        """<J w, u> = <w, J^T u> for a random w and u on the first two samples."""
        stop = min(2, self.function.n)
        generator = torch.Generator().manual_seed(0)

        def random(shape: torch.Size) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64, device="cpu").to(
                self.device, self.dtype
            )

        rows = random(torch.Size((stop, self.outputs)))
        direction = {name: random(parameter.shape) for name, parameter in self.parameters.items()}
        gradients = self._backward(0, stop, rows)
        right = sum((float((gradients[name] * direction[name]).sum()) for name in gradients), 0.0)
        image = forward(0, stop, direction)
        scale = max(float(image.norm() * rows.norm()), abs(right))
        tolerance = float(torch.finfo(self.dtype).eps) ** 0.5
        return bool(abs(float((image * rows).sum()) - right) <= tolerance * scale)


def _as_call(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(inputs, dict):
        return (), inputs
    return (inputs if isinstance(inputs, tuple) else (inputs,)), {}
