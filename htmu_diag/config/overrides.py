"""Overrides on a command line: ``--key value`` and ``--key=value`` are the same."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from htmu_diag.config.meanings import meant, suggestion
from htmu_diag.errors import ConfigError
from htmu_diag.nearest import nearest

__all__ = ["joined", "split"]


def joined(arguments: Iterable[str], known: Collection[str], own: Collection[str] = ()) -> list[str]:
    """The arguments with each override and its value in one: ["--steps", "9"] becomes ["--steps=9"].

    known: the keys of a run. own: options that are no keys and stay as they are. Raises ConfigError where a value is
    missing.

    >>> joined(["digits_mlp", "--steps", "9", "--out", "runs/a"], ["steps"], own=["--out"])
    ['digits_mlp', '--steps=9', '--out', 'runs/a']
    """
    made: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        name = argument.partition("=")[0]
        if not argument.startswith("--") or "=" in argument or name in own:
            made.append(argument)
            continue
        if name[2:] not in known and not meant(name[2:], known) and (close := nearest(name, own)):
            raise ConfigError(f"the command line: unknown option {name!r}; did you mean {close!r}?")
        value = next(waiting, None)
        if value is None or value.startswith("--"):
            raise ConfigError(_no_value(name[2:], list(known)))
        made.append(f"{name}={value}")
    return made


def split(override: str, known: Collection[str] = ()) -> tuple[str, str]:
    """The key and the value of one override. Raises ConfigError for what is none."""
    name, equals, value = override.partition("=")
    if not override.startswith("--") or not equals:
        raise ConfigError(f"{override!r} is not an override; write {_as_override(name.lstrip('-'), override, known)}")
    return name[2:], value


def _as_override(name: str, override: str, known: Collection[str]) -> str:
    """Itself with its dashes where it names a key; else the form."""
    near = next((key for key in known if name in (key, key.rpartition(".")[2])), None)
    _, equals, value = override.partition("=")
    if near is not None and equals:
        return f"--{near}={value}"
    return f"--section.key=value, such as --{near or 'optimizer.lr'}=VALUE"


def _no_value(key: str, known: list[str]) -> str:
    if key not in known:
        return f"the command line: unknown key {key!r}; {suggestion(key, known)}"
    return f"--{key} has no value; write --{key}=VALUE or --{key} VALUE"
