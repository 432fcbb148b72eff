"""The table names every number once, and every logged number is in the table."""

import dataclasses
import json
import math
from collections.abc import Iterator

import numpy as np
import pytest

from htmu_diag.analysis import Options, diagnose, summarize
from htmu_diag.analysis.quantities import QUANTITIES, Quantity, declare, tag
from htmu_diag.errors import InputError
from htmu_diag.spectrum import Kind, Source, Spectrum

MINE = Quantity("my_number", "m", "1", 0, math.inf, "A number of mine.", "mine", mean="mean")


@pytest.fixture(autouse=True)
def _table() -> Iterator[None]:
    """The table as it was."""
    before = dict(QUANTITIES)
    yield
    QUANTITIES.clear()
    QUANTITIES.update(before)


def test_names_are_valid_tag_components_and_meanings_are_sentences() -> None:
    for name, row in QUANTITIES.items():
        assert name == row.name
        assert name.replace("_", "").isalnum()
        assert row.meaning.endswith(".")
        assert row.low < row.high


def test_a_number_outside_the_table_has_no_tag() -> None:
    with pytest.raises(KeyError):
        tag("weights", "aplha", "fc1.weight")


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"name": "Two words"}, "lower-case"),
        ({"low": 2.0, "high": 1.0}, "range is empty"),
        ({"mean": "mode"}, "use '', 'mean'"),
    ],
)
def test_a_row_that_means_nothing_is_refused(changed: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Quantity(**{**MINE.content(), "high": math.inf, **changed})  # type: ignore[arg-type]


def test_a_row_comes_back_from_its_plain_values() -> None:
    for row in (MINE, *QUANTITIES.values()):
        assert Quantity.of_content(json.loads(json.dumps(row.content(), allow_nan=False))) == row


def test_a_declared_number_is_known_and_cannot_be_declared_otherwise() -> None:
    declare([MINE])
    declare([MINE])
    assert tag("weights", "my_number", "w") == "weights_my_number/w"
    with pytest.raises(InputError, match="give it another name"):
        declare([dataclasses.replace(MINE, meaning="Something else.")])
    with pytest.raises(InputError, match="in the table already"):
        declare([dataclasses.replace(QUANTITIES["alpha"], high=3.0)])


def test_an_unknown_number_costs_itself_alone() -> None:
    declare([MINE])
    values = np.arange(1.0, 60)
    plain = Spectrum.exact(values, Source(Kind.UPDATES, "w", (59, 80)))
    odd = Spectrum.exact(values, plain.source, scalars={"nobody_knows": 1.0, "my_number": 2.0})
    found = diagnose(odd, Options(bootstrap=0))
    assert found.metrics() == diagnose(plain, Options(bootstrap=0)).metrics() | {"updates_my_number/w": 2.0}
    assert summarize([found])["summary/updates_my_number_mean"] == 2.0


def test_ranges_are_what_the_definitions_allow() -> None:
    """Distances between distribution functions, p values and shares fill [0, 1]; exponents of a tail begin at 1."""
    ranges = {quantity.name: (quantity.low, quantity.high) for quantity in QUANTITIES.values()}
    unit = {name for name in ranges if name.endswith(("_ks", "_p")) or name in ("gap_ratio", "gap_ratio_predicted")}
    assert len(unit) >= 8
    assert {ranges[name] for name in unit} == {(0, 1)}
    exponents = {name for name in ranges if name.startswith("alpha_predicted")} | {"tail_exponent"}
    assert {ranges[name] for name in exponents} == {(1, math.inf)}
    positive = {"log_gap", "delta_aic", "bulk_scale", "bulk_edge", "kappa_moment", "distance", "gap_ratio_stderr"}
    assert {ranges[name] for name in positive} == {(0, math.inf)}
