"""TensorBoard's two loaders of event files, as data providers."""

import time
import weakref
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.data import provider as base_provider
from tensorboard.data import server_ingester
from tensorboard.util import grpc_util

SAMPLES = {"htmu": 500}


def python_loader(folder: Path) -> base_provider.DataProvider:
    multiplexer = EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    return MultiplexerDataProvider(multiplexer, str(folder))


def rust_loader(folder: Path) -> base_provider.DataProvider:
    try:
        binary = server_ingester.get_server_binary()
    except server_ingester.NoDataServerError:
        pytest.skip("tensorboard's data server is not installed on this platform")
    ingester = server_ingester.SubprocessServerDataIngester(
        binary, str(folder), reload_interval=0, channel_creds_type=grpc_util.ChannelCredsType.LOCAL
    )
    ingester.start()
    weakref.finalize(ingester.data_provider, ingester._stdin_handle.close)  # the server ends with its standard input
    _wait_until_loaded(ingester.data_provider, folder)
    return ingester.data_provider


def _wait_until_loaded(provider: base_provider.DataProvider, folder: Path, limit: float = 20.0) -> None:
    """The server answers before it has read everything; a run is in its list once all of its files are read."""
    runs = {str(path.parent.relative_to(folder)) for path in folder.rglob("*tfevents*") if path.stat().st_size}
    end = time.monotonic() + limit
    while not runs <= {run.run_id for run in provider.list_runs(RequestContext(), experiment_id="")}:
        if time.monotonic() > end:
            break  # what is missing is the test's to find
        time.sleep(0.01)


LOADERS = [python_loader, rust_loader]
