"""Spectra of kernels and of pooled Jacobians, in the field's normalisation: eigenvalues of K/n for n samples.

A kernel that was summed in float32 has eigenvalues good to about eps times the largest one (measured: 4e-8 of it for
networks with 10^2 to 10^3 samples). What lies below 2 eps lambda_max is rounding, and is set to zero: it is then
counted as rank deficiency and does not enter the fits near zero.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from htmu_diag.arguments import checked, having, optional, whole
from htmu_diag.errors import InputError
from htmu_diag.operators import Features, InputJacobian, Kernel
from htmu_diag.solvers.exact import FAILURES, exact_spectrum, type_name
from htmu_diag.solvers.gram import eigenvalues
from htmu_diag.solvers.host import gram
from htmu_diag.solvers.stacks import stackable, stacked_spectra
from htmu_diag.solvers.threads import blas_threads
from htmu_diag.spectrum import Floats, Kind, Source, Spectrum
from htmu_diag.stacked import Stacked

__all__ = [
    "covariance_spectrum",
    "feature_spectrum",
    "input_spectrum",
    "jacobian_spectrum",
    "ntk_spectrum",
    "spectra_together",
    "symmetric_spectrum",
]

_KERNEL = "eigvalsh float64 of a {} kernel"
_GROUP = 16  # matrices of one shape in a call


@checked(kernel=having("what empirical_ntk gave", "samples", "matrix"), step=optional(whole(0, 2**62)))
def ntk_spectrum(kernel: Kernel, *, layer: str | None = None, step: int | None = None) -> Spectrum:
    """All eigenvalues of K/n; of one layer's part, with its own P, for ``layer``.

    The aspect ratio is that of the Jacobian J (n C x P), gamma = n C / P or its inverse, for "full" and for "trace",
    whose kernel is the partial trace of J J^T over outputs (in the limit of infinite width both have one spectrum, up
    to C and multiplicity); "pseudo" has one combination of outputs (n x P), gamma = n / P.
    """
    if layer is not None and layer not in kernel.sizes:
        known = ", ".join(list(kernel.sizes)[:6]) or "none; pass layerwise=True to empirical_ntk"
        raise InputError(f"layer={layer!r}: the kernel has no such part; it has {known}")
    n, size = kernel.samples, kernel.parameters if layer is None else kernel.sizes[layer]
    count = 1 if kernel.mode == "pseudo" else kernel.outputs
    kernels = {
        "full": "J J^T / n",
        "trace": "the sum over outputs of J J^T / n",
        "pseudo": "J J^T / n, outputs combined",
    }
    shape = (n * count, size)
    sides = ("n", "P") if kernel.mode == "pseudo" else ("n C", "P")
    over, under = sides if shape[0] <= shape[1] else sides[::-1]
    unit = f"eigenvalues of {kernels[kernel.mode]}, J ({sides[0]} x P), gamma = {over} / {under}"
    matrix = kernel.matrix if layer is None else kernel.layers[layer]
    scalars = {"sketch_error": kernel.error} if kernel.error else {}
    source = Source(Kind.NTK, layer or "model", shape, step, unit)
    return symmetric_spectrum(matrix, source, scale=1 / n, scalars=scalars)


def feature_spectrum(features: Features, step: int | None = None) -> Spectrum:
    """The conjugate kernel's non-trivial eigenvalues, those of Phi Phi^T / max(n, d)."""
    return exact_spectrum(features.matrix, _feature_source(features, step))


def _feature_source(features: Features, step: int | None) -> Source:
    n, width = features.matrix.shape
    unit = "eigenvalues of Phi Phi^T / max(n, d), Phi (n samples x d features)"
    return Source(Kind.CONJUGATE_KERNEL, features.name, (n, width), step, unit)


def input_spectrum(features: Features, step: int | None = None) -> Spectrum:
    """Eigenvalues of the covariance of all entries of an input (pixels, not channels: the correlation in the data).

    Of n samples of d entries the smaller of both Gram matrices, about the mean; at most n - 1 directions are seen.
    """
    count, width = features.matrix.shape
    centred = features.matrix.double() - features.matrix.double().mean(0)
    product = centred @ centred.T if count <= width else centred.T @ centred
    unit = f"eigenvalues of the covariance of the inputs' entries ({count} samples)"
    source = Source(Kind.INPUTS, features.name, (count, width), step, unit)
    found = symmetric_spectrum(product / count, source, scalars={"samples": float(count)})
    values = found.values[-max(1, min(count - 1, width)) :]
    return Spectrum.exact(values, source, routine=found.estimator.routine, scalars=found.scalars)


def covariance_spectrum(features: Features, step: int | None = None) -> Spectrum:
    """Eigenvalues of the covariance of the channels, over samples and positions.

    Of n rows about their mean at most n - 1 directions are seen: for a layer wider than that only these are given, so
    that too small a batch is not taken for a collapse of the layer. ``samples`` says how many rows there were.
    """
    source, scalars = _channel_source(features, step), {"samples": float(features.count)}
    return _seen(symmetric_spectrum(features.covariance, source, scalars=scalars))


def _channel_source(features: Features, step: int | None) -> Source:
    unit = f"eigenvalues of the covariance of the channels over samples and positions ({features.count} rows)"
    return Source(Kind.ACTIVATIONS, features.name, (features.count, len(features.covariance)), step, unit)


def _seen(whole: Spectrum) -> Spectrum:
    rows, channels = whole.source.shape
    seen = min(rows - 1, channels)
    if seen >= len(whole.values) or seen < 1:
        return whole
    values = whole.values[-seen:]
    return Spectrum.exact(values, whole.source, routine=whole.estimator.routine, scalars=whole.scalars)


def spectra_together(features: Sequence[Features], step: int | None = None) -> dict[int, Spectrum]:
    """`feature_spectrum` and `covariance_spectrum` to the last bit, by the ``id`` of the tensor that each is of: those
    of small matrices of one shape by a few calls of numpy. What is not among them is to be had one by one.
    """
    found: dict[int, Spectrum] = {}
    with blas_threads(1), contextlib.suppress(*FAILURES):  # one is unusable: it says so by itself
        for alike in _of_one_shape({id(one.matrix): (one, one.matrix) for one in features if stackable(one.matrix)}):
            matrices, sources = [one.matrix for one in alike], [_feature_source(one, step) for one in alike]
            spectra = stacked_spectra(matrices, sources, decompose=_decomposed)
            found |= {id(matrix): spectrum for matrix, spectrum in zip(matrices, spectra, strict=True)}
        covariances = {id(one.covariance): (one, one.covariance) for one in features if _is_plain(one.covariance)}
        for alike in _of_one_shape(covariances):
            values = np.linalg.eigvalsh(np.stack([one.covariance.numpy() for one in alike]))
            for one, own in zip(alike, _without_rounding(values, np.finfo(np.float64).eps), strict=True):
                scalars, source = {"samples": float(one.count)}, _channel_source(one, step)
                whole = Spectrum.exact(own, source, routine=_KERNEL.format("float64"), scalars=scalars)
                found[id(one.covariance)] = _seen(whole)
    return found


def _is_plain(covariance: Tensor) -> bool:
    return stackable(covariance) and covariance.dtype == torch.float64 and len(covariance) > 1


def _of_one_shape(tensors: dict[int, tuple[Features, Tensor]]) -> list[list[Features]]:
    """Of neighbours not too many: an error costs the others of its group their speed, and a group its memory."""
    groups: dict[object, list[Features]] = {}
    for features, tensor in tensors.values():
        groups.setdefault((tensor.shape, tensor.dtype), []).append(features)
    return [group[start : start + _GROUP] for group in groups.values() for start in range(0, len(group), _GROUP)]


def _decomposed(matrices: Sequence[npt.NDArray[np.generic]]) -> Stacked:
    """As `htmu_diag.stacked.decomposed`, but nothing is said of rows and columns: of thousands of columns some two have
    products that look alike in single precision, so that `rows_columns` has to look anyway.
    """
    stack = np.stack([gram(matrix) for matrix in matrices])
    found = np.asarray(np.isfinite(np.diagonal(stack, axis1=1, axis2=2)).all(axis=1))
    stack[~found] = 0.0
    return Stacked(np.asarray(np.linalg.eigvalsh(stack), dtype=np.float64), found, np.zeros_like(found))


def jacobian_spectrum(jacobian: InputJacobian, step: int | None = None, name: str = "model") -> Spectrum:
    """Squared singular values of the input-output Jacobians of all samples together (the averaged spectrum)."""
    unit = "squared singular values of d f / d x (C x d), pooled over samples"
    source = Source(Kind.JACOBIAN, name, jacobian.shape, step, unit)
    return Spectrum.exact(jacobian.pooled.cpu().numpy(), source, routine="svdvals float64 for each sample")


def symmetric_spectrum(
    matrix: Tensor, source: Source, *, scale: float = 1.0, scalars: dict[str, float] | None = None
) -> Spectrum:
    """All eigenvalues of a positive semi-definite matrix times ``scale``, rounding set to zero."""
    with torch.no_grad(), blas_threads(1 if matrix.device.type == "cpu" else None):
        values = eigenvalues(matrix.double()) * scale
    routine = _KERNEL.format(type_name(matrix.dtype))
    found = _without_rounding(values.cpu().numpy(), torch.finfo(matrix.dtype).eps)
    return Spectrum.exact(found, source, routine=routine, scalars=scalars or {})


def _without_rounding(values: Floats, eps: float) -> Floats:
    """Ascending eigenvalues (..., n) with zero for what rounding of the entries may have made."""
    return np.where(np.abs(values) <= 2 * eps * values[..., -1:], 0.0, values)
