"""The input-output Jacobian on the fixed probe batch: how far the network is from an isometry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from htmu_diag.arguments import check_fields, instance, optional, whole
from htmu_diag.operators import input_output_jacobian
from htmu_diag.probes.base import Need, StepContext
from htmu_diag.probes.by_samples import seconds_by_samples
from htmu_diag.probes.probe_batch import chosen_count, evaluating, probe_inputs
from htmu_diag.solvers.kernels import jacobian_spectrum
from htmu_diag.spectrum import Kind, Spectrum

__all__ = ["JacobianProbe"]


@dataclass(frozen=True)
class JacobianProbe:
    """Squared singular values of d f / d x, pooled over ``samples`` rows of the batch, in eval mode.

    wrt: which input, where the model takes several (see ``input_output_jacobian``).
    """

    samples: int = 200
    wrt: str | int | None = None
    name: str = "jacobian"
    needs: frozenset[Need] = frozenset({"model", "batch"})
    kinds: ClassVar = (Kind.JACOBIAN,)
    priced: ClassVar = True

    def __post_init__(self) -> None:
        check_fields(self, samples=whole(1), wrt=optional(instance("the key or index of an input", str, int)))

    @property
    def rows(self) -> int:
        """What it looks at of the batch."""
        return self.samples

    def measure(self, context: StepContext) -> Iterator[Spectrum]:
        """One spectrum. Raises MeasurementError for integer inputs."""
        yield self._spectrum(context, self.samples)

    def price(self, context: StepContext) -> float:
        """Seconds of one run, from a few samples."""
        return seconds_by_samples(lambda few: self._spectrum(context, few), chosen_count(context, self.samples))

    def _spectrum(self, context: StepContext, samples: int) -> Spectrum:
        with evaluating(context) as model:
            inputs = probe_inputs(context, samples)
            found = input_output_jacobian(model, inputs, wrt=self.wrt, output=context.output)
        return jacobian_spectrum(found, context.step)
