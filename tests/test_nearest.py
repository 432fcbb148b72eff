"""A wrong word is answered by meaning first, then by spelling, and not at all where nothing is near."""

from __future__ import annotations

from htmu_diag.nearest import did_you_mean, near_steps, nearest


def test_a_synonym_wins_over_spelling_and_only_where_its_word_is_known() -> None:
    assert nearest("steppe", ["step", "seed"], {"steppe": "seed"}) == "seed"
    assert nearest("steppe", ["step"], {"steppe": "seed"}) == "step"


def test_case_and_hyphens_do_not_count() -> None:
    assert nearest("Min-Sied", ["min_side", "vectors"]) == "min_side"
    assert nearest("--stp", ["--step", "--json"]) == "--step"
    assert nearest("--column", ["--out"]) is None  # dashes are no likeness


def test_a_part_between_points_finds_the_shortest_whole_name() -> None:
    layers = ["model.layers.0.q_proj.base_layer.weight", "model.layers.0.q_proj.weight", "model.layers.10.mlp.weight"]
    assert nearest("q_proj", layers) == "model.layers.0.q_proj.weight"
    assert nearest("*.layers.10.*", layers) == "model.layers.10.mlp.weight"
    assert nearest("layers.1", layers) is None  # a part is whole or none


def test_steps_between_which_a_wanted_one_lies() -> None:
    assert near_steps([0, 100, 200], 150) == "0 to 200, the nearest are 100 and 200"
    assert near_steps([0, 100, 200], 300) == "0 to 200"
    assert near_steps([0, 100, 200]) == "0 to 200"


def test_nothing_near_is_nothing() -> None:
    assert nearest("qqq", ["weights"]) is None
    assert did_you_mean("qqq", ["weights"], "see --help") == "see --help"
