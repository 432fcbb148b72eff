import pytest

from tests.monitor.helpers import Task


@pytest.fixture
def task() -> Task:
    return Task()
