"""A wrong word is answered by meaning first, then by spelling, and not at all where nothing is near."""

from __future__ import annotations

from htmu_diag.nearest import did_you_mean, nearest


def test_a_synonym_wins_over_spelling_and_only_where_its_word_is_known() -> None:
    assert nearest("steppe", ["step", "seed"], {"steppe": "seed"}) == "seed"
    assert nearest("steppe", ["step"], {"steppe": "seed"}) == "step"


def test_case_and_hyphens_do_not_count() -> None:
    assert nearest("Min-Sied", ["min_side", "vectors"]) == "min_side"
    assert nearest("--stp", ["--step", "--json"]) == "--step"
    assert nearest("--column", ["--out"]) is None  # dashes are no likeness


def test_nothing_near_is_nothing() -> None:
    assert nearest("qqq", ["weights"]) is None
    assert did_you_mean("qqq", ["weights"], "see --help") == "see --help"
