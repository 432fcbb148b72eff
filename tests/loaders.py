"""TensorBoard's two loaders of event files, as data providers."""

import weakref
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
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
    return ingester.data_provider


LOADERS = [python_loader, rust_loader]
