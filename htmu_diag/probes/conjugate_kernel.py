"""Activations on the fixed probe batch: conjugate kernels, and the covariance of the inputs and of every layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from htmu_diag.arguments import GLOBS, check_fields, whole
from htmu_diag.model.arguments import BYTES
from htmu_diag.operators import Features, conjugate_kernel
from htmu_diag.probes.base import Need, StepContext
from htmu_diag.probes.by_samples import seconds_by_samples
from htmu_diag.probes.probe_batch import chosen_count, evaluating, probe_inputs
from htmu_diag.solvers.kernels import covariance_spectrum, feature_spectrum, input_spectrum, spectra_together
from htmu_diag.spectrum import Kind, Spectrum

__all__ = ["ConjugateKernelProbe"]


@dataclass(frozen=True)
class ConjugateKernelProbe:
    """Spectra of each layer's feature matrix, and of the channels' covariance where there are at least two channels.

    samples: rows of the batch, chosen once by the seed. layers: globs on module names (modules without children).
    """

    samples: int = 200
    layers: tuple[str, ...] = ("*",)
    memory: int = 2_000_000_000
    name: str = "conjugate_kernel"
    needs: frozenset[Need] = frozenset({"model", "batch"})
    kinds: ClassVar = (Kind.CONJUGATE_KERNEL, Kind.ACTIVATIONS, Kind.INPUTS)
    priced: ClassVar = True

    def __post_init__(self) -> None:
        check_fields(self, samples=whole(1), layers=GLOBS, memory=BYTES)

    @property
    def rows(self) -> int:
        """What it looks at of the batch."""
        return self.samples

    def measure(self, context: StepContext) -> Iterator[Spectrum]:
        """Features in eval mode, layer by layer; the inputs come last, by their covariance alone."""
        yield from self._spectra(context, self.samples)

    def price(self, context: StepContext) -> float:
        """Seconds of one run, from a few samples."""
        return seconds_by_samples(lambda few: list(self._spectra(context, few)), chosen_count(context, self.samples))

    def _spectra(self, context: StepContext, samples: int) -> Iterator[Spectrum]:
        with evaluating(context) as model:
            inputs = probe_inputs(context, samples)
            found = conjugate_kernel(model, inputs, layers=self.layers, memory=self.memory)
        known = spectra_together([one for name, one in found.items() if not _is_input(name)], context.step)
        for name, features in found.items():
            if _is_input(name):
                if features.matrix.shape[1] > 1 and len(features.matrix) > 1:
                    yield input_spectrum(features, context.step)
                continue
            yield _once(feature_spectrum, features.matrix, features, context.step, known)
            if len(features.covariance) > 1:
                yield _once(covariance_spectrum, features.covariance, features, context.step, known)


def _is_input(name: str) -> bool:
    return name == "inputs" or name.startswith("inputs[")


def _once(
    spectrum: Callable[[Features, int], Spectrum],
    tensor: Tensor,
    features: Features,
    step: int,
    known: dict[int, Spectrum],
) -> Spectrum:
    """Of the tensor of these features, if it is not known; with their name, as layers may share a tensor."""
    if id(tensor) not in known:
        known[id(tensor)] = spectrum(features, step)
    found = known[id(tensor)]
    return replace(found, source=replace(found.source, name=features.name))
