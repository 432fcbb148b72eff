"""A diagnosis read back: its numbers and words at once, its spectrum and its fits when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from htmu_diag.analysis import Diagnosis, Options, Reading, diagnose
from htmu_diag.spectrum import Source, Spectrum

__all__ = ["StoredDiagnosis"]


class StoredDiagnosis:
    """Has every attribute of `Diagnosis`; what is not stored (tail, bulk, htmp, ...) is fitted at its first use.

    reading: what was said. load: reads the spectrum. options: of the fits.
    """

    def __init__(self, reading: Reading, load: Callable[[], Spectrum], options: Options) -> None:
        self.reading, self._load, self._options = reading, load, options

    @property
    def source(self) -> Source:
        return self.reading.source

    @property
    def numbers(self) -> Mapping[str, float]:
        """As stored: to the last bit those of `Diagnosis.numbers`."""
        return self.reading.numbers

    @property
    def verdict(self) -> str:
        return self.reading.verdict

    @property
    def prediction_stands(self) -> bool:
        return self.reading.prediction_stands

    def metrics(self) -> dict[str, float]:
        return self.reading.metrics()

    def row(self) -> dict[str, Any]:
        return self.reading.row()

    @cached_property
    def spectrum(self) -> Spectrum:
        """Raises DamagedRecord."""
        return self._load()

    @cached_property
    def _again(self) -> Diagnosis:
        """Everything again, with its laws: milliseconds. Raises DamagedRecord."""
        return diagnose(self.spectrum, self._options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._again, name)
