"""Errors: each message says what is wrong, which thing it is, and what to do about it."""

__all__ = ["ConfigError", "HTMUError", "InputError", "MeasurementError", "MissingPackage", "StorageError"]


class HTMUError(Exception):
    """The base of every error that htmu_diag raises on purpose."""


class InputError(HTMUError, ValueError):
    """A value, an array or a parameter lies outside what the function is defined for."""


class MeasurementError(HTMUError, RuntimeError):
    """A spectrum cannot be measured on this model: no second derivative, a sparse weight, a missing batch."""


class MissingPackage(HTMUError, ModuleNotFoundError):
    """A package that this package does without most of the time is not installed."""


class StorageError(HTMUError, OSError):
    """A run folder cannot be written, is locked by another process, or holds what cannot be read."""


class ConfigError(HTMUError, ValueError):
    """A configuration file or a command line has an unknown key or a value of the wrong type."""
