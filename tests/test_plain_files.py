"""Only regular files of a bounded size and depth are read; nothing waits, nothing exhausts memory or the stack."""

import io
import json
import os
import socket
from pathlib import Path

import pytest

from htmu_diag import plain_files
from htmu_diag.errors import InputError
from htmu_diag.plain_files import DEEPEST, loads_json, open_plain, read_bytes, read_json


@pytest.mark.parametrize("kind", ["fifo", "folder", "/dev/zero", "link to /dev/zero"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "config.json"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "/dev/zero":
        path = Path(kind)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(InputError, match="not a regular file"):
        read_json(path)


def test_a_socket_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        with pytest.raises((InputError, OSError)):
            read_bytes(path)


def test_a_regular_file_of_the_system_that_gives_nothing_is_refused(tmp_path: Path) -> None:
    """As /proc/kmsg does, to those who may open it; a pipe stands for it here."""
    read, write = os.pipe2(os.O_NONBLOCK)
    with plain_files._Unfailing(read, "kmsg") as raw, io.BufferedReader(raw) as file:
        for access in (file.read, lambda: file.read(64)):
            with pytest.raises(InputError, match="gives nothing now"):
                access()
    os.close(write)


def test_a_link_to_a_regular_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"[1]")
    (tmp_path / "config.json").symlink_to(tmp_path / "blob")
    assert read_json(tmp_path / "config.json") == [1]


def test_a_file_of_the_limit_is_read_and_one_byte_more_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    assert read_bytes(tmp_path / "a", limit=100) == b"x" * 100
    with pytest.raises(InputError, match="larger than 99 bytes"):
        read_bytes(tmp_path / "a", limit=99)


def test_a_sparse_file_of_a_terabyte_is_not_read_into_memory(tmp_path: Path) -> None:
    with (tmp_path / "config.json").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match="larger than"):
        read_json(tmp_path / "config.json")


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "missing"])
def test_names_that_no_file_can_have_raise_what_callers_expect(tmp_path: Path, name: str) -> None:
    with pytest.raises((InputError, OSError)):
        open_plain(os.fspath(tmp_path) + "/" + name)


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"b":['])
def test_json_nested_a_hundred_thousand_deep_is_refused(tmp_path: Path, opening: str) -> None:
    (tmp_path / "config.json").write_text(opening * 100_000)
    with pytest.raises(InputError, match="nested deeper"):
        read_json(tmp_path / "config.json")


def test_json_of_the_deepest_level_is_read_and_one_more_is_refused() -> None:
    assert loads_json("[" * DEEPEST + "]" * DEEPEST)
    with pytest.raises(InputError, match="deeper"):
        loads_json("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1))


def test_brackets_in_strings_and_side_by_side_are_not_levels() -> None:
    value = {'[[[{{{"\\' * 200: "[" * 1000, "flat": [[]] * 1000}
    assert loads_json(json.dumps(value)) == value


@pytest.mark.parametrize("text", ['{"a": 1', "nope", '"\\ud8', "", "1" * 5000, "-" + "9" * 401])
def test_what_is_no_json_is_one_sentence_with_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match="config.json: .*; write or download it again"):
        read_json(tmp_path / "config.json")


def test_bytes_that_are_no_text_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        read_json(tmp_path / "config.json")


def test_lines_of_a_log_end_before_one_without_bound(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        file.write(b"a\nb\nc")
        file.seek(0)
    with (tmp_path / "log").open("rb") as file:
        assert list(plain_files.complete_lines(file)) == [b"a", b"b"]
    os.truncate(tmp_path / "log", 2**40)
    found: list[bytes] = []
    with (tmp_path / "log").open("rb") as file, pytest.raises(InputError, match="a line of more than 1,000 bytes"):
        found.extend(plain_files.complete_lines(file, longest=1000))
    assert found == [b"a", b"b"]
