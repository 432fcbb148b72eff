"""A model as a function of one sample: which tensors go in, which numbers come out, and whether samples mix.

A per-sample Jacobian exists only where output i depends on input i alone. Batch normalisation in training mode breaks
that (every output depends on the whole batch), and live dropout makes the function random: both are refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.model.states import eager
from htmu_diag.model.wrappers import unwrap

__all__ = [
    "Output",
    "SampleFunction",
    "checked_outputs",
    "leaves",
    "pick_output",
    "recurrent",
    "refuse_batch_statistics",
    "without_cudnn",
]

Output = Callable[[Any], Tensor]


def pick_output(output: Any) -> Tensor:
    """The tensor to differentiate: the output itself, its ``logits``, its last hidden state, or the first of a tuple.

    Raises MeasurementError where none of these is a tensor; pass ``output=`` to choose.
    """
    if isinstance(output, tuple | list) and output:
        return pick_output(output[0])
    for name in ("logits", "last_hidden_state"):
        found = output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)
        if isinstance(found, Tensor):
            return found
    if isinstance(output, Tensor):
        return output
    raise MeasurementError(
        f"model: its output is a {type(output).__name__} without logits; pass output=lambda result: result['name']"
    )


def checked_outputs(outputs: Any) -> Tensor:
    """What ``output=`` gave, where it can be outputs of samples. Raises InputError."""
    if isinstance(outputs, Tensor) and outputs.ndim:
        return outputs
    what = "a single number" if isinstance(outputs, Tensor) else f"a {type(outputs).__name__}"
    raise InputError(
        f"output= gives {what}, where the outputs of the model are needed, one row a sample; let it pick them "
        "(lambda result: result.logits), and loss_fn=lambda logits, targets: ... compute the loss"
    )


@dataclass(frozen=True)
class SampleFunction:
    """``model`` on ``n`` samples, read as n functions with C outputs each.

    inputs: a tensor, a tuple of positional arguments or a dict of keyword arguments; every tensor has n rows.
    output: picks the tensor out of what the model returns; it is flattened to (n, C).
    """

    model: nn.Module
    inputs: Any
    output: Output = pick_output
    n: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", unwrap(self.model))
        object.__setattr__(self, "n", _count(self.inputs))
        _refuse_mixed_samples(self.model)

    def __call__(self, start: int, stop: int) -> Tensor:
        """Outputs of samples start to stop, (stop - start, C)."""
        return self.on(self.take(start, stop))

    def take(self, start: int, stop: int) -> Any:
        """The inputs of samples start to stop, of the same structure."""
        return _map(lambda tensor: tensor[start:stop], self.inputs)

    def on(self, inputs: Any) -> Tensor:
        """Outputs on given inputs, (rows, C)."""
        return self.flat(call(self.model, inputs), _count(inputs))

    def flat(self, result: Any, rows: int) -> Tensor:
        """What the model returned, as (rows, C). Raises MeasurementError where samples have no differentiable row."""
        tensor = self.output(result)
        if tensor.ndim == 0 or tensor.shape[0] != rows:
            raise MeasurementError(
                f"model: output of shape {tuple(tensor.shape)} for {rows} samples; it needs one row for each sample "
                "(a mean over the batch has no per-sample Jacobian); pass output= to pick the right tensor"
            )
        if not tensor.is_floating_point():
            raise MeasurementError(f"model: output is {tensor.dtype}, not differentiable; return logits, not labels")
        return tensor.reshape(rows, -1)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """The input tensors with a name each."""
        yield from leaves(self.inputs, "inputs")


def call(model: nn.Module, inputs: Any) -> Any:
    """``model(**inputs)`` for a mapping, ``model(*inputs)`` for a tuple or list, ``model(inputs)`` for a tensor."""
    with eager(), without_cudnn() if recurrent(model) else nullcontext():
        if isinstance(inputs, Mapping):
            return model(**inputs)
        return model(*inputs) if isinstance(inputs, tuple | list) else model(inputs)


def recurrent(model: nn.Module) -> bool:
    """Whether cuDNN would run a part of it by its recurrent kernels."""
    return any(isinstance(module, nn.RNNBase) for module in model.modules())


@contextmanager
def without_cudnn() -> Iterator[None]:
    """cuDNN's recurrent kernels have no second derivative, and in eval mode no first one: torch's own have all."""
    cudnn = torch.backends.cudnn
    before, cudnn.enabled = cudnn.enabled, False
    try:
        yield
    finally:
        cudnn.enabled = before


def leaves(inputs: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    """Every tensor in a tuple, list or mapping, with the path to it: ``inputs['a']``, ``inputs[0]``."""
    if isinstance(inputs, Tensor):
        yield name, inputs
    elif isinstance(inputs, Mapping):
        for key in inputs:
            yield from leaves(inputs[key], f"{name}[{key!r}]")
    elif isinstance(inputs, tuple | list):
        for index, item in enumerate(inputs):
            yield from leaves(item, f"{name}[{index}]")


def _map(function: Callable[[Tensor], Tensor], inputs: Any) -> Any:
    if isinstance(inputs, Tensor):
        return function(inputs)
    if isinstance(inputs, Mapping):
        return {key: _map(function, inputs[key]) for key in inputs}
    if isinstance(inputs, tuple | list):
        return tuple(_map(function, item) for item in inputs)
    return inputs


def _count(inputs: Any) -> int:
    sizes = {name: (tensor.shape[0] if tensor.ndim else 0) for name, tensor in leaves(inputs, "inputs")}
    if not sizes or set(sizes.values()) == {0}:
        raise InputError("inputs: zero samples; pass at least one row in every input tensor")
    if len(set(sizes.values())) > 1:
        raise InputError(f"inputs: tensors disagree about the number of samples: {sizes}; give each the same rows")
    for name, tensor in leaves(inputs, "inputs"):
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            bad = int((~torch.isfinite(tensor.reshape(tensor.shape[0], -1))).any(1).sum())
            raise InputError(f"{name}: {bad} of {tensor.shape[0]} samples hold NaN or infinite values; drop them")
    return next(iter(sizes.values()))


def refuse_batch_statistics(model: nn.Module) -> None:
    """Raise MeasurementError where an output depends on the other samples of its batch."""
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and (module.training or module.running_mean is None):
            raise MeasurementError(
                f"{name or 'model'}: batch normalisation with batch statistics makes each output depend on the other "
                "samples, so per-sample Jacobians do not exist; call model.eval() (and keep running statistics)"
            )


def _refuse_mixed_samples(model: nn.Module) -> None:
    refuse_batch_statistics(model)
    for name, module in model.named_modules():
        if isinstance(module, _DropoutNd) and module.training and module.p > 0:
            raise MeasurementError(f"{name or 'model'}: live dropout makes the outputs random; call model.eval()")
        if getattr(module, "scale_grad_by_freq", False):
            raise MeasurementError(
                f"{name or 'model'}: scale_grad_by_freq divides gradients by counts over the whole batch, so they are "
                "no per-sample derivatives; set it to False while measuring"
            )
