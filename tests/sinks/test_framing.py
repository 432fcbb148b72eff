"""Records are those of tensorboard's own writer, byte for byte."""

import io

import numpy as np
import pytest
from tensorboard.summary.writer.record_writer import RecordWriter

from htmu_diag.sinks.framing import framed


@pytest.mark.parametrize("length", [0, 1, 255, 256, 5000])
def test_records_are_those_of_tensorboards_writer(length: int) -> None:
    data = np.random.default_rng(length).bytes(length)
    buffer = io.BytesIO()
    RecordWriter(buffer).write(data)
    assert framed(data) == buffer.getvalue()
