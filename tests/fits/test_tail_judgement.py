"""What is said of a tail at the borders: a p-value of exactly 0.1, and the xmin that a sentence names."""

import re
from dataclasses import replace

import numpy as np
import pytest

from htmu_diag.fits.power_law import fit_power_law
from htmu_diag.fits.tail_bootstrap import TailBootstrap
from htmu_diag.fits.tail_judgement import with_bootstrap
from htmu_diag.fits.tail_rival import TailRival


def replicates(p_value, excess=0.1):
    return TailBootstrap(2 + np.linspace(-0.1, 0.1, 99), p_value, excess, spread=0.06)


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


@pytest.mark.parametrize(("count", "enough"), [(29, False), (30, True)])
def test_few_replicates_give_a_p_value_and_nothing_else(count, enough):
    values = np.random.default_rng(0).random(300) ** -0.5
    fit = fit_power_law(values, xmin=1.0)
    found = with_bootstrap(fit, replace(replicates(0.01), alphas=2 + np.linspace(-0.1, 0.1, count)), values)
    assert found.p_value == 0.01
    assert (found.status.code == "not_a_power_law") == enough
    assert (found.alpha_interval != fit.alpha_interval) == enough
    assert (found.alpha_stderr != fit.alpha_stderr) == enough


@pytest.mark.parametrize(
    ("alpha", "decades", "log_ratio", "kept"),
    [(2.9, 1.1, 3, True), (3.0, 1.1, 3, False), (2.9, 0.9, 3, False), (2.9, 1.1, -1.0, False), (2.9, 1.1, -0.9, True)],
)
def test_a_tail_that_ends_is_kept_where_it_is_heavy_and_long_and_no_exponential(alpha, decades, log_ratio, kept):
    values = np.geomspace(1, 1e4, 400)
    ended = fit_power_law(values, xmin=1.0)
    ended = replace(ended, alpha=alpha, xmin=1e4 / 10**decades, rival=TailRival(log_ratio, log_ratio))
    assert with_bootstrap(ended, replicates(0.5), values).cause == ("then ends" if kept else "finite end")


@pytest.mark.parametrize(("errors", "n_tail", "named"), [(3.9, 800, 0), (4.1, 800, 100), (9, 239, 0), (9, 240, 30)])
def test_a_heavier_top_is_named_from_four_errors_and_thirty_values_on(errors, n_tail, named):
    values = np.sort(np.random.default_rng(2).random(n_tail) ** -1.0)
    top = values[-(n_tail // 8) :]
    alpha = 1 + top.size / np.log(top / top[0]).sum()
    fit = replace(fit_power_law(values, xmin=1.0), alpha=alpha + errors * (alpha - 1) / np.sqrt(top.size))
    message = with_bootstrap(fit, replicates(0.01), values).status.message
    assert re.findall(r"largest (\d+) values", message) == [str(named)] * (named > 0)
