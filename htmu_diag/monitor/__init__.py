"""The one object with state: probes and their schedules on one side, store, diagnosis and sinks on the other."""

from htmu_diag.monitor.monitor import Monitor
from htmu_diag.monitor.watch import watch

__all__ = ["Monitor", "watch"]
