"""The format of a run folder is a document, and a folder of this format is read by every later version."""

import json
import math
import re
import warnings
from pathlib import Path

import pytest

from htmu_diag.analysis import Options
from htmu_diag.errors import StorageError
from htmu_diag.storage import load_run
from htmu_diag.storage.record import decode_header, encode
from htmu_diag.storage.segments import segments
from tests.storage.run_folder import content, spectra, unfold, write

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "run-folder.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return unfold(tmp_path)


def test_a_folder_of_this_format_reads_to_the_last_bit(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = load_run(folder)
        assert run.steps == (0, 10, 15, 20)
        for step in run.steps:
            for read, written in zip(run.spectra(step), spectra(step), strict=True):
                assert (read.source, read.estimator, read.dimension) == (
                    written.source,
                    written.estimator,
                    written.dimension,
                )
                assert read.values.tobytes() == written.values.tobytes()
                assert read.masses.tobytes() == written.masses.tobytes()
                assert dict(read.scalars) == dict(written.scalars)
        assert run.scalars()["loss"] == [(step, 1.0 / (1 + step)) for step in (0, 10, 15)]
        assert run.scalars()["lr"] == [(1, 0.125), (16, 0.125)]
        assert (15, "said at 15") in run.events()
        assert (20, "killed before its numbers") in run.events()
        assert run.options == Options(bootstrap=0, tail_only=True)
        assert run.info["seed"] == 7
        assert run.probe_batch["rows"].tolist() == [0, 1, 2, 3]
        assert run.kinds == ("weights", "ntk", "hessian")


def test_its_numbers_are_those_that_were_stored(folder: Path) -> None:
    run = load_run(folder)
    stored = {record.step: record for record in run.records(fit=False)}
    assert [len(record.readings) for record in stored.values()] == [3, 3, 3, 3]  # step 20: equal in both attempts
    line = json.loads(next(folder.rglob("0000-from-0/numbers.jsonl")).read_text().splitlines()[1])
    for reading, values in zip(stored[10].readings, line["values"], strict=True):
        given = dict(zip(line["quantities"], values, strict=True))
        assert {n: v for n, v in reading.numbers.items() if math.isfinite(v)} == {
            n: v for n, v in given.items() if isinstance(v, float)
        }
    assert stored[10].readings[0].numbers["lambda_max"] == spectra(10)[0].values[-1]
    assert stored[10].readings[0].texts["routine"] == "by hand"


def test_each_attempt_is_read_by_itself(folder: Path) -> None:
    first, second = load_run(folder).attempts
    assert (first.steps, second.steps) == ((0, 10, 20), (15, 20))
    assert (first.start_step, second.start_step) == (0, 10)
    assert ("seed" in first.info, second.info["seed"]) == (False, 7)
    assert first.events() == [
        (s, t) for step in (0, 10, 20) for s, t in ((step, f"said at {step}"), (step + 1, "logged"))
    ]
    assert [len(r.readings) for r in first.records(fit=False)] == [3, 3, 3]


def test_a_newer_folder_is_refused_in_a_sentence(folder: Path) -> None:
    info = folder / "run.json"
    info.write_text(json.dumps({**json.loads(info.read_text()), "schema": 2}))
    with pytest.raises(StorageError, match="written with schema 2, this version reads up to 1; upgrade htmu_diag"):
        load_run(folder)


def test_the_folder_that_is_written_now_has_the_same_files(folder: Path, tmp_path: Path) -> None:
    """Names and forms as in the fixture; its numbers may be better ones."""
    write(tmp_path / "now")
    now, then = content(tmp_path / "now"), content(folder)
    now = {name: text for name, text in now.items() if not name.startswith("now/")}
    then = {name: text for name, text in then.items() if not name.startswith("now/")}
    assert now.keys() == then.keys()
    for name in now.keys() - {name for name in now if "numbers" in name or name.endswith("run.json")}:
        assert now[name] == then[name], name
    for old, new in zip(_lines(then), _lines(now), strict=True):
        assert old.keys() == new.keys()
        assert old["spectra"] == new["spectra"]


def _lines(files: dict[str, str]) -> list[dict[str, object]]:
    return [
        json.loads(line)
        for name, text in sorted(files.items())
        if name.endswith("numbers.jsonl")
        for line in text.splitlines()
    ]


def test_the_page_names_every_file_and_every_field(folder: Path) -> None:
    words = set(re.findall(r"[\w.-]+", PAGE))
    names = {re.sub(r"^\d{12}$", "<step>", Path(name).stem) for name in content(folder)}
    assert names - {"<step>"} <= {word.partition(".")[0] for word in words}
    slot = segments(folder)[0].find(10)
    assert slot is not None
    header = decode_header(slot)
    fields = {"schema", *vars(header)} | {key for entry in header.spectra for key in entry}
    fields |= {key for entry in header.spectra for name in ("source", "estimator") for key in entry[name]}
    fields |= set(json.loads(next(folder.rglob("numbers.jsonl")).read_text().splitlines()[0]))
    assert {field for field in fields if f"`{field}`" not in PAGE} == set()
    assert encode  # what the page describes is made there
