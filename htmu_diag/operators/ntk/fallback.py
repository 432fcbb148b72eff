"""Per-sample Jacobians of parameters that no rule covers, by torch.func on those parameters alone.

The function of one sample is differentiated by reverse mode and vectorised over samples; where an operation has no
vectorised form, samples and outputs are looped over with plain autograd, which is slow and always right.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from htmu_diag.model.states import eager
from htmu_diag.operators.sample_function import SampleFunction

__all__ = ["is_vectorisable", "jacobian_rows"]


def jacobian_rows(
    function: SampleFunction, parameters: Mapping[str, nn.Parameter], inputs: Any, cotangents: Tensor, vectorised: bool
) -> dict[str, Tensor]:
    """The Jacobian of u^T f(x_i) for each row u of ``cotangents`` (C', C): name -> (b, C', P)."""
    compute = _vectorised if vectorised else _looped
    return compute(function, parameters, inputs, cotangents)


def is_vectorisable(function: SampleFunction, parameters: Mapping[str, nn.Parameter], inputs: Any) -> bool:
    """True where torch.func can differentiate these parameters for all samples at once."""
    first = function.on(inputs)
    cotangents = torch.ones(1, first.shape[1], dtype=first.dtype, device=first.device)
    try:
        fast = _vectorised(function, parameters, inputs, cotangents)
    except RuntimeError:  # what torch.func raises for an operation that it cannot transform
        return False
    slow = _looped(function, parameters, inputs, cotangents)
    tolerance = torch.finfo(first.dtype).eps ** 0.5
    return all(bool((fast[k] - slow[k]).norm() <= tolerance * slow[k].norm()) for k in fast)


def _vectorised(
    function: SampleFunction, parameters: Mapping[str, nn.Parameter], inputs: Any, cotangents: Tensor
) -> dict[str, Tensor]:
    def single(values: dict[str, Tensor], sample: Any) -> Tensor:
        arguments, keywords = _as_call(_add_batch(sample))
        result = functional_call(function.model, values, arguments, keywords, tie_weights=True)
        return cotangents @ function.flat(result, 1)[0]

    values = {name: parameter.detach() for name, parameter in parameters.items()}
    with warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH), eager():
        warnings.filterwarnings("ignore", message=".*batching rule.*")
        found = vmap(jacrev(single), in_dims=(None, 0))(values, inputs)
    return {name: rows.detach().reshape(*rows.shape[:2], values[name].numel()) for name, rows in found.items()}


def _looped(
    function: SampleFunction, parameters: Mapping[str, nn.Parameter], inputs: Any, cotangents: Tensor
) -> dict[str, Tensor]:
    outputs = function.on(inputs)
    names, tensors = list(parameters), list(parameters.values())
    rows = {name: outputs.new_zeros(len(outputs), len(cotangents), parameters[name].numel()) for name in names}
    for sample in range(len(outputs)):
        for index, row in enumerate(cotangents):
            found = torch.autograd.grad(outputs[sample] @ row, tensors, retain_graph=True, allow_unused=True)
            for name, gradient in zip(names, found, strict=True):
                if gradient is not None:
                    rows[name][sample, index] = gradient.to_dense().flatten()
    return rows


def _add_batch(sample: Any) -> Any:
    if isinstance(sample, Tensor):
        return sample[None]
    if isinstance(sample, Mapping):
        return {key: _add_batch(value) for key, value in sample.items()}
    return tuple(_add_batch(item) for item in sample) if isinstance(sample, tuple | list) else sample


def _as_call(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(inputs, Mapping):
        return (), dict(inputs)
    return (tuple(inputs), {}) if isinstance(inputs, tuple | list) else ((inputs,), {})
