"""`htmu export`: every number of a run, as other tools read it."""

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest

from htmu_diag import load_run
from htmu_diag.analysis import Options, Reading, diagnose
from htmu_diag.cli import main
from htmu_diag.spectrum import Kind, Source, Spectrum
from htmu_diag.storage import Store

FAST = Options(bootstrap=0, tail_only=True)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    with Store(tmp_path / "run", info={"options": vars(FAST)}, fsync=False) as store:
        for step in (0, 5):
            for name in ("fc1", "=1+2"):
                values = np.random.default_rng(step).random(30)
                one = Spectrum.exact(values, Source(Kind.WEIGHTS, name, (30, 40), step))
                store.write(step, [one])
                store.write_numbers(step, [one], [Reading.of(diagnose(one, FAST))], FAST)
    return tmp_path / "run"


def test_csv_json_and_pandas_hold_the_same_numbers(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run), "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert main(["export", str(run), "--json"]) == 0
    objects = json.loads(capsys.readouterr().out)
    table = load_run(run).to_pandas()
    assert len(rows) == len(objects) == len(table) == 4
    assert [row["name"] for row in rows] == ["fc1", "'=1+2"] * 2
    assert list(objects[0]) == list(rows[0]) == list(table.columns)
    for row, content, frame in zip(rows, objects, table.to_dict("records"), strict=True):
        for name, value in frame.items():
            if isinstance(value, float):
                assert content[name] == (value if math.isfinite(value) else None)
                assert row[name] == ("" if math.isnan(value) else repr(value))
            elif name != "name":
                assert row[name] == str(value) == str(content[name])


def test_a_file_is_written_whole(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run), "--csv", "--stored", "--out", str(tmp_path / "a.csv")]) == 0
    assert main(["export", str(run), "--csv"]) == 0
    assert (tmp_path / "a.csv").read_text() == capsys.readouterr().out


def test_parquet_holds_the_table_where_pyarrow_is(run: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert main(["export", str(run), "--parquet", "--out", str(tmp_path / "a.parquet")]) == 0
    read = parquet.read_table(tmp_path / "a.parquet").to_pydict()
    assert read["alpha"] == load_run(run).to_pandas()["alpha"].tolist()


def test_without_pyarrow_or_a_file_parquet_is_refused_in_one_line(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["export", str(run), "--parquet"]) == 2
    assert "add --out FILE" in capsys.readouterr().err
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    assert main(["export", str(run), "--parquet", "--out", str(tmp_path / "x")]) == 2
    assert "needs pyarrow" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "none"), "--csv"]) == 2
    assert "no run here" in capsys.readouterr().err
    assert main(["export", str(run)]) == 2
