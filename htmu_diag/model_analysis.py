"""The former name of `htmu_diag.offline`; gone in the next version."""

from __future__ import annotations

import warnings
from typing import Any

from htmu_diag import offline

warnings.warn("htmu_diag.model_analysis is now htmu_diag.offline; import it from there", DeprecationWarning, 2)


def __getattr__(name: str) -> Any:
    return getattr(offline, name)
