"""The configurations that come with the package, by name: ``digits_mlp`` is ``configs/digits_mlp.yaml``.

They lie in the folder ``configs`` of the source tree and are copied into the wheel, so that there is one of each.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["bundled", "bundled_path"]

_PACKAGE = Path(__file__).parents[1]
_PLACES = (_PACKAGE / "configs", _PACKAGE.parent / "configs")  # installed, or a source tree


def bundled() -> tuple[str, ...]:
    """The names, sorted."""
    folder = _folder()
    return () if folder is None else tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def bundled_path(name: str) -> Path | None:
    """The file of that name; None where there is none."""
    folder = _folder()
    return folder / f"{name}.yaml" if folder is not None and name in bundled() else None


def _folder() -> Path | None:
    return next((place for place in _PLACES if (place / "digits_mlp.yaml").is_file()), None)
