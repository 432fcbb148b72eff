"""A law as a scipy.stats distribution, for code that wants one (``expect``, ``fit`` of loc and scale)."""

from __future__ import annotations

import math
from typing import Any

from scipy import stats

from htmu_diag.arguments import checked, instance
from htmu_diag.laws.base import ContinuousLaw, require
from htmu_diag.spectrum import Floats

__all__ = ["as_rv_continuous"]


@checked(law=instance("a law of htmu_diag.laws", ContinuousLaw))
def as_rv_continuous(law: ContinuousLaw) -> stats.rv_continuous:
    """The same law as a ``scipy.stats.rv_continuous`` with the usual loc = 0 and scale = 1.

    Raises InputError for a law with an atom (MarchenkoPastur with gamma > 1): rv_continuous has none.

    >>> from htmu_diag.laws import PowerLaw
    >>> round(float(as_rv_continuous(PowerLaw(3.0)).expect(lambda x: 1 / x)), 6)
    0.666667
    """
    name = type(law).__name__
    require(law.atom == 0.0, name, f"an atom of mass {law.atom:.3g} at zero", "adapt the law of the nonzero part")
    low, high = law.support()
    return _Adapted(law, a=low, b=high, name=name)


class _Adapted(stats.rv_continuous):  # type: ignore[misc]
    def __init__(self, law: ContinuousLaw, **keywords: Any) -> None:
        self._law = law
        super().__init__(**keywords)

    def _updated_ctor_param(self) -> dict[str, Any]:
        return {**super()._updated_ctor_param(), "law": self._law}

    def _pdf(self, x: Floats) -> Floats:
        return self._law.pdf(x)

    def _logpdf(self, x: Floats) -> Floats:
        return self._law.logpdf(x)

    def _cdf(self, x: Floats) -> Floats:
        return self._law.cdf(x)

    def _sf(self, x: Floats) -> Floats:
        return self._law.sf(x)

    def _logcdf(self, x: Floats) -> Floats:
        return self._law.logcdf(x)

    def _logsf(self, x: Floats) -> Floats:
        return self._law.logsf(x)

    def _ppf(self, q: Floats) -> Floats:
        return self._law.ppf(q)

    def _isf(self, q: Floats) -> Floats:
        return self._law.isf(q)

    def _stats(self) -> tuple[float, float, None, None]:
        mean = self._law.mean()
        return mean, self._law.var() if math.isfinite(mean) else math.nan, None, None
