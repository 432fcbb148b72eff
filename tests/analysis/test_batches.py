"""Spectra that are diagnosed together come out as each of them does alone, to the last bit, and fail alone."""

import sys

import numpy as np
import pytest

from htmu_diag.analysis import Diagnosis, Options, diagnose, diagnose_all, diagnose_each
from htmu_diag.spectrum import Kind, Source, Spectrum

OPTIONS = Options(bootstrap=40, seed=3)
SHAPES = [(30, 60), (64, 64), (64, 256), (30, 60), (128, 128), (25, 100), (3, 9), (64, 64), (65, 128), (64, 256)]


def spectrum(place: int) -> Spectrum:
    """Noise, spikes, heavy rows, zero columns, a kernel, a Hessian by turns."""
    rng = np.random.default_rng(place)
    rows, columns = SHAPES[place]
    matrix = rng.standard_normal((rows, columns))
    if place % 4 == 1:
        matrix *= rng.pareto(2.0, (rows, 1)) + 1
    if place % 4 == 2:
        matrix += 4 * np.outer(rng.standard_normal(rows), rng.standard_normal(columns)) / np.sqrt(rows)
    if place % 4 == 3:
        matrix[: rows // 8] = 0
    kind = {5: Kind.CONJUGATE_KERNEL, 8: Kind.HESSIAN}.get(place, Kind.WEIGHTS)
    values = np.linalg.eigvalsh(matrix @ matrix.T / columns) - (0.2 if kind is Kind.HESSIAN else 0.0)
    return Spectrum.exact(values, Source(kind, f"layer{place}", (rows, columns), 7))


@pytest.fixture(scope="module")
def spectra() -> list[Spectrum]:
    return [spectrum(place) for place in range(len(SHAPES))]


def everything(diagnosis: Diagnosis) -> str:
    """Fits with their laws, numbers and words; repr tells floats to the last bit."""
    fits = (diagnosis.tail, diagnosis.bulk, diagnosis.htmp, diagnosis.htmp_other, diagnosis.htmp_bulk, diagnosis.laws)
    return f"{diagnosis.numbers} {diagnosis.row()} {fits}"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_is_what_it_is_alone_in_any_company_and_order(spectra: list[Spectrum], seed: int) -> None:
    rng = np.random.default_rng(seed)
    chosen = [spectra[place] for place in rng.permutation(len(spectra))[: 10 - 3 * seed]]
    together = diagnose_all(chosen, OPTIONS)
    assert [one.source.name for one in together] == [one.source.name for one in chosen]
    for one, alone in zip(together, chosen, strict=True):
        assert everything(one) == everything(diagnose(alone, OPTIONS))


def test_more_than_are_fitted_at_once(spectra: list[Spectrum], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [everything(one) for one in diagnose_all(spectra, OPTIONS)]
    monkeypatch.setitem(vars(sys.modules[diagnose_all.__module__]), "TOGETHER", 3)
    assert [everything(one) for one in diagnose_all(spectra, OPTIONS)] == whole


def test_one_that_cannot_be_had_fails_alone(spectra: list[Spectrum]) -> None:
    broken = Spectrum.exact(np.array([1.0, 2.0]), Source(Kind.WEIGHTS, "broken", (2, 4)))
    object.__setattr__(broken, "values", np.array(["a", "b"]))
    first, failed, last = diagnose_each([spectra[0], broken, spectra[1]], OPTIONS)
    assert isinstance(failed, Exception)
    assert [everything(one) for one in (first, last) if isinstance(one, Diagnosis)] == [
        everything(diagnose(one, OPTIONS)) for one in spectra[:2]
    ]
