"""What is said of a tail at the borders: a p-value of exactly 0.1, and the xmin that a sentence names."""

import re

import numpy as np
import pytest

from htmu_diag.fits.power_law import fit_power_law
from htmu_diag.fits.tail_bootstrap import TailBootstrap
from htmu_diag.fits.tail_judgement import with_bootstrap


def replicates(p_value, excess=0.1):
    return TailBootstrap(2 + np.linspace(-0.1, 0.1, 99), p_value, excess)


def test_a_p_value_of_a_tenth_rules_nothing_out():
    """Clauset, Shalizi & Newman rule out below 0.1; 99 replicates give exactly that in one case of a hundred."""
    values = np.geomspace(1, 1e4, 400)  # alpha near one up to an end
    ended = fit_power_law(values, xmin=1.0)
    assert ended.cause == "finite end"
    assert with_bootstrap(ended, replicates(0.1), values).cause == "then ends"
    assert with_bootstrap(ended, replicates(0.09), values).cause == "finite end"
    values = np.random.default_rng(0).random(300) ** -0.5
    fit = fit_power_law(values, xmin=1.0)
    assert with_bootstrap(fit, replicates(0.1), values).status.ok
    assert not with_bootstrap(fit, replicates(0.09), values).status.ok


def test_the_xmin_that_a_sentence_names_gives_the_exponent_that_it_names():
    rng = np.random.default_rng(1)
    values = np.sort(np.concatenate([1 + rng.pareto(4.0, 3000), 3 * rng.random(150) ** -1.0]))
    fit = fit_power_law(values, xmin=1.0)
    message = with_bootstrap(fit, replicates(0.01), values).status.message
    size, alpha, xmin = re.search(
        r"largest (\d+) values alone have alpha ([\d.]+) .* of about ([\d.]+)", message
    ).groups()
    named = fit_power_law(values, xmin=float(xmin) * (1 - 1e-3))
    assert named.n_tail == pytest.approx(int(size), abs=1)
    assert named.alpha == pytest.approx(float(alpha), abs=0.02)
    assert float(xmin) == pytest.approx(values[-int(size)], rel=5e-4)
