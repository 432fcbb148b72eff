"""The rule of the phases against matrices whose phase is known (a small draw of ``benchmarks/phases.py``)."""

from collections import defaultdict
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from htmu_diag.analysis import Diagnosis, diagnose
from htmu_diag.analysis.evidence import tail_within
from htmu_diag.fits import fit_marchenko_pastur, fit_power_law
from htmu_diag.spectrum import Kind as Measured
from htmu_diag.spectrum import Source, Spectrum
from htmu_diag.theory import Phase
from htmu_diag.theory.phases import FURTHER_LEVEL
from tests.power.phases.kinds import DESIGN, KEPT_ASIDE, Kind, eigenvalues

SHAPES = ((96, 384), (200, 200))
SEEDS = (0,)


# tail words that a phase may stand beside: a heavy tail is one that fits, noise has none that does
MAY_STAND = {
    Phase.RANDOM_LIKE: {"ruled out", "too few", "no fit"},
    Phase.BLEEDING_OUT: {"ruled out", "too few", "no fit"},
    Phase.BULK_AND_SPIKES: {"fits", "ruled out", "too few", "no fit"},
    Phase.BULK_DECAY: {"fits", "ruled out", "too few", "no fit"},
    Phase.HEAVY_TAILED: {"fits"},
    Phase.RANK_COLLAPSE: {"fits", "ruled out", "too few", "no fit"},
}


@lru_cache(maxsize=256)
def diagnosed(kind: Kind, shape: tuple[int, int], seed: int) -> Diagnosis:
    source = Source(Measured.WEIGHTS, kind.name, shape)
    return diagnose(Spectrum.exact(eigenvalues(kind, shape, seed), source))


def verdict(kind: Kind, shape: tuple[int, int], seed: int) -> Phase:
    return diagnosed(kind, shape, seed).phase.phase


def right(kinds: tuple[Kind, ...], shapes: tuple[tuple[int, int], ...] = SHAPES) -> dict[Phase, list[bool]]:
    """Of the undebatable kinds: whether each matrix is called by its phase."""
    found: dict[Phase, list[bool]] = defaultdict(list)
    for kind in kinds:
        if not kind.debatable:
            found[kind.phase] += [verdict(kind, shape, seed) is kind.phase for shape in shapes for seed in SEEDS]
    return found


def test_kinds_that_the_rule_was_made_on() -> None:
    found = right(DESIGN)
    assert np.mean([hit for hits in found.values() for hit in hits]) >= 0.9
    assert all(np.mean(hits) >= 0.7 for hits in found.values())


def test_kinds_that_were_kept_aside() -> None:
    assert np.mean([hit for hits in right(KEPT_ASIDE, SHAPES[:1]).values() for hit in hits]) >= 0.8


def test_phase_and_tail_never_contradict_each_other() -> None:
    """In the words that stand in one row of a table, for every kind, also the debatable ones."""
    for kind in (*DESIGN, *KEPT_ASIDE):
        row = diagnosed(kind, SHAPES[0], SEEDS[0])
        assert row.tail.verdict.word in MAY_STAND[row.phase.phase], kind.name
        if row.phase.phase is Phase.BULK_DECAY and row.tail.verdict.word == "fits":
            assert any(why in row.phase.reason for why in ("light", "short", "noise of this shape")), row.phase.reason


def test_a_tail_that_fits_in_a_spectrum_of_noise_is_its_edge() -> None:
    straight = fit_power_law(np.random.default_rng(0).random(200) ** (-1 / 4), bootstrap=100)
    assert straight.verdict.word == "fits"
    assert straight.as_of_noise().verdict.label == "ruled out (noise)"
    edge = diagnosed(DESIGN[0], SHAPES[0], SEEDS[0]).tail
    assert edge.as_of_noise() is edge


def test_a_tail_beside_a_bulk_of_noise_is_that_of_its_spikes_or_none() -> None:
    """A mean of all entries is one spike, and makes no tail of thirty values."""
    mean = diagnosed(next(kind for kind in KEPT_ASIDE if kind.name == "a mean of 0.3"), (140, 200), 0)
    alone = fit_power_law(mean.spectrum.values, bootstrap=100)
    assert alone.verdict.word == "fits"
    assert (mean.verdict, mean.tail.verdict.label) == ("bulk+spikes", "ruled out (noise)")
    assert tail_within(alone, Phase.BULK_AND_SPIKES, alone.n_tail) is alone


def test_an_end_rules_out_more_easily_where_noise_is_at_hand() -> None:
    """A population of exponent 2.5 whose largest eigenvalue happens to be small: no noise, and no clear end."""
    kind = next(kind for kind in DESIGN if kind.name == "Pareto population, 2.5")
    found = diagnosed(kind, (200, 200), 2001)
    alone = fit_power_law(found.spectrum.values, bootstrap=100)
    assert alone.verdict.label == "ruled out (finite end)"
    assert (found.phase.phase, found.tail.verdict.label) == (Phase.HEAVY_TAILED, "fits, or exponential")
    assert "only a little likelier" in found.row()["tail_reason"]
    clear = replace(alone, end_ratio=6.0)
    assert clear.as_of_signal() is clear
    unlikely = replace(alone, p_value=0.05)
    assert unlikely.as_of_signal() is unlikely


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("shape", [(64, 256), (200, 200), (10, 300)])
def test_an_orthogonal_matrix_is_told(shape: tuple[int, int], dtype: str) -> None:
    rng = np.random.default_rng(0)
    matrix, _ = np.linalg.qr(rng.standard_normal((shape[1], shape[0])))
    if dtype == "bfloat16":  # eight bits
        scale = 2.0 ** (np.floor(np.log2(np.abs(matrix))) - 7)
        matrix = np.round(matrix / scale) * scale
    matrix = matrix.astype(np.float32 if dtype == "float32" else np.float64)
    values = np.linalg.svd(matrix, compute_uv=False).astype(float)[::-1] ** 2
    source = Source(Measured.WEIGHTS, "w", shape)
    found = diagnose(Spectrum.exact(values, source))
    assert found.verdict == "all equal"
    assert "orthogonal" in found.row()["reason"]
    if shape[0] >= 20:
        moved = np.sort(np.concatenate([values[:-3], [3.0, 4.0, 9.0]]))
        assert diagnose(Spectrum.exact(moved, source)).verdict == "mostly equal"


def test_every_phase_has_two_kinds_and_a_third_of_all_were_kept_aside() -> None:
    for phase in Phase:
        assert phase is Phase.UNDETERMINED or sum(kind.phase is phase for kind in (*DESIGN, *KEPT_ASIDE)) >= 2
    assert len(KEPT_ASIDE) * 2 >= len(DESIGN)


@pytest.mark.parametrize("rows", [4, 10, 19])
def test_a_head_of_few_classes_has_no_phase(rows: int) -> None:
    values = eigenvalues(DESIGN[0], (rows, 192), 0)
    found = diagnose(Spectrum.exact(values, Source(Measured.WEIGHTS, "head", (rows, 192))))
    assert found.phase.phase is Phase.UNDETERMINED
    assert found.phase.reason.startswith(f"{rows} eigenvalues, where a phase needs")
    assert found.verdict in ("too few", "too few values")


def test_zeros_that_the_shape_has_are_no_collapse() -> None:
    """A covariance of 384 features from 128 samples has 256 zeros by construction."""
    values = np.concatenate([np.zeros(256), eigenvalues(DESIGN[0], (128, 384), 0)])
    found = diagnose(Spectrum.exact(values, Source(Measured.ACTIVATIONS, "relu", (128, 384))))
    assert found.phase.phase is not Phase.RANK_COLLAPSE
    assert found.near_zero < 0.02


def test_initialised_matrices_are_not_called_trained() -> None:
    """What decides between noise and trained: neither a bulk far from noise nor a spike, in a hundred of each law."""
    random_like = [kind for kind in (*DESIGN, *KEPT_ASIDE) if kind.phase is Phase.RANDOM_LIKE and not kind.debatable]
    for kind in random_like:
        draws = [(shape, seed) for shape in ((48, 48), (40, 160), (48, 64), (32, 400)) for seed in range(25)]
        fits = [fit_marchenko_pastur(eigenvalues(kind, shape, seed), shape[0] / shape[1]) for shape, seed in draws]
        assert sum(fit.p_value < FURTHER_LEVEL or fit.n_spikes > 0 for fit in fits) <= 1, kind.name
