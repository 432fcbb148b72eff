"""The checksum is CRC-32C, and records are those of tensorboard's own writer, byte for byte."""

import io

import numpy as np
import pytest
from tensorboard.summary.writer.record_writer import RecordWriter

from htmu_diag.sinks.framing import crc32c, framed


@pytest.mark.parametrize(
    ("data", "checksum"),
    [(b"", 0), (b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43)],
)
def test_published_checksums(data: bytes, checksum: int) -> None:
    """RFC 3720, appendix B.4; the digits are the check value of the catalogue of CRCs."""
    assert crc32c(data) == checksum


@pytest.mark.parametrize("length", [0, 1, 255, 256, 257, 511, 512, 5000])
def test_records_are_those_of_tensorboards_writer(length: int) -> None:
    data = np.random.default_rng(length).bytes(length)
    buffer = io.BytesIO()
    RecordWriter(buffer).write(data)
    assert framed(data) == buffer.getvalue()


def test_one_bit_anywhere_changes_the_checksum() -> None:
    data = np.random.default_rng(0).bytes(600)
    flipped = [data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :] for at in (0, 87, 88, 343, 344, 599)]
    assert len({crc32c(data), *map(crc32c, flipped)}) == 7
