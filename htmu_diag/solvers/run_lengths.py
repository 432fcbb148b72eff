"""How the products of a density are split into Lanczos runs, by the memory that there is for their vectors."""

from __future__ import annotations

from dataclasses import dataclass

from htmu_diag.solvers.tridiagonal import Reorthogonalize

__all__ = ["Runs", "planned"]

_WORK = 6  # vectors besides the basis and the outliers: two sums, a start drawn and its copy, product, its remainder
_SHARE = 8  # one product in eight is single; 1/16 to 1/4 did equally well for W1, the trace gains with more
_SHORTEST = 16  # steps of a run that keeps a basis where whole runs cannot; at 14 none did better on a tanh network
_SPARE = 2  # steps for one outlier that fits beside a basis: fewer outliers, or shorter runs, were further off
_LEAST = 6  # the same of the shortest runs, where no others have as many; with room for none they gained nothing


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

    The longest runs that keep their basis beside half as many outliers, ``steps`` at most and sixteen at least; if none
    do, the shortest, beside a sixth as many; else whole runs without a basis. Runs are whole where no outliers are
    refined, and where they are short already.
    """
    singles = steps * probes // _SHARE if refine and 1 < steps < size else 0  # small: resolved by full runs instead
    budget = steps * probes - singles
    most = max(probes, budget // _SHORTEST) if refine else probes
    choices = [_even(budget, count) for count in range(probes, most + 1)]
    if policy == "none":
        return Runs(choices[0], singles, "none")
    longest = [min(max(lengths), size) for lengths in choices]
    spare = [-(-length // _SPARE) for length in longest]
    spare[-1] = -(-longest[-1] // _LEAST) if len(choices) > 1 else 0
    for lengths, length, more in zip(choices, longest, spare, strict=True):
        if length + _WORK + more <= rows:
            return Runs(lengths, singles, policy, min(rows - length - _WORK, size) if refine else 0)
    return Runs(choices[0], singles, "none", least=longest[-1] + _WORK + spare[-1])


def _even(budget: int, count: int) -> list[int]:
    """``budget`` steps in ``count`` runs that differ by one at most."""
    each, over = divmod(budget, count)
    return [each + (index < over) for index in range(count)]
