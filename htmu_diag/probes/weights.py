"""Spectra of the weight matrices: eigenvalues of W W^T / max(shape) for every matrix of the model.

The training thread copies (a memory-bound pass over the weights); the decomposition runs wherever the copies are taken.
With several processes that hold the same model each decomposes its share, chosen so that the shares cost about the
same; sharded weights are gathered one at a time, by every rank in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar

import torch

from htmu_diag.arguments import GLOBS, check_fields, whole
from htmu_diag.errors import HTMUError, MeasurementError
from htmu_diag.matrices import Inventory, Matrix, matrices
from htmu_diag.model.shards import Lost
from htmu_diag.model.wrappers import is_sharded
from htmu_diag.nearest import nearest
from htmu_diag.probes.base import Need, Pending, StepContext
from htmu_diag.probes.copies import Room, Slab, copy_of
from htmu_diag.probes.declaration import Runs
from htmu_diag.probes.decomposition import Decomposition, Failure
from htmu_diag.probes.frozen import Frozen, frozen_names
from htmu_diag.probes.listing import Listing
from htmu_diag.probes.placement import Placement
from htmu_diag.probes.price import price_sentence
from htmu_diag.probes.schedule import ScheduleLike, schedule
from htmu_diag.probes.starts import Starts
from htmu_diag.ranks.share import shares
from htmu_diag.solvers.vectors import TopVectors
from htmu_diag.spectrum import Kind, Spectrum
from htmu_diag.warned import warn

__all__ = ["WeightsProbe"]


@dataclass(frozen=True)
class WeightsProbe:
    """All eigenvalues of every weight matrix; of one that requires no gradient once, while its bits stay the same.

    include, exclude: globs on clean parameter names; empty include means all (or what ``watch(include=...)`` says).
    min_side: matrices with a smaller side below it are left out. 2 by default: one eigenvalue is no spectrum.
    vectors: when to look at singular vectors as well (a schedule of its own, among the steps at which weights are
        measured): localisation of the top, middle and bottom 5 %, overlap of the top ones with the last time's and with
        the start's. A full eigendecomposition: about six times the cost of the eigenvalues alone.
    places: where the eigenvalues of matrices on a GPU are taken; by default on the host while it keeps up.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    min_side: int = 2
    vectors: ScheduleLike | None = None
    places: Placement = field(default_factory=Placement, repr=False, compare=False)
    starts: Starts = field(default_factory=Starts, repr=False, compare=False)
    turns: TopVectors = field(default_factory=TopVectors, repr=False, compare=False)
    frozen: Frozen = field(default_factory=Frozen, init=False, repr=False, compare=False)
    listing: Listing = field(default_factory=Listing, repr=False, compare=False)
    slab: Slab = field(default_factory=Slab, init=False, repr=False, compare=False)
    name: str = "weights"
    needs: frozenset[Need] = frozenset({"model"})
    kinds: ClassVar = (Kind.WEIGHTS,)
    runs: ClassVar[Runs] = "shared"

    def __post_init__(self) -> None:
        check_fields(self, include=GLOBS, exclude=GLOBS, min_side=whole(1, 2**62))
        if self.vectors is not None:
            schedule(self.vectors)

    def measure(self, context: StepContext) -> Iterator[Spectrum]:
        """Decompose at once. Raises InputError or MeasurementError at the first matrix that cannot be had."""
        for pending in self.capture(context):
            yield pending.compute()

    def capture(self, context: StepContext) -> Iterator[Pending]:
        """Copies of this process's share of the matrices, in the model's order. MeasurementError if there are none."""
        if self.listing.read_at == context.step:
            self.listing.read_at = -1
            self.frozen.begin(context.step)
            yield from self._views(context.step)
            return
        inventory = self.inventory(context)
        if not len(inventory):
            raise MeasurementError(_nothing(inventory, self.include or context.include))
        if self.frozen.step < 0 and context.share.rank == 0:
            self._say_unmatched(inventory, context)
        owners = shares([matrix.cost for matrix in inventory], context.share.world)
        everyone_reads = is_sharded(context.model)
        still = frozenset() if everyone_reads else frozen_names(context.model)
        if self.frozen.step < 0 and _on_host(context.model) and (sentence := price_sentence(inventory)):
            context.say(sentence)
        self.frozen.begin(context.step)
        room, own = Room(), [owner == context.share.rank for owner in owners]
        known = self.frozen.known(
            _readable(m for m, mine in zip(inventory, own, strict=True) if mine and m.parameter in still)
        )
        for order, (matrix, mine) in enumerate(zip(inventory, own, strict=True)):
            if matrix.name in known:
                continue
            if mine or everyone_reads:
                work = self._captured(matrix, context.step, room, order)
                if mine:
                    yield Pending(matrix.name, order, work, work.alike)

    def only_reads(self, context: StepContext) -> bool:
        """Whether a snapshot now copies memory and does nothing else: it runs nothing of the model, asks no other rank
        and finds no frozen weight."""
        alone = context.share.world == 1 and self.frozen.step >= 0
        plain = alone and self.listing.is_plain and self.listing.is_last(context.model, self._choices(context))
        self.listing.read_at = context.step if plain else -1
        return plain

    def _views(self, step: int) -> Iterator[Pending]:
        turns = self._turns(step)
        copies = self.slab.copies([self.listing.views[place] for place in range(len(self.listing.views))])
        works = [
            Decomposition(matrix, (copy,), step, self.places, self.starts, turns)
            for matrix, copy in zip(self.listing.inventory, copies, strict=True)
        ]
        if turns is None and not self.listing.alike:
            self.listing.alike = [work.alike for work in works]  # asked once: it is that of every copy of a matrix
        together = self.listing.alike if turns is None else [None] * len(works)
        for order, (work, alike) in enumerate(zip(works, together, strict=True)):
            yield Pending(work.matrix.name, order, work, alike)

    def _turns(self, step: int) -> TopVectors | None:
        return self.turns if self.vectors is not None and schedule(self.vectors)(step) else None

    def _captured(self, matrix: Matrix, step: int, room: Room, order: int) -> Decomposition | Failure:
        """A weight that cannot be read fails alone, when its turn comes."""
        try:
            stored = (matrix.stored(),) if matrix.factors is None else matrix.low_rank()
            if len(stored) == 1:
                self.listing.read(order, stored[0])
            copies = tuple(copy_of(tensor, room) for tensor in stored)
            return Decomposition(matrix, copies, step, self.places, self.starts, self._turns(step))
        except Lost:  # once for all matrices
            raise
        except HTMUError as error:
            return Failure(error)
        except (torch.OutOfMemoryError, MemoryError) as error:
            return Failure(MeasurementError(f"{matrix.name}: no memory for a copy ({_first_line(error)})"))

    def _say_unmatched(self, inventory: Inventory, context: StepContext) -> None:
        if sentence := inventory.unmatched((*(self.include or context.include), *self.exclude)):
            warn(f"htmu_diag: weights: {sentence}")
            context.say(f"weights: {sentence}")

    def inventory(self, context: StepContext) -> Inventory:
        """What it measures on this model, and what it leaves out with the reason."""
        choices = include, exclude, least = self._choices(context)

        def listed() -> Inventory:
            return matrices(context.model, include=include, exclude=exclude, min_side=least)

        return self.listing.of(context.model, choices, listed)

    def _choices(self, context: StepContext) -> tuple[tuple[str, ...], tuple[str, ...], int]:
        return tuple(self.include or context.include), tuple(self.exclude), self.min_side


def _on_host(model: torch.nn.Module) -> bool:
    return all(parameter.device.type == "cpu" for parameter in model.parameters())


def _readable(still: Iterable[Matrix]) -> Iterator[tuple[str, torch.Tensor]]:
    """Names and tensors; a weight that cannot be read says so when it is captured."""
    for matrix in still:
        with suppress(HTMUError):
            yield matrix.name, matrix.stored()


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _nothing(inventory: Inventory, include: Sequence[str]) -> str:
    names = [skip.name for skip in inventory.skipped]
    near = {glob: found for glob in include if (found := nearest(glob.strip("*"), names))}
    asked = "".join(f"; for {glob!r} did you mean {found!r}?" for glob, found in near.items())
    reasons = "; ".join(f"{skip.name}: {skip.reason}" for skip in inventory.skipped[:3]) or "it has no parameters"
    change = "change include= (of settings: exclude, min_side) or the probes"
    return f"weights: the model has no matrix to measure ({reasons}); {change}{asked}"
