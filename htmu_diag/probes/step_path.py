"""Squared lengths of the last steps of an optimizer, and of the gradients that they followed, kept on their device."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from htmu_diag.model.names import clean_parameters, selected
from htmu_diag.model.shards import company, ranks_of
from htmu_diag.model.tensors import is_trained
from htmu_diag.model.wrappers import is_sharded
from htmu_diag.probes.noise import GradientNoise, Moments, own_reals

__all__ = ["WHOLE", "StepPath", "trainable_names"]

WHOLE = "model"


class StepPath:
    """Squared lengths of the last steps and of their gradients, each (window, parameters), as rings."""

    def __init__(self, names: list[str], parameters: list[torch.Tensor], window: int, noise: GradientNoise) -> None:
        self.names, self.parameters, self.noise = names, parameters, noise
        self._previous = [own_reals(parameter).detach().clone() for parameter in parameters]
        device = self._previous[0].device
        doubles = any(tensor.dtype == torch.float64 for tensor in self._previous)
        self._precision = torch.float64 if doubles else torch.float32
        precision = torch.float32 if device.type == "mps" else torch.float64
        self._squares = torch.zeros(window, len(parameters), dtype=precision, device=device)
        self._gradients = torch.zeros_like(self._squares)
        self.with_gradients = False  # a step was seen that had one: some loops set them to None first
        self.steps = 0

    def is_of(self, parameters: list[torch.Tensor]) -> bool:
        """Whether these are the parameters of the path, of the type and on the device on which it began."""
        return (
            len(parameters) == len(self.parameters)
            and all(map(operator.is_, parameters, self.parameters))
            and all(map(_alike, map(own_reals, parameters), self._previous))
        )

    def difference(self, names: list[str], parameters: list[torch.Tensor]) -> str:
        """In words, how other parameters differ from those of the path."""
        before = {name: id(parameter) for name, parameter in zip(self.names, self.parameters, strict=True)}
        now = {name: id(parameter) for name, parameter in zip(names, parameters, strict=True)}
        parts = {
            "added": [name for name in now if name not in before],
            "gone": [name for name in before if name not in now],
            "replaced": [name for name in now if before.get(name, now[name]) != now[name]],
        }
        told = [f"{_listed(found)} {word}" for word, found in parts.items() if found]
        return ", ".join(told) or "another type or device"

    def advance(self) -> None:
        now = [own_reals(parameter).detach() for parameter in self.parameters]
        torch._foreach_sub_(self._previous, now)
        norms = torch._foreach_norm(self._previous, 2, dtype=self._precision)
        torch._foreach_copy_(self._previous, now)
        self._squares[self.steps % len(self._squares)] = self._together(norms).to(self._squares).square()
        gradients = [None if p.grad is None else own_reals(p.grad) for p in self.parameters]
        self._gradients[self.steps % len(self._squares)] = self._squared_norms(gradients)
        self.noise.observe(gradients)
        self.steps += 1

    def _squared_norms(self, gradients: list[torch.Tensor | None]) -> torch.Tensor:
        """(parameters,); 0 for a parameter without a gradient."""
        found = [_entries(gradient) for gradient in gradients if gradient is not None]
        if not found:
            return torch.zeros_like(self._squares[0])
        self.with_gradients = True
        norms = iter(torch._foreach_norm(found, 2, dtype=self._precision))
        none = torch.zeros((), dtype=self._precision, device=found[0].device)
        every = [none if gradient is None else next(norms) for gradient in gradients]
        return self._together(every).to(self._squares).square()

    def _together(self, norms: Sequence[torch.Tensor]) -> torch.Tensor:
        """One tensor of all lengths; copied one by one only where the model lies on several devices."""
        apart = len({norm.device for norm in norms}) > 1
        return torch.stack([norm.to(self._squares.device) for norm in norms] if apart else list(norms))

    def seen(self) -> tuple[torch.Tensor, Moments]:
        """Squared lengths of each parameter and of the gradient, oldest first, and the gradients' moments.

        Collective where parameters are sharded.
        """
        squares, gradients = self._ordered(self._squares), self._ordered(self._gradients)
        noise = self.noise.take()
        ranks = ranks_of(self.parameters)
        if ranks:
            holders = torch.tensor([_holders(p, len(ranks)) for p in self.parameters], device="cpu").to(squares)
            squares, gradients = squares / holders, gradients / holders
        squares = torch.cat([squares, gradients.sum(1, keepdim=True)], dim=1)
        if ranks:
            together = company(ranks)
            squares, noise = together.add(squares), replace(noise, sums=together.add(noise.sums))
        return squares, noise

    def _ordered(self, ring: torch.Tensor) -> torch.Tensor:
        """(steps, parameters), the oldest first."""
        n, window = self.steps, len(ring)
        return ring[:n].clone() if n <= window else ring.roll(-(n % window), 0)

    def parts(self, include: tuple[str, ...]) -> Iterator[tuple[str, int, list[int]]]:
        """(name, number of parameters, columns): the whole model, then every matrix that is wanted."""
        sizes = [parameter.numel() for parameter in self.parameters]
        yield WHOLE, sum(sizes), list(range(len(sizes)))
        for column, (name, parameter) in enumerate(zip(self.names, self.parameters, strict=True)):
            if parameter.ndim >= 2 and (not include or selected(name, include)):
                yield name, sizes[column], [column]


def _alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    return (one.dtype, one.device, one.shape) == (other.dtype, other.device, other.shape)


def _entries(gradient: torch.Tensor) -> torch.Tensor:
    dense = gradient.detach()
    return dense if dense.layout == torch.strided else dense.coalesce().values()


def trainable_names(model: torch.nn.Module) -> list[str]:
    """Clean names of the parameters that are followed: a walk over all modules, which only a new path needs."""
    clean = clean_parameters(model)
    return [clean[name] for name, parameter in model.named_parameters() if is_trained(parameter)]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _holders(parameter: Any, ranks: int) -> int:
    """How many of the ranks hold the same numbers."""
    if not is_sharded(parameter):
        return ranks
    mesh, placements = parameter.device_mesh, parameter.placements
    return math.prod(mesh.size(dim) for dim, where in enumerate(placements) if where.is_replicate())
