"""The packed table holds every number of every layer, in the model's order, and says which layer is which."""

import math

import numpy as np
import pytest

from htmu_diag.analysis import Diagnosis, Options, diagnose
from htmu_diag.analysis.packed import CODES, Columns, about_table, table, table_id
from htmu_diag.spectrum import Kind, Source, Spectrum


def of(name: str, n: int = 40) -> Diagnosis:
    matrix = np.random.default_rng(n).standard_normal((n, 2 * n))
    values = np.linalg.eigvalsh(matrix @ matrix.T / (2 * n))
    return diagnose(Spectrum.exact(values, Source(Kind.WEIGHTS, name, (n, 2 * n))), Options(bootstrap=0))


def test_a_cell_is_the_layers_number_and_a_code_its_word() -> None:
    equal = Spectrum.exact(np.ones(30), Source(Kind.WEIGHTS, "equal", (30, 30)))
    diagnoses = [of("b.2.up"), of("b.10.up", 3), diagnose(equal, Options(bootstrap=0))]
    assert [math.isnan(d.numbers.get("phase", math.nan)) for d in diagnoses] == [False, True, True]
    names = Columns().with_those_of(diagnoses)
    cells = table(diagnoses, names)
    for row, diagnosis in zip(cells, diagnoses, strict=True):
        for name, cell in zip(names, row, strict=True):
            if name == "verdict" and diagnosis is diagnoses[0]:
                assert math.isnan(cell)  # its phase says it
            elif name in CODES:
                assert diagnosis.row()[name].startswith(CODES[name][int(cell)])
            else:
                expected = diagnosis.numbers.get(name, math.nan)
                assert cell == pytest.approx(expected, rel=1e-6, nan_ok=True), name


def test_what_overflows_is_infinite_and_what_is_missing_has_no_value() -> None:
    huge = diagnose(Spectrum.exact(np.geomspace(1e37, 1e40, 40), Source(Kind.WEIGHTS, "w", (40, 40))))
    row = dict(zip(names := ("lambda_max", "noise_scale"), table([huge], names)[0], strict=True))
    assert math.isinf(row["lambda_max"])
    assert math.isnan(row["noise_scale"])


def test_columns_only_grow_and_keep_the_order_of_the_quantities() -> None:
    columns = Columns()
    hessian = diagnose(Spectrum.exact(np.arange(1.0, 60), Source(Kind.HESSIAN, "m", (59, 59))), Options(bootstrap=0))
    before = columns.with_those_of([hessian])
    after = columns.with_those_of([of("w")])
    assert set(before) < set(after) == set(columns.with_those_of([hessian]))


def test_another_layer_or_quantity_is_another_table() -> None:
    known = {table_id(layers, names) for layers in (["a"], ["a", "b"], ["b", "a"]) for names in (["x"], ["x", "y"])}
    assert len(known) == 6
    assert table_id(["a"], ["x"]) in known
    assert table_id(["a,b"], []) != table_id(["a", "b"], [])


def test_the_description_is_in_the_models_order() -> None:
    sources = [Source(Kind.WEIGHTS, name, (4, 8)) for name in ("blocks.10.up", "head", "blocks.2.up")]
    about = about_table("weights", sources, ["alpha", "tail_status"])
    assert [layer["name"] for layer in about["layers"]] == ["blocks.10.up", "head", "blocks.2.up"]
    assert [layer["depth"] for layer in about["layers"]] == [10, None, 2]
    assert about["layers"][0]["role"] == about["layers"][2]["role"] == "blocks.*.up"
    assert list(about["codes"]) == ["tail_status"]
