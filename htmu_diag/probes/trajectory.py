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
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from htmu_diag.arguments import FLAG, checked, whole
from htmu_diag.model.tensors import is_trained
from htmu_diag.model.wrappers import is_sharded
from htmu_diag.probes.base import Need, Pending, StepContext
from htmu_diag.probes.copies import Copy, own
from htmu_diag.probes.declaration import Runs
from htmu_diag.probes.micro_steps import MicroMoments, MicroNoise
from htmu_diag.probes.noise import GradientNoise, Moments, own_reals
from htmu_diag.probes.step_path import WHOLE, StepPath, trainable_names
from htmu_diag.series import Series
from htmu_diag.spectrum import Kind, Source, Spectrum

__all__ = ["TrajectoryProbe"]

UNIT = "length of an optimizer step, |theta_{t+1} - theta_t|"
GRADIENT_UNIT = "norm of the gradient of an optimizer step"


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
        self._path: StepPath | None = None
        self._micro: MicroNoise | None = None

    def observe(self, context: StepContext) -> None:
        """Add the step just taken; the first call, and one after parameters were replaced or moved, only begins."""
        parameters: list[torch.Tensor] = [p for p in context.model.parameters() if is_trained(p)]
        if not parameters:
            return
        if self._path is None or not self._path.is_of(parameters):
            names = trainable_names(context.model)
            if self._path is not None and self._path.steps:
                changed = f"step {context.step}: {self._path.difference(names, parameters)}"
                context.say(f"trajectory: parameters changed at {changed}; the path begins anew")
            noise = GradientNoise([own_reals(parameter) for parameter in parameters], self._coordinates, context.seed)
            self._path = StepPath(names, parameters, self._window, noise)
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
        seen = _Seen(own(squares), within if within and within.steps else noise)
        parts = list(self._path.parts(context.include))
        for order, (name, size, columns) in enumerate(parts):
            source = Source(Kind.TRAJECTORY, name, (squares.shape[0], size), context.step, UNIT)
            yield Pending(name, order, _Lengths(seen, columns, source))
        if self._path.with_gradients:
            shape = squares.shape[0], parts[0][1]
            source = Source(Kind.GRADIENT_NORM, WHOLE, shape, context.step, GRADIENT_UNIT)
            yield Pending(WHOLE, len(parts), _Lengths(seen, [squares.shape[1] - 1], source))


@dataclass(frozen=True)
class _Seen:
    """What all spectra of a snapshot are taken from; brought to the host once, by the first of them.

    squares: (steps, parameters and the gradient), oldest first; made after the moments of the noise.
    """

    squares: Copy
    noise: Moments | MicroMoments

    @cached_property
    def on_host(self) -> tuple[torch.Tensor, Moments | MicroMoments]:
        with self.squares.usable() as squares:
            return squares.cpu(), replace(self.noise, sums=self.noise.sums.cpu())


@dataclass(frozen=True)
class _Lengths:
    seen: _Seen
    columns: list[int]
    source: Source

    def __call__(self) -> Spectrum:
        squares, noise = self.seen.on_host
        lengths = squares[:, self.columns].sum(dim=1).sqrt().numpy()
        scalars: dict[str, float] = {}
        if self.source.kind == Kind.TRAJECTORY:
            scalars["step_length"] = float(lengths[-1])
            if math.isfinite(scale := noise.scale(self.columns)):
                scalars["noise_scale"] = scale
        return Series(lengths, self.source, scalars).spectrum("norms in time order")
