"""The job's key-value store: long values come back whole, and an attempt does not hear the one before."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
import torch.distributed as dist
from torch.distributed.distributed_c10d import _get_default_store

from htmu_diag.errors import MeasurementError
from htmu_diag.ranks import gather
from htmu_diag.ranks.job import PIECE, Job, another, join, receive, send


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A job of this process alone, whose keys begin anew."""
    monkeypatch.setattr("htmu_diag.ranks.gather._COUNT", itertools.count())
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize("length", [0, 1, PIECE, 2 * PIECE + 7])
def test_a_value_of_any_length_is_received_once(length: int) -> None:
    store = Job("test", length).connection()
    value = bytes(i % 251 for i in range(length))
    send(store, "key", value)
    assert receive(store, "key") == value
    assert not store.check(["key"])
    assert not store.check(["key/0"])


@pytest.mark.parametrize("kind", ["tcp", "file"])
def test_another_connection_is_to_the_same_store_and_not_held_by_a_thread_that_waits(kind: str, tmp_path: Path) -> None:
    tcp = kind == "tcp"
    first = (
        dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        if tcp
        else dist.FileStore(str(tmp_path / "store"))
    )
    own = another(dist.PrefixStore("job", first))
    with ThreadPoolExecutor(1) as threads:
        waited = threads.submit(first.get, "key")
        assert not wait([waited], timeout=0.1).done
        own.set("key", "value")
        assert waited.result(timeout=20) == b"value"


@pytest.mark.usefixtures("job")
def test_a_restarted_analysis_does_not_die_of_the_error_of_the_attempt_before(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        with pytest.raises(MeasurementError, match="rank 1: injected"), gather.Ranks(limit=1.0) as ranks:
            ranks.world = 2
            list(ranks.gathered([], owners=[1]))

    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    Job("analyze", 0).connection().set("failed/1", "injected")
    fails()
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    monkeypatch.setattr("htmu_diag.ranks.gather._COUNT", itertools.count())
    with gather.Ranks(limit=1.0) as ranks:
        assert list(ranks.gathered([(0, "layer")], owners=[0])) == [(0, "layer")]
        assert not Job("analyze", 0).connection().check(["failed/1"])
        send(Job("analyze", 0).connection(), "item/1", b"\x80\x04N.")  # the pickle of None
        ranks.world = 2
        assert list(ranks.gathered([], owners=[0, 1])) == [(1, None)]


def test_each_attempt_joins_a_job_without_the_addresses_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # torchrun's, which outlives attempts
    environment = {"RANK": 0, "WORLD_SIZE": 1, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": agent.port}
    for name, value in {**environment, "TORCHELASTIC_USE_AGENT_STORE": True}.items():
        monkeypatch.setenv(name, str(value))
    found = []
    for attempt in ("0", "0", "1"):
        monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", attempt)
        join(10.0)
        found.append(_get_default_store().check(["address"]))
        _get_default_store().set("address", "of a rank that is gone")
        dist.destroy_process_group()
    assert found == [False, True, False]
