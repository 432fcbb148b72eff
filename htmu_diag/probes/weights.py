"""Spectra of the weight matrices: eigenvalues of W W^T / max(shape) for every matrix of the model.

The training thread copies (a memory-bound pass over the weights); the decomposition runs wherever the copies are taken.
With several processes that hold the same model each decomposes its share, chosen so that the shares cost about the
same; sharded weights are gathered one at a time, by every rank in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from torch.distributed.tensor import DTensor

from htmu_diag.errors import HTMUError, MeasurementError
from htmu_diag.matrices import Inventory, Matrix, matrices
from htmu_diag.probes.base import Need, Pending, StepContext
from htmu_diag.probes.copies import Copy, copy_of
from htmu_diag.probes.placement import Placement
from htmu_diag.ranks.share import shares
from htmu_diag.solvers import UNIT, exact_spectrum
from htmu_diag.solvers.threads import numpy_on_one_thread
from htmu_diag.spectrum import Kind, Source, Spectrum

__all__ = ["WeightsProbe"]


@dataclass(frozen=True)
class WeightsProbe:
    """All eigenvalues of every weight matrix.

    include, exclude: globs on clean parameter names; empty include means all (or what ``watch(include=...)`` says).
    min_side: matrices with a smaller side below it are left out. 2 by default: one eigenvalue is no spectrum.
    places: where matrices on a GPU are decomposed; by default there or on the host, whichever was faster.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    min_side: int = 2
    places: Placement = field(default_factory=Placement, repr=False, compare=False)
    name: str = "weights"
    needs: frozenset[Need] = frozenset({"model"})

    def measure(self, context: StepContext) -> Iterator[Spectrum]:
        """Decompose at once. Raises InputError or MeasurementError at the first matrix that cannot be had."""
        for pending in self.capture(context):
            yield pending.compute()

    def capture(self, context: StepContext) -> Iterator[Pending]:
        """Copies of this process's share of the matrices, in the model's order. MeasurementError if there are none."""
        inventory = self.inventory(context)
        if not len(inventory):
            raise MeasurementError(_nothing(inventory))
        owners = shares([matrix.cost for matrix in inventory], context.share.world)
        everyone_reads = any(isinstance(parameter, DTensor) for parameter in context.model.parameters())
        for order, (matrix, owner) in enumerate(zip(inventory, owners, strict=True)):
            mine = owner == context.share.rank
            if mine or everyone_reads:
                work = self._captured(matrix, context.step)
                if mine:
                    yield Pending(matrix.name, order, work)

    def _captured(self, matrix: Matrix, step: int) -> _Decomposition | _Failure:
        """A weight that cannot be read fails alone, when its turn comes."""
        source = Source(Kind.WEIGHTS, matrix.name, matrix.shape, step, UNIT)
        try:
            return _Decomposition(copy_of(matrix.read()), source, self.places)
        except HTMUError as error:
            return _Failure(error)

    def inventory(self, context: StepContext) -> Inventory:
        """What it measures on this model, and what it leaves out with the reason."""
        include = self.include or context.include
        return matrices(context.model, include=include, exclude=self.exclude, min_side=self.min_side)


@dataclass(frozen=True)
class _Decomposition:
    copy: Copy
    source: Source
    places: Placement

    def __call__(self) -> Spectrum:
        with self.copy.usable() as tensor, numpy_on_one_thread():
            if tensor.device.type != "cuda":
                return exact_spectrum(tensor, self.source, threads=None)
            with self.places.choosing((tensor.device, tensor.shape)) as place:
                return exact_spectrum(tensor.cpu() if place == "host" else tensor, self.source, threads=None)


@dataclass(frozen=True)
class _Failure:
    error: HTMUError

    def __call__(self) -> Spectrum:
        raise self.error


def _nothing(inventory: Inventory) -> str:
    reasons = "; ".join(f"{skip.name}: {skip.reason}" for skip in inventory.skipped[:3]) or "it has no parameters"
    return f"weights: the model has no matrix to measure ({reasons}); change include=, exclude= or the probes"
