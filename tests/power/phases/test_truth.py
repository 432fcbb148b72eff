"""The rule of the phases against matrices whose phase is known (a small draw of ``benchmarks/phases.py``)."""

from collections import defaultdict

import numpy as np
import pytest

from htmu_diag.analysis import diagnose
from htmu_diag.spectrum import Kind as Measured
from htmu_diag.spectrum import Source, Spectrum
from htmu_diag.theory import Phase
from tests.power.phases.kinds import DESIGN, KEPT_ASIDE, Kind, eigenvalues

SHAPES = ((96, 384), (200, 200))
SEEDS = (0,)


def verdict(kind: Kind, shape: tuple[int, int], seed: int) -> Phase:
    source = Source(Measured.WEIGHTS, kind.name, shape)
    return diagnose(Spectrum.exact(eigenvalues(kind, shape, seed), source)).phase.phase


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


def test_every_phase_has_two_kinds_and_a_third_of_all_were_kept_aside() -> None:
    for phase in Phase:
        assert phase is Phase.UNDETERMINED or sum(kind.phase is phase for kind in (*DESIGN, *KEPT_ASIDE)) >= 2
    assert len(KEPT_ASIDE) * 2 >= len(DESIGN)


@pytest.mark.parametrize("rows", [4, 10, 19])
def test_a_head_of_few_classes_has_no_phase(rows: int) -> None:
    values = eigenvalues(DESIGN[0], (rows, 192), 0)
    found = diagnose(Spectrum.exact(values, Source(Measured.WEIGHTS, "head", (rows, 192))))
    assert found.phase.phase is Phase.UNDETERMINED
    assert "too few" in found.phase.reason
    assert found.verdict in ("too few", "too few values")


def test_zeros_that_the_shape_has_are_no_collapse() -> None:
    """A covariance of 384 features from 128 samples has 256 zeros by construction."""
    values = np.concatenate([np.zeros(256), eigenvalues(DESIGN[0], (128, 384), 0)])
    found = diagnose(Spectrum.exact(values, Source(Measured.ACTIVATIONS, "relu", (128, 384))))
    assert found.phase.phase is not Phase.RANK_COLLAPSE
    assert found.near_zero < 0.02
