"""What other installed packages bring, by the entry points of their ``pyproject.toml``.

    [project.entry-points."htmu_diag.probes"]
    mine = "my_package:MyProbe"                  called with the settings of the run, gives a probe

    [project.entry-points."htmu_diag.sinks"]
    mine = "my_package:MySink"                   called with the run's folder and settings, gives a sink

    [project.entry-points."htmu_diag.formats"]
    rock = "my_package:read"                     called with the path of a file *.rock, yields its ``StoredTensor``

    [project.entry-points."htmu_diag.commands"]
    dig = "my_package:run"                       called with the words after ``htmu dig``, gives the exit code

Nothing of a package is imported before its name is used.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from htmu_diag.errors import InputError
from htmu_diag.nearest import nearest, unexpected

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Group", "loaded", "made", "names", "takes"]

# what others call probes and sinks -> their names here
_CALLED = {
    "weight": "weights",
    "esd": "weights",
    "singular_values": "weights",
    "neural_tangent_kernel": "ntk",
    "tangent_kernel": "ntk",
    "kernel": "conjugate_kernel",
    "activations": "conjugate_kernel",
    "features": "conjugate_kernel",
    "ck": "conjugate_kernel",
    "fim": "fisher",
    "fisher_information": "fisher",
    "gauss_newton": "ggn",
    "curvature": "hessian",
    "sharpness": "hessian",
    "loss_curvature": "hessian",
    "sgd_noise": "gradient_noise",
    "noise_scale": "gradient_noise",
    "gradients": "gradient_noise",
    "optimizer_path": "trajectory",
    "path": "trajectory",
    "updates": "trajectory",
    "tb": "tensorboard",
    "html": "page",
    "report": "page",
    "terminal": "console",
    "stdout": "console",
    "json": "jsonl",
}

Group = Literal["probes", "sinks", "formats", "commands"]


def names(group: Group, own: Iterable[str]) -> list[str]:
    """What can be named: this package's own, then those of other packages, sorted."""
    own = sorted(own)
    return own + sorted(set(_installed(group)) - set(own))


def made(
    group: Group,
    name: str,
    own: Mapping[str, Callable[..., Any]],
    *values: Any,
    settings: Mapping[str, Any] | None = None,
) -> Any:
    """The object of that name: one of this package, or of an installed one, called with values and settings.

    Raises InputError for an unknown name, for a package that cannot be imported, and for settings it does not take.
    """
    make = own[name] if name in own else loaded(group, name, own)
    try:
        return make(*values, **(settings or {}))
    except TypeError as error:
        reason = unexpected(make, settings or {}) or error
        raise InputError(f"{group[:-1]} {name!r} with {dict(settings or {})}: {reason}") from error


def takes(function: object, *values: object, **named: object) -> bool:
    """Whether it can be called with these, as far as its signature tells."""
    if not callable(function):
        return False
    try:
        inspect.signature(function).bind(*values, **named)
    except TypeError:
        return False
    except ValueError:  # written in C, without a signature
        return True
    return True


def loaded(group: Group, name: str, own: Iterable[str] = ()) -> Callable[..., Any]:
    """What an installed package gives under that name. Raises InputError for an unknown one, own: known ones beside,
    and for a package that cannot be imported."""
    point = _installed(group).get(name)
    if point is None:
        known = names(group, own)
        near = nearest(name, known, _CALLED)
        hint = f" (did you mean {near!r}?)" if near else ""
        raise InputError(f"no {group[:-1]} {name!r}{hint}; known: {', '.join(known)}")
    try:
        make: Callable[..., Any] = point.load()
    except (ImportError, AttributeError) as error:
        package = point.dist.name if point.dist else point.value
        raise InputError(f"{group[:-1]} {name!r} of {package} cannot be imported ({error}); install it anew") from error
    return make


def _installed(group: Group) -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # 30 ms, which most commands never need

    return {point.name: point for point in entry_points(group=f"htmu_diag.{group}")}
