"""``htmu completion SHELL``: a script that completes commands, options, keys and names when one presses Tab."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence

import shtab

from htmu_diag.cli.arguments import Arguments
from htmu_diag.config import bundled, keys
from htmu_diag.experiments.plan import bundled as sweeps

__all__ = ["parser", "run", "whole"]

EPILOG = """\
examples:
  htmu completion bash > ~/.local/share/bash-completion/completions/htmu
  htmu completion zsh > ~/.zfunc/_htmu        (a folder of $fpath)
  htmu completion tcsh > ~/.htmu.tcsh         (then: source it in ~/.tcshrc)
"""


def run(arguments: Sequence[str]) -> int:
    """Print the script; returns 0."""
    given = parser().parse_args(arguments)
    print(shtab.complete(whole(), shell=given.shell))
    return 0


def parser() -> Arguments:
    """Of everything that ``htmu completion`` takes."""
    made = Arguments(prog="htmu completion", description="A script of completions for a shell.", epilog=EPILOG)
    made.add_argument("shell", choices=shtab.SUPPORTED_SHELLS, help="which shell")
    return made


def whole() -> argparse.ArgumentParser:
    """Every command as one parser, with the keys of ``htmu train`` and the names that come with the package."""
    from htmu_diag.cli import COMMANDS, installed_commands  # the table that names this module

    made = argparse.ArgumentParser(prog="htmu")
    made.add_argument("--version", action="store_true", help="the version")
    commands = made.add_subparsers()
    for name, (module, summary) in COMMANDS.items():
        known: Arguments = importlib.import_module(f"htmu_diag.cli.{module}").parser()
        known.add_help = False
        added = commands.add_parser(name, parents=[known], help=summary, conflict_handler="resolve")
        _suggest(name, added)
    for name in installed_commands():
        commands.add_parser(name, help="of another installed package")
    return made


def _suggest(command: str, parser: argparse.ArgumentParser) -> None:
    """Names for what has some, files for the rest."""
    names = {"config": bundled(), "sweep": sweeps()}
    for action in parser._actions:
        if action.dest in names and not action.option_strings:
            action.choices = names[action.dest]
        elif action.choices is None and action.nargs != 0:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    if command == "train":
        for key in keys():
            parser.add_argument(f"--{key}")
