"""Each phase is reached by the evidence that defines it, and the reason names the number that decided."""

import pytest

from htmu_diag.theory import Evidence, Phase, classify

CASES = [
    (Evidence(0.0, bulk_p=0.4), Phase.RANDOM_LIKE, "p = 0.4"),
    (Evidence(0.0, bulk_p=0.4, n_spikes=2, spike_ratio=1.1), Phase.BLEEDING_OUT, "2 beyond it"),
    (Evidence(0.0, bulk_p=0.4, n_spikes=1, spike_ratio=3.0), Phase.BULK_AND_SPIKES, "3.00 times the edge"),
    (Evidence(0.0, bulk_p=0.0, tail_ok=True, tail_p=0.5, alpha=2.5), Phase.HEAVY_TAILED, "alpha = 2.50"),
    (Evidence(0.0, bulk_p=0.0, tail_ok=True, tail_p=0.5, alpha=6.0), Phase.BULK_DECAY, "tail is light"),
    (Evidence(0.0, bulk_p=0.0, tail_ok=False, alpha=2.5), Phase.BULK_DECAY, "not a power law"),
    (Evidence(0.0, bulk_p=0.0, tail_ok=True, tail_p=0.01, alpha=2.5), Phase.BULK_DECAY, "not a power law"),
    (Evidence(0.4, bulk_p=0.9), Phase.RANK_COLLAPSE, "40 %"),
    (Evidence(0.0), Phase.UNDETERMINED, "no Marchenko-Pastur fit"),
]


@pytest.mark.parametrize(
    ("evidence", "phase", "because"), CASES, ids=[f"{c[1].value}-{i}" for i, c in enumerate(CASES)]
)
def test_the_evidence_decides_the_phase_and_the_reason_says_why(evidence: Evidence, phase: Phase, because: str) -> None:
    reading = classify(evidence)
    assert reading.phase is phase
    assert because in reading.reason


def test_phases_are_ordered_along_training() -> None:
    assert [phase.order for phase in Phase][:6] == [0, 1, 2, 3, 4, 5]
