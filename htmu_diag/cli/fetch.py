"""``htmu fetch NAME [--root DIR]``: the only command that downloads anything."""

from __future__ import annotations

from collections.abc import Sequence

from htmu_diag.cli.arguments import Arguments

__all__ = ["run"]


def run(arguments: Sequence[str]) -> int:
    """Download mnist or cifar10 through torchvision into a folder; returns 0."""
    parser = Arguments(prog="htmu fetch", description="Download a data set for `htmu train`.")
    parser.add_argument("name", choices=["mnist", "cifar10"], help="the data set")
    parser.add_argument("--root", default="data", metavar="DIR", help="folder for its files (default: data)")
    given = parser.parse_args(arguments)
    from htmu_diag.training.datasets.torchvision_images import fetch  # imports torch: after the arguments are checked

    fetch(given.name, given.root)
    print(f"{given.name} is in {given.root}")
    return 0
