"""A key of another script is answered with ours."""

from __future__ import annotations

import pytest

from htmu_diag.config import keys
from htmu_diag.config.meanings import SYNONYMS, suggestion


def test_every_synonym_means_a_key_that_there_is() -> None:
    assert set(SYNONYMS.values()) <= set(keys())


def test_no_synonym_hides_a_key_of_another_meaning() -> None:
    own = {key: key.rpartition(".")[2] for key in keys()}
    assert {other for other in SYNONYMS if other in own.values()} <= {"batch"}  # both are answered


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("learning_rate", "optimizer.lr"),
        ("optimizer.learning-rate", "optimizer.lr"),
        ("epochs", "steps"),
        ("batch_size", "data.batch_size"),
        ("wd", "optimizer.weight_decay"),
        ("trainer.max_steps", "steps"),
        ("n_heads", "model.heads"),
        ("hiden_sizes", "model.widths"),  # a synonym, mistyped
        ("schedlue", "optimizer.schedule"),
        ("dataset", "data.name"),
    ],
)
def test_the_answer_is_the_key_that_was_meant(given: str, meant: str) -> None:
    assert suggestion(given, keys()) == f"did you mean {meant!r}?"


def test_where_two_keys_may_be_meant_both_are_named() -> None:
    assert suggestion("batch", keys()) == "did you mean 'monitor.batch' or 'data.batch_size'?"
