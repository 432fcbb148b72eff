"""The thread beside the training runs what it is given, whatever went wrong before."""

import errno

import pytest

from htmu_diag.recording import one_thread


def test_a_machine_without_descriptors_costs_the_limit_of_threads_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(**_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(one_thread, "threadpool_limits", none_left)
    told: list[BaseException] = []
    thread = one_thread.OneThread(told.append, "test")
    future = thread.submit(lambda: 3)
    assert future.result(timeout=30) == 3
    thread.close()
    assert [type(error) for error in told] == [OSError]
