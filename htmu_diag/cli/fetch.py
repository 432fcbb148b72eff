"""``htmu fetch NAME [--root DIR]``: the only command that downloads anything."""

from __future__ import annotations

from collections.abc import Sequence

from htmu_diag.cli.arguments import Arguments

__all__ = ["parser", "run"]

EPILOG = """\
examples:
  htmu fetch cifar10
  htmu fetch mnist --root /data        (then: htmu train ... --data.name=mnist --data.root=/data)
"""


def run(arguments: Sequence[str]) -> int:
    """Download mnist or cifar10 through torchvision into a folder; returns 0."""
    given = parser().parse_args(arguments)
    from htmu_diag.training.datasets.torchvision_images import fetch  # imports torch: after the arguments are checked

    fetch(given.name, given.root)
    print(f"{given.name} is in {given.root}")
    return 0


def parser() -> Arguments:
    """Of everything that ``htmu fetch`` takes."""
    made = Arguments(prog="htmu fetch", description="Download a data set for `htmu train`.", epilog=EPILOG)
    made.add_argument("name", choices=["mnist", "cifar10"], help="the data set")
    made.add_argument("--root", default="data", metavar="DIR", help="folder for its files (default: data)")
    return made
