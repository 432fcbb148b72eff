"""How the products of a density are split into Lanczos runs, by the memory that there is for their vectors."""

from __future__ import annotations

from dataclasses import dataclass

from htmu_diag.solvers.tridiagonal import Reorthogonalize

__all__ = ["Runs", "given_up", "planned"]

_WORK = 6  # vectors besides the basis and the outliers: two sums, a start drawn and its copy, product, its remainder
_SHARE = 8  # one product in eight is single; 1/16 to 1/4 did equally well for W1, the trace gains with more
_SHORTEST = 16  # steps of a run that keeps a basis where whole runs cannot; at 14 none did better on a tanh network
_SPARE = 2  # steps for one outlier that fits beside a basis: fewer outliers, or shorter runs, were further off
_LEAST = 6  # the same of the shortest runs, where no others have as many; with room for none they gained nothing
# products: W1 over mean |eigenvalue|, mean of four trained networks of 2,000 parameters (medians of 5 seeds, the worst
# of each class): no basis, fewer outliers than half of the steps, runs below 28 steps, below 56, all that is wanted
_OFF = {64: (0.16, 0.09, 0.06, 0.05, 0.04), 256: (0.11, 0.09, 0.05, 0.03, 0.01)}
_BELOW = 28, 56


@dataclass(frozen=True)
class Runs:
    """Lengths of the runs, the number of single products, what becomes of the basis, and the outliers that fit.

    halved: the basis is kept in half of its bytes.
    least: vectors from which on runs would be whole, or a basis kept, where that is given up for want of memory; or 0.
    """

    lengths: list[int]
    singles: int
    policy: Reorthogonalize
    room: int = 0
    halved: bool = False
    least: int = 0


def planned(
    steps: int, probes: int, size: int, rows: int, policy: Reorthogonalize, *, refine: bool, halves: bool = False
) -> Runs:
    """How ``steps * probes`` products are spent where ``rows`` vectors of length ``size`` may be held.

    The longest runs that keep their basis beside half as many outliers, ``steps`` at most and sixteen at least; if none
    do, the shortest, beside a sixth as many; else whole runs without a basis. Runs are whole where no outliers are
    refined, and where they are short already. halves: the basis may be halved, and is where whole runs do not fit
    beside the outliers that they find: half as many as their steps by one, as many by several.
    """
    singles = steps * probes // _SHARE if refine and 1 < steps < size else 0  # small: resolved by full runs instead
    budget = steps * probes - singles
    most = max(probes, budget // _SHORTEST) if refine else probes
    choices = [_even(budget, count) for count in range(probes, most + 1)]
    longest = [min(max(lengths), size) for lengths in choices]
    spare = [-(-length // _SPARE) for length in longest]
    spare[-1] = -(-longest[-1] // _LEAST) if len(choices) > 1 else 0
    if policy == "none":
        return Runs(choices[0], singles, "none")
    found = 0 if not refine else longest[0] if probes > 1 else -(-longest[0] // _SPARE)
    halves = halves and longest[0] + _WORK + found > rows
    held = [(length + 1) // 2 + 2 + _WORK if halves else length + _WORK for length in longest]
    least = [vectors + more for vectors, more in zip(held, spare, strict=True)]
    for lengths, vectors, enough in zip(choices, held, least, strict=True):
        if enough <= rows:
            whole = 0 if lengths is choices[0] else least[0]
            return Runs(lengths, singles, policy, min(rows - vectors, size) if refine else 0, halves, whole)
    return Runs(choices[0], singles, "none", least=least[-1])


def given_up(runs: Runs, products: int, row: int, half: str) -> str:
    """What does not fit and what it costs in accuracy, by the nearest of the measured cases; empty where all fits.

    row: bytes of a vector. half: the type of a halved basis.
    """
    if not runs.least:
        return ""
    longest, measured = max(runs.lengths), min(_OFF, key=lambda known: abs(known - products))
    few, off = runs.room < longest // _SPARE, _OFF[measured]
    place = 0 if runs.policy == "none" else 1 if few else 2 + sum(longest >= steps for steps in _BELOW)
    held = f"{len(runs.lengths)} runs of {longest} steps and {runs.room} outliers"
    held += f", with a basis in {half}" if runs.halved else ""
    wanted, better = ("one", off[1]) if runs.policy == "none" else ("whole runs", off[-1])
    return (
        f"holds {'no Lanczos basis' if runs.policy == 'none' else held}: W1 over mean |eigenvalue| {off[place]:g}, and "
        f"{better:g} from {runs.least * row} bytes on, which hold {wanted} (four networks, {measured} products)"
    )


def _even(budget: int, count: int) -> list[int]:
    """``budget`` steps in ``count`` runs that differ by one at most."""
    each, over = divmod(budget, count)
    return [each + (index < over) for index in range(count)]
