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
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch

from htmu_diag.model.full_precision import full_precision
from htmu_diag.model.plain_state import plain_state

__all__ = ["quiet"]

Restore = Callable[[], None]
T = TypeVar("T")


@contextlib.contextmanager
def quiet(*models: torch.nn.Module) -> Iterator[None]:
    """Everything in these models and in torch's global state is, after the block, as it was before it."""
    modules = _each_once(module for model in models for module in model.modules())
    restores = (
        _generators(),
        _gradients(modules),
        _buffers(modules),
        _modes(modules),
        _settings(),
        plain_state(modules),
        full_precision(),
    )
    try:
        with contextlib.ExitStack() as inside:
            inside.enter_context(torch.inference_mode(False))
            inside.enter_context(torch.enable_grad())
            if "torch._dynamo" in sys.modules:  # else nothing is compiled, and the import takes a second
                inside.enter_context(torch.compiler.set_stance("force_eager"))
            for device in _autocast_devices():
                inside.enter_context(torch.autocast(device, enabled=False))
            yield
    finally:
        for restore in restores:
            restore()


def _generators() -> Restore:
    cpu, devices = torch.get_rng_state(), _device_generators()
    of_numpy, of_python = np.random.get_state(), random.getstate()  # noqa: NPY002

    def restore() -> None:
        torch.set_rng_state(cpu)
        for generator, state in devices:
            generator.set_state(state)
        np.random.set_state(of_numpy)  # noqa: NPY002
        random.setstate(of_python)

    return restore


def _device_generators() -> list[tuple[torch.Generator, torch.Tensor]]:
    """The default generators of every device in use; a device that was never touched is not started for this."""
    found: list[torch.Generator] = []
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        found += list(torch.cuda.default_generators)
    if torch.backends.mps.is_available():
        found.append(torch.mps._get_default_mps_generator())
    if torch.xpu.is_initialized():  # type: ignore[no-untyped-call]
        found += list(torch.xpu.default_generators)
    return [(generator, generator.get_state()) for generator in found]


def _each_once(things: Iterable[T]) -> list[T]:
    return list({id(thing): thing for thing in things}.values())


def _gradients(modules: Sequence[torch.nn.Module]) -> Restore:
    parameters = _each_once(p for module in modules for p in module.parameters(recurse=False))
    held = [(parameter, parameter.grad, parameter.requires_grad) for parameter in parameters]
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
                buffer.data.copy_(copy)

    return restore


def _modes(modules: Sequence[torch.nn.Module]) -> Restore:
    held = [(module, module.training) for module in modules if hasattr(module, "training")]  # a frozen script has none

    def restore() -> None:
        for module, training in held:
            if module.training != training:
                module.training = training

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


def _autocast_devices() -> list[str]:
    return [device for device in ("cpu", "cuda", "mps", "xpu") if _autocast_is_on(device)]


def _autocast_is_on(device: str) -> bool:
    return bool(torch.is_autocast_enabled(device))
