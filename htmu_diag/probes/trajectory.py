"""The optimizer's path in time order: the length of every step, the norms and the noise of the gradients along it.

Heavy-tailed step lengths |theta_{t+1} - theta_t| are a consequence of heavy-tailed spectra (upper tail: rare long
jumps; lower tail: rare short ones), so their exponents are measured like those of a spectrum: the lengths of the last
``window`` steps are the values, of every matrix and of the whole model, in the order in which they were made: what a
schedule does to them is no tail (``fits.series``). With momentum neighbouring steps are nearly the same step, so the
norms of the whole gradient are kept as well.

One copy of the parameters is kept (the previous step); lengths stay on the device until they are measured.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

from htmu_diag.arguments import FLAG, checked, whole
from htmu_diag.model.names import clean_parameters, selected
from htmu_diag.model.wrappers import is_sharded
from htmu_diag.probes.base import Need, Pending, StepContext
from htmu_diag.probes.copies import Copy, own
from htmu_diag.probes.declaration import Runs
from htmu_diag.probes.micro_steps import MicroMoments, MicroNoise
from htmu_diag.probes.noise import GradientNoise, Moments, own_reals
from htmu_diag.series import Series
from htmu_diag.spectrum import Kind, Source, Spectrum

__all__ = ["TrajectoryProbe"]

UNIT = "length of an optimizer step, |theta_{t+1} - theta_t|"
GRADIENT_UNIT = "norm of the gradient of an optimizer step"
WHOLE = "model"


class TrajectoryProbe:
    """Step lengths of the last ``window`` steps, and the gradient-noise scale since the last measurement.

    window: 1000 by default, which leaves about a hundred steps in a tail of one tenth.
    coordinates: of the gradient that are looked at for its noise, see `GradientNoise`.
    micro_steps: take the noise from the backward passes of accumulation, free of the drift between steps, wherever a
    step takes several (`MicroNoise`); with hooks on the parameters, which only read and go at the end of the run.
    """

    name = "trajectory"
    needs: frozenset[Need] = frozenset({"model"})
    kinds = (Kind.TRAJECTORY,)
    runs: Runs = "shared"
    observes = True
    closes = True

    @checked(window=whole(2), coordinates=whole(1), micro_steps=FLAG)
    def __init__(self, window: int = 1000, coordinates: int = 2**16, micro_steps: bool = False) -> None:
        self._window, self._coordinates, self._micro_steps = window, coordinates, micro_steps
        self._path: _Path | None = None
        self._micro: MicroNoise | None = None

    def observe(self, context: StepContext) -> None:
        """Add the step just taken; the first call, and one after parameters were replaced or moved, only begins."""
        parameters: list[torch.Tensor] = [p for p in context.model.parameters() if p.requires_grad]
        if not parameters:
            return
        if self._path is None or not self._path.is_of(parameters):
            names = _names(context.model)
            if self._path is not None and self._path.steps:
                changed = f"step {context.step}: {self._path.difference(names, parameters)}"
                context.say(f"trajectory: parameters changed at {changed}; the path begins anew")
            noise = GradientNoise([own_reals(parameter) for parameter in parameters], self._coordinates, context.seed)
            self._path = _Path(names, parameters, self._window, noise)
            self._look_at_passes(context, parameters)
        else:
            self._path.advance()
            if self._micro:
                self._micro.step()

    def _look_at_passes(self, context: StepContext, parameters: list[torch.Tensor]) -> None:
        self.close()
        if self._micro_steps and is_sharded(parameters):
            context.say("trajectory: micro_steps needs whole parameters; the noise is taken from step to step instead")
        elif self._micro_steps:
            self._micro = MicroNoise(parameters, self._coordinates, context.seed)

    def close(self) -> None:
        """Remove what `micro_steps` put on the parameters; harmless when called twice."""
        if self._micro:
            self._micro.close()
            self._micro = None

    def measure(self, context: StepContext) -> Iterator[Spectrum]:
        """The lengths seen so far; nothing before the first step."""
        for pending in self.capture(context):
            yield pending.compute()

    def capture(self, context: StepContext) -> Iterator[Pending]:
        """One spectrum for the whole model and one for each matrix; given out by rank 0 only."""
        if self._path is None or not self._path.steps:
            return
        squares, noise = self._path.seen()
        within = self._micro.take() if self._micro else None
        if context.share.rank != 0:
            return
        best = within if within and within.steps else noise
        copy = own(squares)
        parts = list(self._path.parts(context.include))
        for order, (name, size, columns) in enumerate(parts):
            source = Source(Kind.TRAJECTORY, name, (squares.shape[0], size), context.step, UNIT)
            yield Pending(name, order, _Lengths(copy, columns, source, best.of(columns)))
        if self._path.with_gradients:
            shape = squares.shape[0], parts[0][1]
            source = Source(Kind.GRADIENT_NORM, WHOLE, shape, context.step, GRADIENT_UNIT)
            yield Pending(WHOLE, len(parts), _Lengths(copy, [squares.shape[1] - 1], source, None))


@dataclass(frozen=True)
class _Lengths:
    squares: Copy  # (steps, parameters and the gradient), oldest first; made after the moments of the noise
    columns: list[int]
    source: Source
    noise: Moments | MicroMoments | None

    def __call__(self) -> Spectrum:
        with self.squares.usable() as squares:
            lengths = squares[:, self.columns].sum(dim=1).sqrt().cpu().numpy()
            scale = self.noise.scale() if self.noise else math.nan
        scalars = {"step_length": float(lengths[-1])} if self.source.kind == Kind.TRAJECTORY else {}
        if math.isfinite(scale):
            scalars["noise_scale"] = scale
        return Series(lengths, self.source, scalars).spectrum("norms in time order")


class _Path:
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
        if is_sharded(self.parameters):
            holders = torch.tensor([_holders(p) for p in self.parameters], device="cpu").to(squares)
            squares, gradients = squares / holders, gradients / holders
        squares = torch.cat([squares, gradients.sum(1, keepdim=True)], dim=1)
        if is_sharded(self.parameters):
            dist.all_reduce(squares)
            dist.all_reduce(noise.sums)
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


def _names(model: torch.nn.Module) -> list[str]:
    """Clean names of the trainable parameters: a walk over all modules, which only a new path needs."""
    clean = clean_parameters(model)
    return [clean[name] for name, parameter in model.named_parameters() if parameter.requires_grad]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _holders(parameter: Any) -> int:
    """How many ranks hold the same numbers."""
    if not is_sharded(parameter):
        return dist.get_world_size()
    mesh, placements = parameter.device_mesh, parameter.placements
    return math.prod(mesh.size(dim) for dim, where in enumerate(placements) if where.is_replicate())
