"""The widget in a real JupyterLab: a cell is run, the views draw inside its output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import free_port, wait_for
from tests.browser.runs import NAMES
from tests.browser.stored import store

pytestmark = pytest.mark.skipif(
    find_spec("jupyterlab") is None or find_spec("anywidget") is None, reason="needs jupyterlab and anywidget"
)


def environment(settings: Path) -> dict[str, str]:
    """This code in the kernel, no settings of the user's; JupyterLab's extensions from beside its packages."""
    anywidget = find_spec("anywidget")
    assert anywidget is not None
    assert anywidget.origin is not None
    prefix = Path(anywidget.origin).parents[4]  # not sys.prefix, where one environment lies over another
    return {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "JUPYTER_CONFIG_DIR": str(settings),
        "JUPYTER_CONFIG_PATH": str(prefix / "etc" / "jupyter"),
        "JUPYTER_PATH": str(prefix / "share" / "jupyter"),
    }


def end(lab: subprocess.Popen[bytes]) -> None:
    """Its own end, in which it waits for its kernels, is not looked at: killed, they end by themselves."""
    lab.terminate()
    try:
        lab.wait(30)
    except subprocess.TimeoutExpired:
        lab.kill()
        lab.wait()


def test_a_run_is_shown_inside_a_notebook(open_page: Callable[..., Any], tmp_path: Path) -> None:
    for name, rate in (("run", 1.0), ("two", 3.0), ("three", 2.0)):
        store(tmp_path / name, rate, steps=(0, 40, 80), names=NAMES[:3])
    cell = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "id": "one"}
    source = 'from htmu_diag import load_run\nload_run("run").show(load_run("two"), load_run("three"))'
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"cells": [{**cell, "source": source}], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "look.ipynb").write_text(json.dumps(notebook))
    port = free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=localhost", f"--port={port}"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    lab = subprocess.Popen(
        [*command, "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True"],
        cwd=tmp_path,
        env=environment(tmp_path),
        **quiet,
    )
    try:
        wait_for(f"http://localhost:{port}/api")
        page = open_page(f"http://localhost:{port}/lab/tree/look.ipynb")
        page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
        page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").first.wait_for()  # the kernel is there
        page.keyboard.press("Shift+Enter")
        page.locator(".htmu.embedded .body:not([hidden])").wait_for(timeout=90_000)
        assert page.locator(".htmu .name").inner_text() == f"{NAMES[0]}, 48 × 96, step 80"
        keys = page.locator(".htmu .right .legend.runs").inner_text()
        assert keys.split("\n") == ["run (this run)", "two", "three"]
        page.locator(".htmu .time input").evaluate("(s) => { s.value = 0; s.dispatchEvent(new Event('input')); }")
        page.locator(".htmu .name", has_text="step 0").wait_for()
        page.close()  # its sockets end before the server does
    finally:
        end(lab)
