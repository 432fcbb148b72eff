from tests.monitor.conftest import task

__all__ = ["task"]
