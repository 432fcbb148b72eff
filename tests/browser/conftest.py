"""A real browser, a server for each of TensorBoard's loaders, and pages whose console must stay silent."""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.runs import HOSTILE, NAMES, STEPS, write

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
# a link of the same page is opened; done once the page has heard of it
FOLLOW = """(state) => new Promise((done) => {
  window.addEventListener("hashchange", () => done(), { once: true });
  window.location.hash = state;
})"""
IGNORED = ("Multiple instances of Three.js", "Lit is in dev mode")  # of TensorBoard's and JupyterLab's own pages


def chromium() -> str | None:
    """The browser: HTMU_CHROMIUM, or the first one on the path."""
    named = os.environ.get("HTMU_CHROMIUM")
    return named or next((path for name in CHROMIUM if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = chromium()
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("no browser in CI: .ci/run installs one and names it in HTMU_CHROMIUM")
        pytest.skip("no Chromium here: install it, or name one in HTMU_CHROMIUM")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield made
        made.close()


@pytest.fixture(scope="session")
def contexts(browser: Any) -> Callable[[bool, int], Any]:
    """Profiles by (dark, width), each made once: TensorBoard's own megabytes are fetched and compiled once."""

    @functools.cache
    def made(dark: bool, width: int) -> Any:
        return browser.new_context(
            locale="en-US",  # uPlot refuses the POSIX locale
            viewport={"width": width, "height": 1400},
            color_scheme="dark" if dark else "light",
        )

    return made


@pytest.fixture(scope="session")
def told() -> list[str]:
    """What reached the console of any page."""
    return []


@pytest.fixture(scope="session")
def new_page(contexts: Callable[[bool, int], Any], told: list[str]) -> Callable[..., Any]:
    """new_page(dark=False, width=1280): an empty page, overheard."""

    def made(*, dark: bool = False, width: int = 1280) -> Any:
        page = contexts(dark, width).new_page()
        page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
        page.set_default_timeout(60_000)
        page.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: told.append(f"{error}"))
        page.on("dialog", lambda dialog: (told.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        return page

    return made


@pytest.fixture
def silent(told: list[str]) -> Iterator[None]:
    """At the end of the test no error may have reached any console."""
    told.clear()
    yield
    assert [text for text in told if not any(part in text for part in IGNORED)] == []


@pytest.fixture
def open_page(new_page: Callable[..., Any], silent: None) -> Iterator[Callable[..., Any]]:
    """open(url, dark=False, width=1280): a page of this test alone."""
    pages = []

    def opened(url: str, **how: Any) -> Any:
        pages.append(new_page(**how))
        pages[-1].goto(url)
        return pages[-1]

    yield opened
    for page in pages:
        page.close()


@pytest.fixture(scope="session")
def loaded() -> dict[str, Any]:
    """Pages that tests share, by their address without its state."""
    return {}


@pytest.fixture
def follow(new_page: Callable[..., Any], loaded: dict[str, Any], silent: None) -> Callable[[str], Any]:
    """follow(url): the page of that address, loaded once; what comes after its # is followed as a link is."""
    number = itertools.count()

    def followed(url: str) -> Any:
        address, _, state = url.partition("#")
        if address not in loaded:
            loaded[address] = new_page()
            loaded[address].goto(url)
        else:
            loaded[address].evaluate(FOLLOW, f"{state}&{next(number)}")  # another one, even where it is the same view
        return loaded[address]

    return followed


class Server:
    """A TensorBoard on a folder."""

    def __init__(self, folder: Path, *, fast: bool) -> None:
        self.port = free_port()
        loader = "true" if fast else "false"
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, "--load_fast", loader, "--reload_interval", "1"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(f"http://localhost:{self.port}/data/plugins_listing")

    def url(self, **state: str | int) -> str:
        """The Spectra tab with a state in its address."""
        parts = "".join(f"&p.htmu.{key}={value}" for key, value in state.items())
        return f"http://localhost:{self.port}/#htmu{parts}"

    def frame(self, **state: str | int) -> str:
        """The tab's own frame with a state in its address, without the two seconds of TensorBoard around it."""
        address, _, parts = self.url(**state).partition("#")
        return f"{address}data/plugin_entry.html?name=htmu#{parts}"

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("logs")
    write(root / "slow", 1.0)
    write(root / "fast", 3.0, names=(*NAMES, HOSTILE))
    write(root / "short", 2.0, steps=STEPS[:8], names=NAMES[:4])
    return root


@pytest.fixture(scope="session")
def server(runs: Path) -> Iterator[Server]:
    """Over the loader that TensorBoard takes by itself. What the routes answer over each loader is compared in
    tests/tensorboard_plugin; a browser sees the other one in the test of a run that grows."""
    made = Server(runs, fast=True)
    yield made
    made.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process for all of them (`pytest --dist loadgroup`): one browser, one server, one pair of runs."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group("browser"))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        port: int = found.getsockname()[1]
    return port


def wait_for(url: str, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
