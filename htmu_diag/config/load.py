"""A YAML file and dotted overrides in, a checked ``TrainConfig`` out.

Keys are compared with the dataclasses before values are parsed, so that a typo is answered with the nearest right key.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing
from argparse import ArgumentError
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser

from htmu_diag.config.bundled import bundled, bundled_path
from htmu_diag.config.meanings import suggestion
from htmu_diag.config.overrides import joined, split
from htmu_diag.config.schema import TrainConfig
from htmu_diag.config.used import set_in_vain, unused
from htmu_diag.errors import ConfigError, InputError
from htmu_diag.nearest import did_you_mean, nearest
from htmu_diag.plain_files import read_text
from htmu_diag.plain_yaml import loads_yaml

_LARGEST = 1024 * 1024  # bytes of a configuration
_LARGEST_VALUE = 10_000  # characters of one of its values

__all__ = ["as_dict", "config_parser", "differences", "keys", "load_config", "to_yaml", "used"]


def config_parser() -> ArgumentParser:
    """A parser of every key of a run as ``--section.key=value``."""
    parser = ArgumentParser(prog="htmu train", exit_on_error=False, allow_abbrev=False, add_help=False)
    parser.add_class_arguments(TrainConfig, None)
    return parser


def load_config(path: str | Path | None = None, overrides: Sequence[str] = ()) -> TrainConfig:
    """The run that a YAML file and overrides ("--optimizer.lr=0.05", or in two) describe; later overrides win.

    path: a file, or the name of one that comes with the package ("digits_mlp"). Raises ConfigError for a missing or
    unreadable file, an unknown key (naming the nearest right one) or a bad value.
    """
    given = joined(overrides, keys())
    for option in given:
        _refuse_unknown([split(option, keys())[0]], "the command line")
        _refuse_references(option)
    arguments = [*_options(path), *given]
    parser = config_parser()
    try:
        parsed = parser.instantiate(parser.parse_args(arguments))
    except ArgumentError as error:
        raise ConfigError(_one_line(error)) from error
    return TrainConfig(**{item.name: parsed[item.name] for item in dataclasses.fields(TrainConfig)})


def keys() -> tuple[str, ...]:
    """Every dotted key of a run, in the order of the dataclasses."""
    return tuple(_dataclass_keys(TrainConfig))


def as_dict(config: TrainConfig) -> dict[str, Any]:
    """The configuration as nested dicts of plain values, as YAML and JSON hold them."""
    plain: dict[str, Any] = _lists(dataclasses.asdict(config))
    return plain


def used(config: TrainConfig) -> dict[str, Any]:
    """`as_dict` without the keys that the chosen model, data set and optimizer do not read."""
    return _without(as_dict(config), unused(config))


def to_yaml(config: TrainConfig) -> str:
    """The configuration as a YAML file that ``load_config`` reads back to an equal value.

    Left out is what nothing reads and nobody set.
    """
    idle = set(unused(config)) - set(set_in_vain(config))
    return yaml.safe_dump(_without(as_dict(config), idle), sort_keys=False)


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The dotted keys in which two nested configurations differ."""
    flat_one, flat_other = dict(_flat_items(one)), dict(_flat_items(other))
    return [key for key in {**flat_one, **flat_other} if flat_one.get(key) != flat_other.get(key)]


def _options(path: str | Path | None) -> list[str]:
    """The file's values as overrides, so that file and command line take the same way."""
    content = {} if path is None else _read(_file(path))
    _refuse_unknown(_flat_keys(content), str(path))
    given = _flat_items(content)
    options = [f"--{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in given]
    for option in options:
        _refuse_references(option)
    return options


def _file(path: str | Path) -> Path:
    """The file itself; where there is none of that name, the one that comes with the package."""
    return Path(path) if Path(path).is_file() else bundled_path(str(path)) or Path(path)


def _refuse_references(option: str) -> None:
    """The parser reads values as YAML too: what holds for the file holds for them."""
    key, _, value = option[2:].partition("=")
    if len(value) > _LARGEST_VALUE or all(mark in value for mark in "&*"):
        raise ConfigError(f"{key}: references (&, *) and values beyond {_LARGEST_VALUE:,} letters are refused")


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = loads_yaml(read_text(path, limit=_LARGEST))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; {_nearby(path)}") from error
    except (OSError, InputError) as error:
        reason = str(error).removeprefix(f"{path}: ") if isinstance(error, InputError) else error.strerror
        raise ConfigError(f"{path}: cannot be read ({reason}); pass a YAML file") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path}: holds a {type(content).__name__}, not keys with values; "
            "`htmu train digits_mlp --print-config` prints a right one"
        )
    return content


def _nearby(path: Path) -> str:
    name = nearest(path.stem, bundled())
    present = {found.name: str(found) for found in sorted(path.parent.glob("*.yaml"))}
    close = nearest(path.name, present)
    if name is not None and (close is None or name == path.stem):
        return f"did you mean {name!r}, which comes with the package?"
    likely = [*present.values()][:4] if close is None else [present[close]]
    return f"did you mean {' or '.join(likely)}?" if likely else f"pass a YAML file, or one of {', '.join(bundled())}"


def _refuse_unknown(given: Sequence[str], where: str) -> None:
    known = keys()
    for key in given:
        inside = [name for name in known if name.startswith(f"{key}.")]
        if inside:
            raise ConfigError(f"{where}: {key!r} is a section, not a value; its keys are {', '.join(inside)}")
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}; {suggestion(key, known)}")


def _flat_keys(tree: Mapping[str, Any], prefix: str = "") -> list[str]:
    return [key for key, _ in _flat_items(tree, prefix)]


def _flat_items(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    known = keys()
    for key, value in tree.items():
        if isinstance(value, Mapping) and f"{prefix}{key}" not in known:  # a value may be a mapping too
            yield from _flat_items(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _dataclass_keys(kind: type, prefix: str = "") -> Iterator[str]:
    for name, hint in typing.get_type_hints(kind).items():
        if dataclasses.is_dataclass(hint):
            yield from _dataclass_keys(typing.cast(type, hint), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _without(tree: Mapping[str, Any], left_out: Collection[str], prefix: str = "") -> dict[str, Any]:
    return {
        key: _without(value, left_out, f"{prefix}{key}.") if isinstance(value, dict) else value
        for key, value in tree.items()
        if f"{prefix}{key}" not in left_out
    }


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, tuple) else value


def _one_line(error: ArgumentError) -> str:
    """The parser's message in one plain line: 'optimizer.lr: expected a float, got abc'."""
    text = " ".join(str(error).split())
    text = re.sub(r"<class '(\w+)'>", r"\1", text).replace("a typing.Literal", "one of ")
    found = re.search(r'Parser key "([\w.]+)": Expected (.*)\. Got value: (.*)', text)
    if found:
        if found[2] == "a tuple":
            return f"{found[1]}: expected a list, got {found[3]}; write [{found[3]}]"
        return f"{found[1]}: expected {found[2]}, got {found[3]}{_near_value(found[2], found[3])}"
    choices = re.findall(r"- Expected (.*?)(?= - Expected| Given value)", text)
    union = re.search(r'Parser key "([\w.]+)".* Given value: (.*)', text)
    return f"{union[1]}: expected {' or '.join(choices)}, got {union[2]}" if union and choices else text


def _near_value(expected: str, got: str) -> str:
    """The question with the nearest of the words that are taken; nothing where none is near."""
    question = did_you_mean(got, re.findall(r"'([^']+)'", expected), "")
    return f"; {question}" if question else ""
