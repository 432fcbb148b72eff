"""``rich`` is imported here first: its import draws from Python's global generator, and no training may see that."""

from htmu_diag.undisturbed import undisturbed

with undisturbed():
    import rich.style  # noqa: F401
