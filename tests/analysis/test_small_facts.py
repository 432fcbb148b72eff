"""Words and numbers of the diagnosis at their boundaries."""

from types import SimpleNamespace
from typing import Any

import pytest

from htmu_diag.analysis.words import kappa_words


@pytest.mark.parametrize(("family", "word"), [("HTMP", "noise"), ("InverseHTMP", "rigid")])
def test_a_kappa_beyond_the_size_is_noise_of_a_covariance_and_rigid_of_an_inverse(family: str, word: str) -> None:
    fit: Any = SimpleNamespace(law=object(), family=family, noise=True, n=30, reading=SimpleNamespace(stands=True))
    assert kappa_words(fit) == f"{word} (>= 30)"
