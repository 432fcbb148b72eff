"""What a run says about itself is asked of no other program."""

import platform
import subprocess

import pytest

from htmu_diag.storage import run_info


def test_describing_a_run_starts_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of somebody may hold a ``uname``, and be the first of the PATH."""
    started: list[object] = []

    def refused(*arguments: object, **options: object) -> None:
        started.append(arguments)
        raise OSError

    monkeypatch.setattr(platform, "_uname_cache", None)
    monkeypatch.setattr(platform, "_platform_cache", {})
    monkeypatch.setattr(subprocess, "Popen", refused)
    monkeypatch.setattr(subprocess, "check_output", refused)
    found = run_info()["platform"]
    assert started == []
    assert found.startswith(f"{platform.system()}-{platform.release()}-")
