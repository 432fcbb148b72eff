"""A parser of arguments whose errors are exceptions, so that every command refuses bad input in the same one line."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from htmu_diag.errors import ConfigError

__all__ = ["Arguments"]


class Arguments(argparse.ArgumentParser):
    """``argparse`` that keeps line breaks of its texts, takes no abbreviations and raises ConfigError."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False, **kwargs}
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see `{self.prog} --help`")
