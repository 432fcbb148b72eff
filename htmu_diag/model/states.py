"""Small states of torch and of the process that measuring enters; each is, afterwards, as it was before."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch

__all__ = [
    "default_dtype",
    "differentiating",
    "eager",
    "evaluating",
    "generators",
    "modes",
    "seeded",
    "without_autocast",
]

Restore = Callable[[], None]

_AUTOCAST = ("cpu", "cuda", "mps", "xpu")


@contextlib.contextmanager
def differentiating() -> Iterator[None]:
    """Record gradients, also where the caller has turned them off (``no_grad``, ``inference_mode``)."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextlib.contextmanager
def eager() -> Iterator[None]:
    """Run compiled modules as written: hooks see every layer and nothing is compiled again."""
    if "torch._dynamo" not in sys.modules:  # then nothing is compiled, and its import takes a second
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


@contextlib.contextmanager
def without_autocast(*devices: str) -> Iterator[None]:
    """Autocast off wherever it is on: on the usual devices and on these."""
    with contextlib.ExitStack() as inside:
        for device in {*_AUTOCAST, *devices}:
            if torch.is_autocast_enabled(device):
                inside.enter_context(torch.autocast(device, enabled=False))
        yield


@contextlib.contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Tensors that are made inside without a dtype have this one."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def evaluating(*models: torch.nn.Module) -> Iterator[None]:
    """Every module of them in eval mode; a frozen part of a model that trains stays frozen afterwards."""
    modules = [module for model in models for module in model.modules()]
    restore = modes(modules)
    try:
        for module in modules:
            if getattr(module, "training", False):  # exported and frozen modules have no eval()
                module.training = False
        yield
    finally:
        restore()


def modes(modules: Iterable[torch.nn.Module]) -> Restore:
    """What puts back the ``training`` of each of these modules as it is now."""
    held = [(module, module.training) for module in modules if hasattr(module, "training")]  # a frozen script has none

    def restore() -> None:
        for module, training in held:
            if module.training != training:
                module.training = training

    return restore


def generators() -> Restore:
    """What puts back every random generator as it is now: torch's on each device in use, numpy's and Python's."""
    torch_states = [(generator, generator.get_state()) for generator in _torch_generators()]
    of_numpy, of_python = np.random.get_state(), random.getstate()  # noqa: NPY002

    def restore() -> None:
        for generator, state in torch_states:
            generator.set_state(state)
        np.random.set_state(of_numpy)  # noqa: NPY002
        random.setstate(of_python)

    return restore


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """One state of every generator inside (torch on each device in use, numpy, Python), the old states afterwards."""
    restore = generators()
    try:
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        for generator in _torch_generators():
            generator.manual_seed(seed)
        yield
    finally:
        restore()


def _torch_generators() -> list[torch.Generator]:
    """The default generator of the CPU and of each device in use; one that was never touched is not started."""
    found = [torch.default_generator]
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        found += list(torch.cuda.default_generators)
    if torch.backends.mps.is_available():
        found.append(torch.mps._get_default_mps_generator())
    if torch.xpu.is_initialized():  # type: ignore[no-untyped-call]
        found += list(torch.xpu.default_generators)
    return found
