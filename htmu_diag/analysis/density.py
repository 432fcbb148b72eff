"""The 128-bin density of a spectrum: what a dashboard draws (full spectra stay in the store).

Format, version 1: a float32 tensor of shape (2, 128) under the tag ``<kind>_density/<layer>``, plugin "htmu".

    row 0   centres of the bins, ascending, in the unit of the eigenvalues
    row 1   mass of the spectrum in each bin; the sum is the share of the spectrum that is shown (zeros are not)

Bins are equally wide in u = log10 x from the smallest positive eigenvalue to the largest. Where part of the spectrum
is negative (Hessians), they are equally wide in u = arcsinh(x/w), w = 1e-6 max |x|: logarithmic on both sides of zero;
such a tensor is recognised by its negative first centre. The density with respect to u is row 1 over the bins' width
in u. The plugin data of the tag's first event is JSON: version, kind, layer, shape, unit.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from htmu_diag.analysis.shape import NUMERICAL_ZERO
from htmu_diag.spectrum import Source, Spectrum

__all__ = ["BINS", "PLUGIN", "binned", "density_about", "density_tag"]

BINS = 128
PLUGIN = "htmu"
VERSION = 1
_LINEAR = 1e-6  # half-width of the linear part of the arcsinh axis, relative to the largest magnitude
_HALF_WIDTH = 0.05  # in u, of the axis of a spectrum with one distinct value


def density_tag(source: Source) -> str:
    """Where the density of a source is filed: ``weights_density/fc1.weight``."""
    return f"{source.kind.value}_density/{source.name}"


def binned(spectrum: Spectrum) -> npt.NDArray[np.float32] | None:
    """The (2, 128) tensor; None where no eigenvalue differs from zero."""
    values, masses = spectrum.values, spectrum.masses
    largest = float(np.abs(values).max(initial=0.0))
    shown = np.abs(values) > NUMERICAL_ZERO * spectrum.dimension * largest
    values, masses = values[shown], masses[shown]
    if not values.size:
        return None
    if values[0] > 0:
        return _histogram(np.log10(values), masses, lambda u: 10.0**u)
    signed = np.arcsinh(values / largest / _LINEAR)  # in this order: the width itself may be too small for a float
    return _histogram(signed, masses, lambda u: largest * (_LINEAR * np.sinh(u)))


def density_about(source: Source) -> bytes:
    """The plugin data of a tag's first event, JSON: version, kind, layer, shape, unit."""
    about = {"version": VERSION, "kind": source.kind.value, "layer": source.name}
    return json.dumps({**about, "shape": list(source.shape), "unit": source.unit}).encode()


def _histogram(u: npt.NDArray[np.float64], masses: npt.NDArray[np.float64], back: Any) -> npt.NDArray[np.float32]:
    low, high = u[0], u[-1]
    if not high > low:
        low, high = low - _HALF_WIDTH, high + _HALF_WIDTH
    mass, edges = np.histogram(u, bins=BINS, range=(low, high), weights=masses)
    return np.stack([back((edges[:-1] + edges[1:]) / 2), mass]).astype(np.float32)
