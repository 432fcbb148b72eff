"""What the Spectra page costs: event files, server, first request, a frame of scrubbing, the page without a server.

    python -m benchmarks.dashboard [--quick] [--default] [--log 400x100] [--loader Rust]

Two synthetic logs in the format of the sink, 50 layers x 500 steps and 400 x 100 (--quick: 10 x 50): the default, and
with every number as a scalar of its own (--default leaves the second out; it takes most of the time). Server: CPU time
and resident memory of TensorBoard and its data server after loading, with both loaders; "data MB" is the data server
alone (the Python loader has none of its own); a first row says what an empty log folder takes. Tab: from the address to
the drawn page (of an empty folder: to its sentence); shell: the part of it that TensorBoard takes before our frame
begins. Frame: one move of the slider, everything redrawn. Chromium.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.common import record as publish
from htmu_diag.analysis import Diagnosis, Options, StepRecord, diagnose
from htmu_diag.sinks import TensorBoardSink
from htmu_diag.sinks.page import write_page
from htmu_diag.spectrum import Kind, Source, Spectrum

SIDE = 128
FRAMES = 60
# milliseconds from the beginning of the page to that of our frame
SHELL = "document.querySelector('iframe').contentWindow.performance.timeOrigin - performance.timeOrigin"
LOADERS = {"Rust": "true", "Python": "false"}  # name -> --load_fast


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--default", action="store_true")
    parser.add_argument("--log", metavar="LAYERSxSTEPS", help="of this size alone")
    parser.add_argument("--loader", choices=list(LOADERS), help="this one alone")
    arguments = parser.parse_args()
    sizes = [(10, 50)] if arguments.quick else [(50, 500), (400, 100)]
    if arguments.log:
        layers, _, steps = arguments.log.partition("x")
        sizes = [(int(layers), int(steps))]
    loaders = [arguments.loader] if arguments.loader else list(LOADERS)
    ways = ("few",) if arguments.default else ("few", "all")
    rows: list[list[object]] = [_empty(loader) for loader in loaders]
    for layers, steps in sizes:
        with tempfile.TemporaryDirectory() as root:
            rows += _rows(Path(root), layers, steps, ways, loaders)
    columns = ["log", "loader", "file MB", "write ms a step", "load CPU s", "server MB", "data MB"]
    columns += ["1 quantity ms", "a layer ms", "tab s", "shell s"]
    note = f"Matrices of {SIDE} x {2 * SIDE}; times of requests are the fastest of five."
    publish("The Spectra page: files, server, requests", [*columns, "frame ms", "page MB"], rows, note)


def _empty(loader: str) -> list[object]:
    """TensorBoard's own share: its server over a folder without a run."""
    with tempfile.TemporaryDirectory() as folder:
        served = _serve(Path(folder), LOADERS[loader], asked=False)
    print(["no run", loader, *served], flush=True)
    return ["no run", loader, "-", "-", *served, *["-"] * 2]


def _rows(root: Path, layers: int, steps: int, ways: tuple[str, ...], loaders: list[str]) -> list[list[object]]:
    rows: list[list[object]] = []
    for how in ways:
        folder = root / how / "run"
        cost = _write(folder, layers, steps, how)
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        frame, page = (_frame(folder), _page_size(folder)) if how == "few" else ("-", "-")
        for name in loaders:
            served = _serve(folder.parent, LOADERS[name])
            about = f"{layers} x {steps}, {'default' if how == 'few' else 'all scalars'}"
            rows.append([about, name, round(size, 1), round(cost, 1), *served, frame, page])
            print(rows[-1], flush=True)
    return rows


def _base() -> list[Diagnosis]:
    rng = np.random.default_rng(0)
    found = []
    for heavy in (0.0, 0.5, 1.0, 1.5):
        scale = rng.pareto(1.5, (SIDE, 1)) ** heavy
        matrix = scale / scale.mean() * rng.standard_normal((SIDE, 2 * SIDE))
        values = np.linalg.eigvalsh(matrix @ matrix.T / (2 * SIDE))
        source = Source(Kind.WEIGHTS, "w", (SIDE, 2 * SIDE), 0, "eigenvalues")
        found.append(diagnose(Spectrum.exact(values, source), Options(bootstrap=30)))
    return found


def _write(folder: Path, layers: int, steps: int, how: Any) -> float:
    """Milliseconds of CPU time a step."""
    base, sink = _base(), TensorBoardSink(folder, scalars=how, figure_every=None)
    sink.open({"config": {"layers": layers}}, start_step=0)
    began = time.process_time()
    for step in range(steps):
        sink.write(StepRecord(step * 10, 1e9 + step, tuple(_of(base, layer, step) for layer in range(layers))))
    sink.close()
    return 1e3 * (time.process_time() - began) / steps


def _of(base: list[Diagnosis], layer: int, step: int) -> Diagnosis:
    found = base[(layer + step // 50) % len(base)]
    source = replace(found.source, name=f"blocks.{layer // 8}.part{layer % 8}.weight", step=step * 10)
    return replace(found, spectrum=replace(found.spectrum, source=source))


def _serve(folder: Path, loader: str, *, asked: bool = True) -> list[object]:
    """CPU seconds of loading, resident megabytes, fastest requests of one quantity and of one layer in milliseconds
    (asked), seconds of the tab and of the shell in it."""
    command = [
        sys.executable,
        "-m",
        "tensorboard.main",
        "--logdir",
        str(folder),
        "--port",
        "6299",
        "--load_fast",
        loader,
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        before = _until_loaded(server)
        address = "http://localhost:6299/data/plugin/htmu/"
        times: list[object] = ["-", "-"]
        if asked:
            times = [round(_fastest(f"{address}table?run=run&kind=weights&q=alpha"))]
            times += [round(_fastest(f"{address}density?run=run&kind=weights&layer=blocks.0.part3.weight"))]
        times += _opened("http://localhost:6299/#htmu", ".body" if asked else ".problem")
        sizes = {process.pid: process.memory_info().rss / 1e6 for process in _family(server)}
        data = sum(size for pid, size in sizes.items() if pid != server.pid)
        return [round(before, 1), round(sum(sizes.values())), round(data) or "-", *times]
    finally:
        for process in _family(server):
            process.terminate()
        server.wait()


def _until_loaded(server: subprocess.Popen[bytes]) -> float:
    """Wait until the server's CPU time stands still; returns it."""
    last, still = -1.0, 0
    while still < 4:
        time.sleep(1.0)
        now = sum(sum(process.cpu_times()[:2]) for process in _family(server))
        still = still + 1 if now - last < 0.05 and now > 1.0 else 0
        last = now
    return last


def _family(server: subprocess.Popen[bytes]) -> list[psutil.Process]:
    whole = psutil.Process(server.pid)
    return [*whole.children(recursive=True), whole]


def _fastest(url: str) -> float:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        with urllib.request.urlopen(url, timeout=120) as answer:
            answer.read()
        times.append(time.perf_counter() - began)
    return 1e3 * min(times)


def _page_size(folder: Path) -> float:
    return round(write_page([folder], folder.parent.parent / "page.html").stat().st_size / 1e6, 2)


def _opened(url: str, shown: str) -> list[float]:
    """Seconds from the address to what is shown, and to the beginning of our frame in it: the fastest of three, the
    browser's cache warm after the first."""
    from playwright.sync_api import sync_playwright

    times = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 1400})
        for _ in range(3):
            page = context.new_page()
            began = time.perf_counter()
            page.goto(url)
            page.frame_locator("iframe").first.locator(f".htmu {shown}:not([hidden])").wait_for()
            whole = time.perf_counter() - began
            times.append((whole, page.evaluate(SHELL) / 1e3))
            page.close()
        browser.close()
    return [round(seconds, 2) for seconds in min(times)]


def _frame(folder: Path) -> float:
    """Milliseconds of one frame of scrubbing on the page: the fastest quarter's median, since other work interferes."""
    from playwright.sync_api import sync_playwright

    page_file = write_page([folder], folder.parent.parent / "page.html")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(channel=None, executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 1400}).new_page()
        page.goto(page_file.as_uri())
        page.locator(".htmu .body:not([hidden])").wait_for()
        times = page.evaluate(
            """async (frames) => { const slider = document.querySelector(".time input"); const out = [];
            for (let i = 0; i < frames; i++) { slider.value = i % Number(slider.max); const t = performance.now();
              slider.dispatchEvent(new Event("input")); out.push(performance.now() - t);
              await new Promise(requestAnimationFrame); } return out; }""",
            FRAMES,
        )
        browser.close()
    return round(float(np.median(np.sort(times)[: FRAMES // 4])), 1)


if __name__ == "__main__":
    main()
