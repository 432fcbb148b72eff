"""Contracts for what others write: each takes an object and tries everything that the package demands of its kind.

    from htmu_diag.testing import check_probe
    def test_my_probe() -> None:
        check_probe(MyProbe(), model=net, batch=(inputs, targets), loss_fn=loss)

An object that breaks its contract raises AssertionError with what it did and what it must do.
"""

from htmu_diag.testing.formats import check_format
from htmu_diag.testing.laws import check_law
from htmu_diag.testing.operators import check_operator
from htmu_diag.testing.probes import check_probe
from htmu_diag.testing.sinks import check_sink

__all__ = ["check_format", "check_law", "check_operator", "check_probe", "check_sink"]
