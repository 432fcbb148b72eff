"""Words and numbers of the diagnosis at their boundaries."""

from types import SimpleNamespace
from typing import Any

import pytest

from htmu_diag.analysis.options import Options
from htmu_diag.analysis.words import kappa_words
from htmu_diag.spectrum import Kind, Source


@pytest.mark.parametrize(("family", "word"), [("HTMP", "noise"), ("InverseHTMP", "rigid")])
def test_a_kappa_beyond_the_size_is_noise_of_a_covariance_and_rigid_of_an_inverse(family: str, word: str) -> None:
    fit: Any = SimpleNamespace(law=object(), family=family, noise=True, n=30, reading=SimpleNamespace(stands=True))
    assert kappa_words(fit) == f"{word} (>= 30)"


def test_the_layers_of_a_model_share_sixteen_streams_and_another_seed_has_others() -> None:
    names = [f"blocks.{block}.{layer}" for block in range(40) for layer in ("attn", "up", "down")]
    first, second = ({Options(seed=seed).rng(Source(Kind.WEIGHTS, name, (8, 8))) for name in names} for seed in (0, 1))
    assert len(first) == len(second) == 16
    assert not first & second
