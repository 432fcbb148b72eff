"""The command ``htmu``: one table of subcommands, each a module with ``run(arguments) -> int``.

A subcommand is imported only when it is asked for, so that ``htmu --help`` imports neither torch nor scipy. Every error
that htmu_diag raises on purpose becomes one line on stderr and exit code 2.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import cast

from htmu_diag._version import __version__
from htmu_diag.errors import HTMUError
from htmu_diag.extras import missing
from htmu_diag.nearest import did_you_mean
from htmu_diag.own_process import importing, own_process
from htmu_diag.plugins import loaded, names
from htmu_diag.safe_text import one_line

__all__ = ["COMMANDS", "installed_commands", "main"]

# subcommand -> (module of cli/, what it does in one line)
COMMANDS = {
    "train": ("train", "train a model from a YAML file and watch its spectra"),
    "analyze": ("analyze", "spectra of every layer of a checkpoint, a model, or a folder of checkpoints"),
    "show": ("show", "the table of a run, live or finished: verdicts, reasons, phases through time, what changed"),
    "compare": ("compare", "settings, averages and layers of two runs side by side"),
    "export": ("export", "the numbers of a run as CSV, JSON or Parquet: one row a layer and step"),
    "report": ("report", "one HTML page of one run or several, that opens without a server"),
    "sweep": ("sweep", "run a list of configurations times seeds, then one page with claim, control and verdict"),
    "correlate": ("correlate", "rank correlation of every metric with performance, beside trivial baselines"),
    "fetch": ("fetch", "download the files of mnist or cifar10"),
    "doctor": ("doctor", "what this installation has and lacks: versions, devices, threads, TensorBoard's tab"),
    "completion": ("completion", "a script that completes commands and keys, for bash, zsh, fish and others"),
}

# what others call a command
_CALLED = {
    "fit": "train",
    "run": "train",
    "watch": "train",
    "measure": "analyze",
    "analyse": "analyze",
    "diagnose": "analyze",
    "ls": "show",
    "table": "show",
    "summary": "show",
    "status": "show",
    "diff": "compare",
    "html": "report",
    "page": "report",
    "csv": "export",
    "pandas": "export",
    "download": "fetch",
    "grid": "sweep",
    "check": "doctor",
    "info": "doctor",
    "env": "doctor",
    "autocomplete": "completion",
}

_TRAINING = ("train", "fetch", "sweep")  # commands whose packages are those of the extra

EXAMPLES = """\
examples:
  htmu train digits_mlp
  htmu train digits_mlp --optimizer.lr 0.05 --model.widths=[256,256]
  htmu train stdlib_char_gpt --out runs/chars
  htmu train stdlib_char_gpt --out runs/chars --resume
  htmu analyze model.safetensors --out report
  htmu analyze runs/chars/checkpoints --out runs/chars-curves
  htmu show runs/chars
  htmu compare runs/chars runs/slow
  htmu export runs/chars --csv > chars.csv
  htmu report runs/chars runs/slow --out compared.html
  htmu sweep temperature
  htmu correlate runs/* --target test/accuracy
  htmu fetch cifar10
  htmu doctor
  htmu completion bash > ~/.local/share/bash-completion/completions/htmu
  tensorboard --logdir runs
"""

REFUSED = 2
INTERRUPTED = 130
READER_LEFT = 141  # what shells report when `| head` has seen enough: 128 + SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``htmu`` with these arguments (default: the process's own); returns the exit code."""
    if arguments is None:
        own_process()
        _write_any_name()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if given[0] == "--version":
        print(f"htmu_diag {__version__}")
        return 0
    if given[0] not in COMMANDS and given[0] not in installed_commands():
        return _refuse(_unknown(given[0]))
    try:
        code = _command(given[0])(given[1:])
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more is written at exit
        return READER_LEFT
    except HTMUError as error:
        return _refuse(str(error))
    except ModuleNotFoundError as error:
        told = missing(f"htmu {given[0]}", error, "train" if given[0] in _TRAINING else "")
        if told is None:
            raise
        return _refuse(str(told))
    except OSError as error:  # what the system says of a name or a folder: too long, no permission
        return _refuse(f"{error.filename or 'input or output'}: {error.strerror or error}; check the path")
    except KeyboardInterrupt:
        print("htmu: interrupted", file=sys.stderr)
        return INTERRUPTED


def _write_any_name() -> None:
    """A character that the terminal's encoding lacks is written as its code, not refused."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # pythonw has none, a notebook its own
            stream.reconfigure(errors="backslashreplace")


def _command(name: str) -> Callable[[Sequence[str]], int]:
    if name not in COMMANDS:
        return loaded("commands", name)
    with importing():
        module = importlib.import_module(f"htmu_diag.cli.{COMMANDS[name][0]}")
    return cast(Callable[[Sequence[str]], int], module.run)


def installed_commands() -> list[str]:
    """Commands of other packages, see `htmu_diag.plugins`."""
    return [name for name in names("commands", ()) if name not in COMMANDS]


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {summary}" for name, (_, summary) in COMMANDS.items()]
    lines += [f"  {name:<{width}}  (of another installed package)" for name in installed_commands()]
    return "\n".join(
        [
            "usage: htmu COMMAND [ARGUMENTS]",
            "",
            "Measure the spectra of a PyTorch model while it trains and compare them with random-matrix laws.",
            "",
            "commands (htmu COMMAND --help says more):",
            *lines,
            "",
            EXAMPLES.rstrip(),
        ]
    )


def _unknown(name: str) -> str:
    every = [*COMMANDS, *installed_commands()]
    commands = f"the commands are {', '.join(every)}"
    known = ["--help", "--version"] if name.startswith("-") else every
    return f"unknown command {name!r}; {did_you_mean(name, known, commands, _CALLED)}"


def _refuse(message: str) -> int:
    print(f"htmu: {one_line(message)}", file=sys.stderr)
    return REFUSED
