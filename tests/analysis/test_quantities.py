"""The table names every number once, and every logged number is in the table."""

import pytest

from htmu_diag.analysis.quantities import QUANTITIES, tag


def test_names_are_valid_tag_components_and_meanings_are_sentences() -> None:
    for name, row in QUANTITIES.items():
        assert name == row.name
        assert name.replace("_", "").isalnum()
        assert row.meaning.endswith(".")
        assert row.low < row.high


def test_a_number_outside_the_table_has_no_tag() -> None:
    with pytest.raises(KeyError):
        tag("weights", "aplha", "fc1.weight")
