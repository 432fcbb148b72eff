"""Eigenvalues that are equal to a neighbour: of random entries there are none, of structured matrices many.

Circulant and antisymmetric matrices have them in pairs, Kronecker products with an identity and repeated blocks in
groups. The phases compare with noise of independent entries; where eigenvalues are tied this is no such matrix.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from htmu_diag.spectrum import Floats

__all__ = ["tied_words", "tied_words_of"]

_SAME = 1e-9  # relative: a million times less than neighbours of a thousand random values are apart
_MANY = 0.1  # of the eigenvalues


def tied_words_of(spectra: Sequence[Floats]) -> list[str]:
    """`tied_words` of each."""
    if len(spectra) < 2:
        return [tied_words(values) for values in spectra]
    flat, ends = np.concatenate(spectra), np.cumsum([values.size for values in spectra])
    same = flat[1:] - flat[:-1] <= _SAME * flat[1:]
    same[ends[(ends > 0) & (ends < flat.size)] - 1] = False  # of two spectra
    found = [""] * len(spectra)
    for k in set(ends.searchsorted(same.nonzero()[0], side="right").tolist()):
        found[k] = tied_words(spectra[k])
    return found


def tied_words(values: Floats) -> str:
    """What is said of positive ascending eigenvalues (n,) of which a tenth or more are tied; empty of others.

    >>> tied_words(np.repeat([1.0, 2.0, 5.0], 2)).partition(",")[0]
    '6 of 6 eigenvalues are equal to a neighbour'
    """
    same = values[1:] - values[:-1] <= _SAME * values[1:]
    if not same.any():
        return ""
    tied = int((np.append(same, False) | np.append(False, same)).sum())
    if tied < _MANY * values.size:
        return ""
    which = "as in circulant, antisymmetric and repeated matrices and never in noise"
    return f"{tied} of {values.size} eigenvalues are equal to a neighbour, {which}"
