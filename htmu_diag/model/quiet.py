"""Measure without leaving a trace: what a probe may change is put aside first and put back afterwards.

Put back, also when the probe raises: the state of every random generator (torch on the CPU and on each device in use,
numpy, Python), ``.grad`` of every parameter (the same tensor object), buffers (object and contents: BatchNorm's running
statistics), ``training`` of every submodule, ``requires_grad``, the modules' other attributes (`plain_state`: their own
generators, counters, caches), cuDNN and matmul settings, the default dtype.
Inside, gradients are enabled, inference mode and autocast are off, single precision is full (no TF32), and compiled
modules run as plain ones, so that a probe neither compiles nor recompiles anything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from htmu_diag.model.full_precision import full_precision
from htmu_diag.model.loss_modules import held_generators
from htmu_diag.model.plain_state import generator_states, plain_state
from htmu_diag.model.states import Restore, differentiating, eager, generators, modes, without_autocast
from htmu_diag.model.walk import modules_of, parameters_of

__all__ = ["quiet"]


@contextlib.contextmanager
def quiet(*models: torch.nn.Module, loss_fn: Any = None) -> Iterator[None]:
    """Everything in these models and in torch's global state is, after the block, as it was before it.

    loss_fn: run beside them; the generators that it holds are put back too.
    """
    modules = modules_of(*models)
    with contextlib.ExitStack() as left:  # each is put back, whatever goes wrong with another
        left.callback(generators())
        left.callback(_gradients(modules))
        left.callback(_buffers(modules))
        left.callback(modes(modules))
        left.callback(_settings())
        left.callback(plain_state(modules))
        left.callback(generator_states(held_generators(modules, loss_fn)))
        left.callback(full_precision())
        with differentiating(), eager(), without_autocast():
            yield


def _gradients(modules: list[torch.nn.Module]) -> Restore:
    held = [(parameter, parameter.grad, parameter.requires_grad) for parameter in parameters_of(modules)]
    for parameter, _, _ in held:
        parameter.grad = None

    def restore() -> None:
        for parameter, grad, requires_grad in held:
            parameter.grad = grad
            if parameter.requires_grad != requires_grad:
                parameter.requires_grad_(requires_grad)

    return restore


def _buffers(modules: Sequence[torch.nn.Module]) -> Restore:
    """Contents are put back always: BatchNorm writes without a trace in the version counter. Through ``.data``,
    since a graph of the user's own may hold the buffer.
    """
    held = [(module, name, buffer) for module in modules for name, buffer in module._buffers.items()]
    copies = [(b, b.detach().clone()) for _, _, b in held if b is not None and not torch.nn.parameter.is_lazy(b)]

    def restore() -> None:
        for module, name, buffer in held:
            module._buffers[name] = buffer
        for buffer, copy in copies:
            with torch.inference_mode(buffer.is_inference()):
                if buffer.shape == copy.shape:
                    buffer.data.copy_(copy)
                else:  # resized in place, as observers of quantisation-aware training do at their first batch
                    buffer.data = copy

    return restore


def _settings() -> Restore:
    cudnn = torch.backends.cudnn
    flags = (cudnn.enabled, cudnn.benchmark, cudnn.deterministic)
    dtype = torch.get_default_dtype()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()

    def restore() -> None:
        if (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) != flags:
            cudnn.enabled, cudnn.benchmark, cudnn.deterministic = flags
        torch.set_default_dtype(dtype)
        if torch.are_deterministic_algorithms_enabled() != deterministic:
            torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)

    return restore
