"""Layer inputs and output gradients, caught by hooks during one forward pass.

A gradient edge is kept for each layer's output rather than the tensor: it still means the layer's own output after an
in-place activation has overwritten it, and asking autograd for edges computes no weight gradients at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

__all__ = ["Call", "captured", "gradients"]


@dataclass(frozen=True)
class Call:
    """One use of a layer: its name, its input and the place of its output in the graph."""

    name: str
    module: nn.Module
    inputs: Tensor
    edge: GradientEdge
    shape: torch.Size


@contextmanager
def captured(modules: Mapping[str, nn.Module]) -> Iterator[list[Call]]:
    """The calls of the given modules, in order, appended while the context is open."""
    calls: list[Call] = []
    handles = []
    for name, module in modules.items():

        def hook(module: nn.Module, args: Any, kwargs: Any, output: Any, name: str = name) -> None:
            given = args[0] if args else kwargs.get("input")
            if isinstance(given, Tensor) and isinstance(output, Tensor) and output.requires_grad:
                calls.append(Call(name, module, given.detach(), get_gradient_edge(output), output.shape))

        handles.append(module.register_forward_hook(hook, with_kwargs=True))
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def gradients(outputs: Tensor, cotangents: Tensor, calls: Sequence[Call], *, batched: bool = False) -> list[Tensor]:
    """Gradients of u^T f(x_i) with respect to each call's output, for each row u of ``cotangents`` (C', C).

    outputs: (b, C). Returns one (rows, C', ...) tensor for each call; ``batched`` runs one vectorised backward pass.
    """
    edges = [call.edge for call in calls]
    if batched:
        wanted = cotangents[:, None, :].expand(-1, outputs.shape[0], -1)
        found = torch.autograd.grad(outputs, edges, wanted, retain_graph=True, is_grads_batched=True, allow_unused=True)
        return [_filled(gradient, call, outputs, len(cotangents)) for gradient, call in zip(found, calls, strict=True)]
    result = [outputs.new_empty(call.shape[0], len(cotangents), *call.shape[1:]) for call in calls]
    for index, row in enumerate(cotangents):
        found = torch.autograd.grad(outputs, edges, row.expand_as(outputs), retain_graph=True, allow_unused=True)
        for target, gradient in zip(result, found, strict=True):
            target[:, index] = 0 if gradient is None else gradient
    return result


def _filled(gradient: Tensor | None, call: Call, outputs: Tensor, rows: int) -> Tensor:
    if gradient is None:
        return outputs.new_zeros(call.shape[0], rows, *call.shape[1:])
    return gradient.transpose(0, 1)
