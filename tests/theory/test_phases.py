"""Each phase is reached by the evidence that defines it; reason and margin name the number that decided."""

from dataclasses import replace

import numpy as np
import pytest

from htmu_diag.fits import TailVerdict
from htmu_diag.laws.ensembles import wishart
from htmu_diag.theory import Evidence, Phase, classify
from htmu_diag.theory.near_zero import near_zero_share

FITS, ENDS = TailVerdict("fits"), TailVerdict("fits", "then ends")
OUT, FEW = TailVerdict("ruled out", "p 0.0099"), TailVerdict("too few")
HEAVY = Evidence(
    200, bulk_p=1e-4, n_spikes=9, spike_strength=50.0, tail=FITS, alpha=2.5, alpha_high=3.0, alpha_noise=7.0,
    tail_share=0.3, decades=1.2,
)  # fmt: skip
CASES = [
    (Evidence(200, bulk_p=0.4), Phase.RANDOM_LIKE, "p = 0.4"),
    (Evidence(200, bulk_p=0.4, n_spikes=2, spike_strength=1.5), Phase.BLEEDING_OUT, "2 beyond it"),
    (Evidence(200, bulk_p=0.4, n_spikes=1, spike_strength=8.0), Phase.BULK_AND_SPIKES, "8.0 times"),
    (Evidence(200, bulk_p=0.004), Phase.BLEEDING_OUT, "hardly Marchenko-Pastur"),
    (Evidence(200, bulk_p=0.007), Phase.RANDOM_LIKE, "p = 0.007"),
    (replace(HEAVY, bulk_p=0.2, n_spikes=60), Phase.BULK_AND_SPIKES, "60 beyond it"),
    (replace(HEAVY, bulk_p=0.2, n_spikes=80), Phase.HEAVY_TAILED, "beside 80 spikes; the tail is a power law"),
    (replace(HEAVY, bulk_p=0.2, n_spikes=80, decades=0.9), Phase.BULK_AND_SPIKES, "80 beyond it"),
    (replace(HEAVY, bulk_p=0.2, n_spikes=80, tail=OUT), Phase.BULK_AND_SPIKES, "80 beyond it"),
    (Evidence(200, bulk_p=0.0002), Phase.BULK_DECAY, "not Marchenko-Pastur"),
    (HEAVY, Phase.HEAVY_TAILED, "alpha = 2.50 over 1.2 decades"),
    (replace(HEAVY, alpha=6.0, alpha_high=6.5), Phase.BULK_DECAY, "tail is light"),
    (replace(HEAVY, alpha_noise=2.8), Phase.BULK_DECAY, "what noise of this shape has"),
    (replace(HEAVY, tail_share=0.05, decades=0.9), Phase.BULK_DECAY, "5 % of the values"),
    (replace(HEAVY, tail_share=0.06), Phase.HEAVY_TAILED, "1.2 decades"),
    (replace(HEAVY, tail_share=0.04), Phase.BULK_DECAY, "4 % of the values"),
    (replace(HEAVY, decades=0.3), Phase.BULK_DECAY, "0.3 decades"),
    (replace(HEAVY, tail=FEW), Phase.BULK_DECAY, "too few for its tail"),
    (replace(HEAVY, tail=OUT), Phase.BULK_DECAY, "no power law (p 0.0099)"),
    (replace(HEAVY, tail=ENDS), Phase.HEAVY_TAILED, "then ends"),
    (Evidence(200, near_zero=0.4, bulk_p=0.9), Phase.RANK_COLLAPSE, "40 %"),
    (Evidence(10, bulk_p=1e-4, n_spikes=5), Phase.UNDETERMINED, "10 eigenvalues, where a phase needs"),
    (Evidence(64, bulk_p=1e-4, width=0.01, middle_width=0.01), Phase.UNDETERMINED, "all 64 eigenvalues are equal"),
    (Evidence(64, bulk_p=1e-4, width=5.0, middle_width=0.01), Phase.UNDETERMINED, "changes of low rank"),
    (Evidence(200), Phase.UNDETERMINED, "no Marchenko-Pastur fit"),
]


@pytest.mark.parametrize(
    ("evidence", "phase", "because"), CASES, ids=[f"{c[1].value}-{i}" for i, c in enumerate(CASES)]
)
def test_the_evidence_decides_the_phase_and_the_reason_says_why(evidence: Evidence, phase: Phase, because: str) -> None:
    reading = classify(evidence)
    assert reading.phase is phase
    assert because in reading.reason
    assert phase is Phase.UNDETERMINED or 0 <= reading.margin <= 1


def test_phases_are_ordered_along_training() -> None:
    assert [phase.order for phase in Phase][:6] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("name", ["alpha_noise", "decades", "tail_share"])
def test_the_margin_vanishes_at_every_threshold(name: str) -> None:
    short = replace(HEAVY, decades=0.9)
    one_in_twenty = 1 + 1.5 * (2.0 / 1.5) ** (1.64 / 1.96)
    at = {"alpha_noise": one_in_twenty, "decades": 0.4, "tail_share": 0.1}[name]
    for nearly in (at * (1 - 1e-6), at * (1 + 1e-6)):
        assert classify(replace(short, **{name: nearly})).margin < 1e-3
    heavy = [classify(replace(short, **{name: at * share})).phase for share in (0.99, 1.01)]
    assert heavy == [Phase.BULK_DECAY, Phase.HEAVY_TAILED]


def test_one_p_value_moves_a_verdict_by_one_phase_only() -> None:
    """From the level on it takes a second reason, or a tenth of the p-value, to go further than the next phase."""
    for p in (0.009, 0.002):
        assert classify(Evidence(200, bulk_p=p)).phase.order <= 1
        assert classify(Evidence(200, bulk_p=p, n_spikes=1, spike_strength=8.0)).phase.order == 3


@pytest.mark.parametrize("gamma", [0.1, 0.5, 1.0])
def test_noise_has_nothing_near_zero_and_small_directions_are_all_counted(gamma: float) -> None:
    values = wishart(200, round(200 / gamma), rng=np.random.default_rng(0))
    assert near_zero_share(values, gamma) < 0.02
    lost = np.sort(np.concatenate([values[:60] * 1e-8, values[60:]]))
    assert near_zero_share(lost, gamma) == pytest.approx(0.3, abs=0.02)
    assert near_zero_share(values * 1e-12, gamma) == pytest.approx(near_zero_share(values, gamma))
