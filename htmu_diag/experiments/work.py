"""Running one unit: a training of ours, a script of the user's, or a study. Numbers and curves come back.

numbers: tag -> value at the end of the run. curves: tag -> [(step, value)]. Both hold every metric of the run folder
(``weights_alpha/fc1.weight``, ``summary/...``, ``train/loss``) and what the run itself adds.
"""

from __future__ import annotations

import json
import math
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, reduce
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from htmu_diag.config import TrainConfig, bundled_path, load_config
from htmu_diag.errors import ConfigError, HTMUError, InputError
from htmu_diag.experiments.plan import PLACEHOLDER, Sweep, Unit
from htmu_diag.files import write_atomically
from htmu_diag.storage import Run, load_run
from htmu_diag.storage.stored_record import StoredRecord

__all__ = ["Outcome", "check_configs", "check_packages", "config_of", "numbers_of_run", "run_unit", "write_base"]

Curves = dict[str, list[tuple[float, float]]]


@dataclass(frozen=True)
class Outcome:
    """What a unit gives. interrupted: stopped by Ctrl-C, to be continued."""

    numbers: dict[str, float] = field(default_factory=dict)
    curves: Curves = field(default_factory=dict)
    interrupted: bool = False


def check_packages(sweep: Sweep) -> None:
    """Raises ModuleNotFoundError for what a unit would need, before anything is written."""
    needed = {"config": "htmu_diag.training.loop", "study": "htmu_diag.experiments.studies"}
    if sweep.what in needed:
        import_module(needed[sweep.what])  # imports torch


def run_unit(sweep: Sweep, unit: Unit, out: Path) -> Outcome:
    """Run it in ``out/runs/<name>``; what a killed process left there is continued, or begun anew.

    Raises HTMUError for what the run itself refuses or how it ended.
    """
    folder = out / "runs" / unit.name
    if sweep.what == "config":
        return _trained(config_of(sweep, unit, out), folder)
    if sweep.what == "study":
        return _studied(str(sweep.base), unit)
    return _commanded(sweep.base, unit, folder)


def config_of(sweep: Sweep, unit: Unit, out: Path) -> TrainConfig:
    """The complete configuration of a unit, whose keys and values `check_configs` has seen."""
    return reduce(_with, [*unit.values.items(), ("seed", unit.seed)], _base(_base_path(sweep, out)))


def check_configs(sweep: Sweep, out: Path) -> None:
    """Every value of every key, once. Raises ConfigError for a wrong key or value."""
    seen: set[str] = set()
    for unit in sweep.units:
        said = {
            f"--{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in unit.values.items()
        }
        if said - seen or not seen:
            load_config(_base_path(sweep, out), [*said, f"--seed={unit.seed}"])
            seen |= said


def write_base(sweep: Sweep, out: Path) -> None:
    """The configuration that all runs share, as a file beside them; nothing where the sweep names a file itself."""
    if sweep.what == "config" and not isinstance(sweep.base, str):
        write_atomically(out / "base.yaml", yaml.safe_dump(sweep.base).encode())


def _base_path(sweep: Sweep, out: Path) -> Path:
    """The file beside the sweep; where there is none, the configuration of that name that comes with the package."""
    if not isinstance(sweep.base, str):
        return out / "base.yaml"
    beside = sweep.folder / sweep.base
    return beside if beside.is_file() else bundled_path(sweep.base) or beside


@lru_cache(maxsize=8)
def _base(path: Path) -> TrainConfig:
    return load_config(path)


def _with(config: Any, item: tuple[str, Any]) -> Any:
    """The configuration with one dotted key set."""
    (section, _, rest), value = item[0].partition("."), item[1]
    inside = (
        _with(getattr(config, section), (rest, value)) if rest else tuple(value) if isinstance(value, list) else value
    )
    return replace(config, **{section: inside})


def numbers_of_run(folder: Path) -> tuple[dict[str, float], Curves]:
    """The last value and the curve of every tag of a run folder.

    A tag has no number where its last value is not finite, or where its layer could not be measured any more: what a
    diverged run was before is in the curves, not beside the numbers of its end.
    """
    run = load_run(folder)
    curves: Curves = {tag: [(float(s), v) for s, v in points] for tag, points in run.scalars().items()}
    ended: set[str] = set()
    for record in run.records():
        numbers = {tag: value for tag, value in record.metrics().items() if tag not in record.scalars}
        ended = {tag for tag in (*ended, *_lost(record, curves)) if tag not in numbers}
        for tag, value in numbers.items():
            curves.setdefault(tag, []).append((float(record.step), value))
    ended |= {tag for tag, points in curves.items() if points and not math.isfinite(points[-1][1])}
    curves = {tag: [(s, float(v)) for s, v in points if math.isfinite(v)] for tag, points in curves.items()}
    last = {tag: points[-1][1] for tag, points in curves.items() if points and tag not in ended}
    return {**_size(run), **last}, curves


def _lost(record: StoredRecord, tags: Iterable[str]) -> list[str]:
    """Tags of layers that could not be measured at a step, and the averages of kinds of which none could."""
    lost = {(f"{kind}_", f"/{layer}") for kind, layer in record.failed}
    read = {reading.source.kind.value for reading in record.readings}
    averages = tuple(f"summary/{kind}_" for kind, _ in record.failed if kind not in read)
    of_layers = [tag for tag in tags if any(tag.startswith(start) and tag.endswith(end) for start, end in lost)]
    return of_layers + [tag for tag in tags if averages and tag.startswith(averages)]


def _size(run: Run) -> dict[str, float]:
    """Entries and number of the weight matrices that were measured: a run's size and depth as far as it tells."""
    if not run.steps:
        return {}
    shapes = [reading.source.shape for reading in run.record().readings if reading.source.kind == "weights"]
    return {"run/parameters": float(sum(rows * columns for rows, columns in shapes)), "run/depth": float(len(shapes))}


def _trained(config: TrainConfig, folder: Path) -> Outcome:
    from htmu_diag.training.loop import train  # imports torch

    resume = any(folder.glob("checkpoints/step-*.pt"))
    if folder.exists() and not resume:
        shutil.rmtree(folder)
    outcome = train(config, folder, resume=resume)
    if outcome.interrupted:
        return Outcome(interrupted=True)
    numbers, curves = numbers_of_run(folder)
    depth = {"run/depth": len(config.model.widths) + 1.0} if config.model.name == "mlp" else {}  # measured or not
    return Outcome({**numbers, **depth, "run/steps": float(outcome.step)}, curves)


def _studied(name: str, unit: Unit) -> Outcome:
    from htmu_diag.experiments.studies import STUDIES  # imports torch

    if name not in STUDIES:
        raise ConfigError(f"study: {name!r} is none of {', '.join(STUDIES)}")
    found: Outcome = STUDIES[name](seed=unit.seed, **unit.values)
    return found


def _commanded(command: Any, unit: Unit, folder: Path) -> Outcome:
    """The script decides what it leaves: a run folder of `watch`, a numbers.json (tag -> number), or both."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    values = {"out": str(folder), "seed": unit.seed, **unit.values}
    words = shlex.split(command) if isinstance(command, str) else [str(word) for word in command]
    filled = [re.sub(PLACEHOLDER, lambda found: str(values[found[1]]), word) for word in words]
    log = folder / "output.txt"
    with open(log, "wb") as file:
        try:
            code = subprocess.run(filled, stdout=file, stderr=subprocess.STDOUT, check=False).returncode
        except OSError as error:
            raise InputError(f"{filled[0]}: cannot be started ({error}); check command:") from error
    if code:
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        raise InputError(f"exit code {code}{': ' + last[0] if last else ''} (all output: {log})")
    return _left_in(folder)


def _left_in(folder: Path) -> Outcome:
    numbers: dict[str, float] = {}
    curves: Curves = {}
    if (folder / "run.json").exists():
        numbers, curves = numbers_of_run(folder)
    if (folder / "numbers.json").exists():
        numbers |= _read_numbers(folder / "numbers.json")
    if not numbers:
        raise InputError(f"it left neither a run of htmu_diag nor a numbers.json in {folder}; write to {{out}}")
    return Outcome(numbers, curves)


def _read_numbers(path: Path) -> Mapping[str, float]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(tag): math.nan if value is None else float(value) for tag, value in content.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise HTMUError(f"{path}: not a mapping of names to numbers ({error}); write one with json.dump") from error
