"""A run folder in which anything was changed by anybody: each access works or is refused in one sentence."""

import json
import os
import random
import signal
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htmu_diag.analysis import Options, Reading, diagnose
from htmu_diag.errors import HTMUError, StorageError
from htmu_diag.spectrum import Kind, Source, Spectrum
from htmu_diag.storage import PROBE_BATCH, Run, Store, load_run
from htmu_diag.storage.safetensors_bytes import safetensors_bytes

FAST = Options(bootstrap=0, tail_only=True)
STEPS = (0, 10, 20)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    with Store(tmp_path, info={"options": vars(FAST)}, fsync=False) as store:
        store.keep(PROBE_BATCH, {"rows": np.arange(3)})
        for step in STEPS:
            values = np.random.default_rng(step).random(12)
            one = Spectrum.exact(values, Source(Kind.WEIGHTS, "fc", (12, 20), step), scalars={"entropy_deficit": 0.5})
            store.write(step, [one], wall_time=float(step), scalars={"loss": 1.0}, events=["said"])
            store.write_numbers(step, [one], [Reading.of(diagnose(one, FAST))], FAST)
            store.log(step, {"lr": 0.1}, events=["logged"])
    return tmp_path


ACCESSES: dict[str, Callable[[Run], object]] = {
    "steps": lambda r: r.steps,
    "info": lambda r: (r.info, r.options),
    "spectra": lambda r: r.spectra(),
    "spectra(10)": lambda r: r.spectra(10),
    "series": lambda r: r.series("fc"),
    "scalars": lambda r: r.scalars(),
    "events": lambda r: r.events(),
    "diagnose": lambda r: r.diagnose(10).metrics(),
    "records": lambda r: [record.metrics() for record in r.records()],
    "stored": lambda r: [record.metrics() for record in r.records(fit=False)],
    "pandas": lambda r: r.to_pandas(),
    "metrics": lambda r: r.metrics("alpha"),
    "names": lambda r: (r.names(), r.layers, r.kinds, repr(r)),
    "batch": lambda r: r.probe_batch,
    "attempts": lambda r: [(a.steps, a.info) for a in r.attempts],
}


def outcomes(folder: Path, wanted: Iterable[str] = tuple(ACCESSES)) -> dict[str, str]:
    """access -> "" or the sentence of a refusal; any other exception is raised, and what hangs is ended."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for name in wanted:
            signal.alarm(10)
            try:
                ACCESSES[name](load_run(folder))
                found[name] = ""
            except HTMUError as error:
                found[name] = str(error)
            finally:
                signal.alarm(0)
    return found


def record_of(folder: Path, step: int) -> Path:
    return next(folder.rglob(f"{step:012d}.safetensors"))


def header_of(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    outer = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    content: dict[str, Any] = json.loads(outer["__metadata__"]["header"])
    return content


def rewrite(path: Path, text: str) -> None:
    """A record with a valid checksum around any header."""
    values = np.sort(np.random.default_rng(10).random(12))
    metadata = {"header": text, "crc32": str(zlib.crc32(text.encode()))}
    path.write_bytes(safetensors_bytes({"0/values": values}, metadata))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something can be put into a JSON value."""
    if path:
        yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in entries:
        yield from places(item, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    copy = json.loads(json.dumps(value))
    at = copy
    for key in path[:-1]:
        at = at[key]
    if new is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = new
    return copy


WRONG: tuple[Any, ...] = (..., None, True, -1, 1e400, 2**70, "", "x" * 9, [], {}, [[1]], {"a": []})


def test_one_tampered_header_costs_its_record(run: Path) -> None:
    path = record_of(run, 10)
    header = header_of(path)
    cases = [(place, new) for place in places(header) for new in WRONG if (place, new) != (("schema",), 2**70)]
    for place, new in random.Random(7).sample(cases, 155):
        rewrite(path, json.dumps(replaced(header, place, new)))
        found = outcomes(run, ["steps", "spectra(10)", "series", "scalars", "events", "diagnose", "records", "names"])
        assert {name for name, said in found.items() if said} <= {"spectra(10)", "diagnose"}, (place, new, found)
        assert {0, 20} <= set(_quiet(load_run(run), "steps"))


def _quiet(run: Run, name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(run, name)


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{", "7", '"x"', "[" * 50_000, '{"schema":' * 9_000, "9" * 5_000, "\ud800x"]
)
def test_a_header_that_is_no_header_costs_its_record_with_one_warning(text: str, run: Path) -> None:
    text = text.encode("utf-8", "replace").decode()
    rewrite(record_of(run, 10), text)
    assert {name for name, said in outcomes(run).items() if said} <= {"spectra(10)", "diagnose"}
    with pytest.warns(RuntimeWarning, match="dropped a damaged record") as said:
        read = load_run(run)
        assert read.steps == read.steps == (0, 20)
        assert [r.step for r in read.records()] == [0, 20]
    assert len(said) == 1
    assert len(read.dropped) == 1


def test_bits_flipped_anywhere_in_any_file_never_raise_a_traceback(run: Path) -> None:
    rng = random.Random(3)
    for path in sorted(path for path in run.rglob("*") if path.is_file() and path.stat().st_size):
        whole = path.read_bytes()
        for _ in range(3):
            data = bytearray(whole)
            for _ in range(rng.choice((1, 1, 8))):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            path.write_bytes(bytes(data[: rng.choice((len(data), len(data), rng.randrange(len(data))))]))
            outcomes(run)
        path.write_bytes(whole)
    assert not any(outcomes(run).values())


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "[" * 100_000, '{"options": [1]}', '{"options": null}', '{"options": 7}']
)
def test_a_damaged_run_json_costs_itself_with_one_warning(text: str, run: Path) -> None:
    (run / "run.json").write_text(text)
    with pytest.warns(RuntimeWarning) as said:
        read = load_run(run)
        assert read.options == read.options == Options()
        assert read.diagnose(10, FAST).step == 10
    assert len(said) == 1


@pytest.mark.parametrize("brought", [7, None, {"a": 1}, [7], ["x"], [{}], [{"name": ["x"]}]])
def test_quantities_that_a_run_brings_in_another_form_are_left_out(brought: Any, run: Path) -> None:
    (run / "run.json").write_text(json.dumps({"options": vars(FAST), "quantities": brought}))
    assert not any(outcomes(run).values())


@pytest.mark.parametrize("wrong", [{"bootstrap": 10**9}, {"bootstrap": "x"}, {"tail_only": 1}, {"seed": -1}])
def test_options_that_cannot_be_are_the_defaults(wrong: dict[str, Any], run: Path) -> None:
    (run / "run.json").write_text(json.dumps({"options": {"magnitudes": True, **wrong}}))
    with pytest.warns(RuntimeWarning, match=next(iter(wrong))):
        assert load_run(run).options == Options(magnitudes=True)


@pytest.mark.parametrize(
    "name", ["run.json", "000000000010.safetensors", "scalars.jsonl", "numbers.jsonl", "probe_batch.safetensors"]
)
@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "loop", "nothing"])
def test_no_file_that_is_none_is_waited_for(name: str, kind: str, run: Path) -> None:
    for path in list(run.rglob(name)):
        path.unlink()
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "device":
            path.symlink_to("/dev/zero")
        elif kind == "folder":
            path.mkdir()
        elif kind == "loop":
            path.symlink_to(path)
    found = outcomes(run)
    assert not found["stored"]
    assert set(_quiet(load_run(run), "steps")) >= {0, 20}


@pytest.mark.parametrize("name", ["0001-from-5", "0001-from-99999999999999999999", "0000000000001-from-0", "x"])
def test_strangers_beside_the_segments_are_none(name: str, run: Path) -> None:
    (run / "spectra" / name).write_text("no folder")
    (run / "spectra" / "0002-from-7").symlink_to(run / "spectra" / "0002-from-7")
    assert not any(outcomes(run).values())
    assert load_run(run).steps == STEPS


def test_a_newer_record_is_refused_in_a_sentence(run: Path) -> None:
    path = record_of(run, 10)
    rewrite(path, json.dumps({**header_of(path), "schema": 99}))
    with pytest.raises(StorageError, match="written with schema 99, this version reads up to 1; upgrade htmu_diag"):
        _ = load_run(run).steps


def test_lines_of_the_log_with_other_types_cost_themselves(run: Path) -> None:
    path = next(run.rglob("scalars.jsonl"))
    good = path.read_text()
    for line in ("[]", '{"step": "1", "wall_time": 0, "scalars": {}}', '{"step": 1}', "[" * 90_000):
        path.write_text(f"{line}\n{good}")
        with pytest.warns(RuntimeWarning, match="damaged line 1"):
            assert load_run(run).scalars()["lr"] == [(step, 0.1) for step in STEPS]


@pytest.mark.parametrize("name", ["scalars.jsonl", "numbers.jsonl"])
def test_a_log_that_claims_a_terabyte_costs_what_follows_its_last_line(name: str, run: Path) -> None:
    before = load_run(run).scalars()
    os.truncate(next(run.rglob(name)), 2**40)
    with pytest.warns(RuntimeWarning, match=f"dropped .*{name}"):
        found = load_run(run)
        assert found.scalars() == before
        assert len(list(found.records())) == len(STEPS)
