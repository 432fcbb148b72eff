"""A parser of arguments whose errors are exceptions, so that every command refuses bad input in the same one line."""

from __future__ import annotations

import argparse
import re
from typing import Any, NoReturn

from htmu_diag.errors import ConfigError
from htmu_diag.nearest import nearest

__all__ = ["Arguments"]


class Arguments(argparse.ArgumentParser):
    """``argparse`` that keeps line breaks of its texts, takes no abbreviations and raises ConfigError."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False, **kwargs}
        super().__init__(*args, **kwargs)

    def options(self) -> list[str]:
        """Every option that it knows, such as ``--out``."""
        return [name for action in self._actions for name in action.option_strings]

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """A mistyped option is said before what it leaves missing."""
        for word in [] if args is None else args:
            name = word.partition("=")[0]
            if name == "--":
                break
            if name.startswith("--") and name not in self.options():
                self.error(f"unrecognized arguments: {name}")
        return super().parse_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self._with_nearest(message)}; see `{self.prog} --help`")

    def _with_nearest(self, message: str) -> str:
        """A refused option or choice, with the nearest right one."""
        choice = re.search(r"invalid choice: '?([^'\s]+)'? \(choose from (.+)\)$", message)
        option = re.search(r"^unrecognized arguments: (-[^\s=]+)", message)
        if choice:
            close = nearest(choice[1], [word.strip(" '") for word in choice[2].split(",")])
        else:
            close = nearest(option[1], self.options()) if option else None
        return f"{message}; did you mean {close!r}?" if close else message
