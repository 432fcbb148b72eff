"""``htmu train CONFIG [--key.sub=value ...] [--out DIR] [--resume]``.

The configuration is checked and the output folder is refused or accepted before torch is imported.
"""

from __future__ import annotations

import datetime
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from htmu_diag.cli.arguments import Arguments
from htmu_diag.config import TrainConfig, bundled, config_parser, joined, keys, load_config, set_in_vain, to_yaml
from htmu_diag.errors import ConfigError, StorageError
from htmu_diag.own_process import importing

__all__ = ["parser", "run"]

EPILOG = """\
examples:
  htmu train digits_mlp
  htmu train digits_mlp --optimizer.lr 0.05 --out runs/slow
  htmu train digits_mlp --model.widths=[256,256] --data.random_labels=1
  htmu train digits_mlp --print-config > mine.yaml && htmu train mine.yaml --steps 20000
"""


def run(arguments: Sequence[str]) -> int:
    """Train; returns 0, or 130 after an interruption that was saved."""
    made = parser()
    known, overrides = made.parse_known_args(joined(arguments, keys(), made.options()))
    config = load_config(known.config, overrides)
    for key, name in set_in_vain(config).items():
        print(f"htmu: {key} has no effect: {name} does not use it", file=sys.stderr)
    if known.print_config:
        print(to_yaml(config), end="")
        return 0
    out = Path(known.out) if known.out else _default_folder(known.config)
    _refuse_occupied(out, resume=known.resume)
    return _train(config, out, known.resume)


def _train(config: TrainConfig, out: Path, resume: bool) -> int:
    with importing():
        from htmu_diag.training.session import run_session  # imports torch: arguments are known to be right

    return run_session(config, out, resume=resume)


def parser() -> Arguments:
    """Of what ``htmu train`` takes beside the keys of the configuration."""
    made = Arguments(
        prog="htmu train",
        description="Train a model from a YAML file and watch its spectra. Any key of the file can be overridden.",
        epilog=f"{EPILOG}\nconfigurations that come with the package: {', '.join(bundled())}\n\n"
        f"keys and their defaults:\n{_keys_help()}",
        usage="htmu train CONFIG [--key.sub=value ...] [--out DIR] [--resume] [--print-config]",
    )
    made.add_argument("config", metavar="CONFIG", help="a YAML file, or the name of one that comes with the package")
    made.add_argument("--out", metavar="DIR", help="the run's folder (default: runs/<config name>-<time>)")
    made.add_argument("--resume", action="store_true", help="continue the run in --out from its newest checkpoint")
    made.add_argument("--print-config", action="store_true", help="print the complete configuration and stop")
    return made


def _keys_help() -> str:
    keys = config_parser().format_help().partition("\n\n")[2]  # after the usage
    return re.sub(r"  --\w+ CONFIG .*\n", "", keys)


def _default_folder(config: str) -> Path:
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    return Path("runs") / f"{Path(config).stem}-{stamp}"


def _refuse_occupied(out: Path, *, resume: bool) -> None:
    if resume and not any(out.glob("checkpoints/*.pt")):
        raise ConfigError(f"--resume: {out} has no checkpoint; leave --resume out, or name the run's folder with --out")
    if out.exists() and not out.is_dir():
        raise StorageError(f"--out: {out} is a file; name a folder")
    if not resume and out.is_dir() and any(out.iterdir()):
        raise StorageError(f"--out: {out} is not empty; name another folder, or add --resume to continue that run")
