"""What a sweep is: a YAML file in, a list of named units out, each one run with its own settings and seed.

title: ...            claim: ...            control: ...            (words, for the page)
config: a training configuration (a mapping, a path beside this file, or the name of one that comes with the package)
  or command: a script's command line with {out}, {seed} and {keys} of the grid in it
  or study: the name of one of our own (htmu_diag.experiments.studies)
set: {key: value}     for every run
arms: {name: {set, grid, zip, seeds}}       groups of runs that are compared; without arms, grid and zip stand here
grid: {key: [..]}     every combination     zip: {key: [..], ...}   lists of one length, side by side
seeds: 3 or [0, 7]
table: [number, ...]  figures: [...]  expect: [...]     (see `page` and `expect`)
"""

from __future__ import annotations

import itertools
import math
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from htmu_diag.errors import ConfigError, InputError
from htmu_diag.experiments.wanted import check_wanted
from htmu_diag.nearest import did_you_mean
from htmu_diag.plain_files import read_text
from htmu_diag.plain_yaml import loads_yaml

__all__ = ["Arm", "Sweep", "Unit", "bundled", "load_sweep", "smaller"]

MOST = 100_000  # runs of an arm: a day at one a second; each has a folder
PLACEHOLDER = r"\{([\w.-]+)\}"  # in a command
_OF_ARM = ("set", "grid", "zip", "seeds")
_WHAT = ("config", "command", "study")
_KEYS = (*_WHAT, *_OF_ARM, "title", "claim", "control", "arms", "table", "figures", "expect")


@dataclass(frozen=True)
class Unit:
    """One run. name: its folder. values: what this run sets, by dotted key, the seed not among them."""

    name: str
    arm: str
    values: Mapping[str, Any]
    seed: int


@dataclass(frozen=True)
class Arm:
    """A group of runs. varied: the keys that differ among them."""

    name: str
    units: tuple[Unit, ...]
    varied: tuple[str, ...]


@dataclass(frozen=True)
class Sweep:
    """A whole sweep. base: the configuration, the command or the study, named by ``what``; text: the file's own."""

    name: str
    what: str
    base: Any
    arms: tuple[Arm, ...]
    text: str
    folder: Path
    words: Mapping[str, str] = field(default_factory=dict)
    table: tuple[str, ...] = ()
    figures: tuple[Mapping[str, Any], ...] = ()
    expect: tuple[Mapping[str, Any], ...] = ()

    @property
    def units(self) -> tuple[Unit, ...]:
        return tuple(unit for arm in self.arms for unit in arm.units)


def smaller(sweep: Sweep, overrides: Mapping[str, Any], units: int = 1) -> Sweep:
    """The first units of each arm, with these settings on top: to see that a sweep runs, not what it shows."""
    arms = tuple(
        replace(arm, units=tuple(replace(u, values={**u.values, **overrides}) for u in arm.units[:units]))
        for arm in sweep.arms
    )
    text = f"{sweep.text}# made smaller: {dict(overrides)}, {units} units of each arm\n"
    return replace(sweep, arms=arms, text=text)


def bundled() -> tuple[str, ...]:
    """Names of the sweeps that come with the package."""
    files = resources.files("htmu_diag.experiments") / "sweeps"
    return tuple(sorted(path.name.removesuffix(".yaml") for path in files.iterdir() if path.name.endswith(".yaml")))


def load_sweep(name_or_path: str) -> Sweep:
    """A bundled sweep by its name, or a YAML file. Raises ConfigError, which names the key, for what is neither."""
    if name_or_path in bundled():
        source = resources.files("htmu_diag.experiments") / "sweeps" / f"{name_or_path}.yaml"
        return parsed(source.read_text(encoding="utf-8"), name_or_path, Path())
    path = Path(name_or_path)
    if not path.is_file():
        known = bundled()
        hint = did_you_mean(name_or_path, known, f"bundled sweeps: {', '.join(known)}; or pass a YAML file")
        raise ConfigError(f"{name_or_path}: no such sweep; {hint}")
    try:
        text = read_text(path)
    except (OSError, InputError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); pass a YAML file") from error
    return parsed(text, path.stem, path.parent)


def parsed(text: str, name: str, folder: Path) -> Sweep:
    """The sweep that a YAML text describes; folder: where paths in it start."""
    try:
        content = loads_yaml(text)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{name}: a sweep is a mapping with config:, command: or study:; see docs/sweeps.md")
    for key in content:
        if key not in _KEYS:
            answer = did_you_mean(str(key), _KEYS, f"a sweep has {', '.join(_KEYS)}")
            raise ConfigError(f"{name}: unknown key {key!r}; {answer}")
    given = [key for key in _WHAT if key in content]
    if len(given) != 1:
        raise ConfigError(f"{name}: has {' and '.join(given) or 'none'} of config, command and study; give exactly one")
    what = given[0]
    arms = tuple(_arms(content, name))
    if what == "command":
        _check_command(content[what], arms, name)
    try:
        check_wanted(content, [arm.name for arm in arms])
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error
    words = {key: str(content[key]) for key in ("title", "claim", "control") if key in content}
    return Sweep(
        name,
        what,
        content[what],
        arms,
        text,
        folder,
        words,
        tuple(map(str, content.get("table") or ())),
        tuple(content.get("figures") or ()),
        tuple(content.get("expect") or ()),
    )


def _arms(content: Mapping[str, Any], name: str) -> Iterator[Arm]:
    common = {key: content[key] for key in _OF_ARM if key in content}
    arms = content.get("arms") or {"": {}}
    for arm, own in _mapping(arms, "arms", name).items():
        own = _mapping(own or {}, f"arm {arm!r}", name)
        for key in own:
            if key not in _OF_ARM:
                raise ConfigError(f"{name}: arm {arm!r} has {key!r}; an arm takes {', '.join(_OF_ARM)}")
        own_set, for_all = (_mapping(given.get("set") or {}, "set", name) for given in (own, common))
        merged = {**common, **own, "set": {**for_all, **own_set}}
        yield _arm(str(arm), merged, name)


def _arm(arm: str, given: Mapping[str, Any], name: str) -> Arm:
    grid, zipped = (_mapping(given.get(key) or {}, key, name) for key in ("grid", "zip"))
    for key in sorted(map(str, grid.keys() & zipped.keys())):
        raise ConfigError(f"{name}: {key} stands in grid and in zip; take one out")
    for key, values in {**grid, **zipped}.items():
        if not isinstance(values, list) or not values:
            raise ConfigError(f"{name}: {key}: pass a list of values, not {values!r}")
    lengths = {len(values) for values in zipped.values()}
    if len(lengths) > 1:
        raise ConfigError(f"{name}: zip: lists of lengths {sorted(lengths)}; side by side they need one length")
    side_by_side = [dict(zip(zipped, row, strict=True)) for row in zip(*zipped.values(), strict=True)] or [{}]
    seeds = _seeds(given.get("seeds", 1), name)
    count = math.prod(map(len, grid.values())) * len(side_by_side) * len(seeds)
    if count > MOST:
        raise ConfigError(f"{name}: {count:,} runs in one arm; a sweep takes up to {MOST:,}: shorten a list, or seeds")
    crossed = [dict(zip(grid, row, strict=True)) for row in itertools.product(*grid.values())]
    varied = (*grid, *zipped)
    units = [
        Unit(_unit_name(arm, {**across, **beside}, varied, seed), arm, {**given["set"], **across, **beside}, seed)
        for across in crossed
        for beside in side_by_side
        for seed in seeds
    ]
    if len({unit.name for unit in units}) < len(units):
        raise ConfigError(f"{name}: the same settings appear twice in arm {arm or '(the only one)'!r}; take one out")
    return Arm(arm, tuple(units), varied)


def _seeds(seeds: Any, name: str) -> Sequence[int]:
    if isinstance(seeds, int) and not isinstance(seeds, bool) and seeds > 0:
        return range(seeds)
    if isinstance(seeds, list) and seeds and all(isinstance(seed, int) and seed >= 0 for seed in seeds):
        return seeds
    raise ConfigError(f"{name}: seeds: {seeds!r}; pass a number of seeds or a list of whole numbers")


def _unit_name(arm: str, varied: Mapping[str, Any], keys: Sequence[str], seed: int) -> str:
    """A folder's name that says what it is: "control,lr=0.05,steps=400,seed=1"."""
    ends = [key.rpartition(".")[2] for key in keys]
    labels = {key: end if ends.count(end) == 1 else key for key, end in zip(keys, ends, strict=True)}
    parts = [f"{labels[key]}={_plain(value)}" for key, value in varied.items()]
    return ",".join([*([_plain(arm)] if arm else []), *parts, f"seed={seed}"])


def _plain(value: Any) -> str:
    text = "x".join(map(str, value)) if isinstance(value, list) else str(value)
    return re.sub(r"[^\w.+-]", "_", text)


def _mapping(value: Any, what: str, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{name}: {what}: {value!r}; pass a mapping, key: value")
    return value


def _check_command(command: Any, arms: Sequence[Arm], name: str) -> None:
    """A command names what every unit sets, and all that makes runs differ: else they would be one run many times."""
    try:
        words = shlex.split(command) if isinstance(command, str) else list(map(str, command))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name}: command: {command!r} is no command line ({error}); pass one, or a list") from error
    wanted = set(re.findall(PLACEHOLDER, " ".join(words)))
    for arm in arms:
        known = {"out", "seed", *arm.units[0].values}
        for key in sorted(wanted - known):
            raise ConfigError(f"{name}: command: {{{key}}} is not set; there are {', '.join(sorted(known))}")
        seeds = {unit.seed for unit in arm.units}
        needed = ["out", *arm.varied, *(["seed"] if len(seeds) > 1 else [])]
        for key in [key for key in needed if key not in wanted]:
            raise ConfigError(f"{name}: command: {{{key}}} is not in it, though each run has its own; put it in")
