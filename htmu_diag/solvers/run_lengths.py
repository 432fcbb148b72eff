"""How the products of a density are split into Lanczos runs, by the memory that there is for their vectors."""

from __future__ import annotations

from dataclasses import dataclass

from htmu_diag.solvers.tridiagonal import Reorthogonalize

__all__ = ["Runs", "planned"]

_WORK = 5  # vectors besides the basis, the outliers and one start a probe: two sums, start, product, its remainder
_SHARE = 8  # one product in eight is single; 1/16 to 1/4 did equally well for W1, the trace gains with more
_SHORTEST = 16  # steps of a run that keeps a basis where whole runs cannot; at 14 none did better on a tanh network
_SPARE = 3  # steps for one outlier that fits beside such a basis; with room for one or none it gained little


@dataclass(frozen=True)
class Runs:
    """Lengths of the runs, the number of single products, what becomes of the basis, and the outliers that fit.

    least: vectors from which on a basis would be kept, where it is given up for want of memory; otherwise 0.
    """

    lengths: list[int]
    singles: int
    policy: Reorthogonalize
    room: int = 0
    least: int = 0


def planned(steps: int, probes: int, size: int, rows: int, policy: Reorthogonalize, *, refine: bool) -> Runs:
    """How ``steps * probes`` products are spent where ``rows`` vectors of length ``size`` may be held.

    Whole runs that keep their basis where it fits; else, if outliers are refined, the longest runs of at least sixteen
    steps that do beside a third as many outliers, for as many products; else whole runs without a basis.
    """
    singles = steps * probes // _SHARE if refine and 1 < steps < size else 0  # small: resolved by full runs instead
    budget = steps * probes - singles
    whole = _even(budget, probes)
    if policy == "none":
        return Runs(whole, singles, "none")
    longest = min(max(whole), size)
    counts = range(probes + 1, budget // _SHORTEST + 1) if refine else ()
    shorter = [_even(budget, count) for count in counts]
    spare = [0, *(-(-max(lengths) // _SPARE) for lengths in shorter)]
    held = [longest + probes + _WORK, *(min(max(lengths), size) + len(lengths) + _WORK for lengths in shorter)]
    needs = [more + vectors for more, vectors in zip(spare, held, strict=True)]
    for lengths, vectors, need in zip([whole, *shorter], held, needs, strict=True):
        if need <= rows:
            return Runs(lengths, singles, policy, min(rows - vectors, size) if refine else 0)
    return Runs(whole, singles, "none", least=min(needs))


def _even(budget: int, count: int) -> list[int]:
    """``budget`` steps in ``count`` runs that differ by one at most."""
    each, over = divmod(budget, count)
    return [each + (index < over) for index in range(count)]
