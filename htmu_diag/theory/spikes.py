"""Spikes above a Marchenko-Pastur bulk: the Baik-Ben Arous-Peche transition.

For a p x n matrix of unit-variance noise (gamma = p/n) with a population eigenvalue 1 + theta, the sample
eigenvalue leaves the bulk when theta > sqrt(gamma) and then sits at (1 + theta)(1 + gamma/theta)
(Baik, Ben Arous & Peche 2005; Paul 2007).
"""

from __future__ import annotations

import math

from htmu_diag.arguments import checked, real
from htmu_diag.errors import InputError

__all__ = ["bbp_threshold", "population_spike", "sample_spike", "signal_strength", "spike_overlap"]


@checked(gamma=real(0, above=True))
def bbp_threshold(gamma: float) -> float:
    """Smallest signal strength theta that shows as an eigenvalue outside the bulk: sqrt(gamma)."""
    return math.sqrt(gamma)


@checked(theta=real(0), gamma=real(0, above=True), scale=real(0, above=True))
def sample_spike(theta: float, gamma: float, scale: float = 1.0) -> float:
    """Where a signal of strength theta shows among the eigenvalues; the bulk's upper edge below the threshold.

    >>> sample_spike(2.0, 0.25)
    3.375
    """
    if theta <= bbp_threshold(gamma):
        return scale * (1.0 + math.sqrt(gamma)) ** 2
    return scale * (1.0 + theta) * (1.0 + gamma / theta)


@checked(eigenvalue=real(0), gamma=real(0, above=True), scale=real(0, above=True))
def population_spike(eigenvalue: float, gamma: float, scale: float = 1.0) -> float:
    """Signal strength theta of an eigenvalue beyond the edge, the inverse of `sample_spike`.

    Raises InputError for an eigenvalue inside the bulk, where no signal can be read off.

    >>> population_spike(3.375, 0.25)
    2.0
    """
    edge = (1.0 + math.sqrt(gamma)) ** 2
    ratio = eigenvalue / scale
    if ratio < edge:
        raise InputError(
            f"eigenvalue {eigenvalue} lies inside the bulk (edge {scale * edge:.6g}); pass one beyond the upper edge"
        )
    return signal_strength(ratio, gamma)


def signal_strength(ratio: float, gamma: float) -> float:
    """The same of an eigenvalue over the scale that is known to lie beyond the edge; sqrt(gamma) for one at it."""
    half = (ratio - 1.0 - gamma) / 2.0
    return half + math.sqrt(max(half**2 - gamma, 0.0))


@checked(theta=real(0), gamma=real(0, above=True))
def spike_overlap(theta: float, gamma: float) -> float:
    """Squared cosine of a spike's sample and population eigenvectors; 0 below the threshold (Paul 2007)."""
    if theta <= bbp_threshold(gamma):
        return 0.0
    return (1.0 - gamma / theta**2) / (1.0 + gamma / theta)
