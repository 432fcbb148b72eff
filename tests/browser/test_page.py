"""The page opened from a disk: the same views, no server, no request."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from htmu_diag.sinks.page import write_page
from tests.browser.runs import HOSTILE, NAMES

Open = Callable[..., Any]
Follow = Callable[[str], Any]


# keys on the heat map, each once the view before has been drawn; how many there were
PRESS = """async (keys) => {
  const [root, heat] = [".htmu", ".heat"].map((name) => document.querySelector(name));
  for (const key of keys) {
    heat.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    do await new Promise((done) => setTimeout(done)); while (root.getAttribute("aria-busy") === "true");
  }
  return keys.length;
}"""


@pytest.fixture(scope="module")
def address(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_page(
        [runs / name for name in ("slow", "fast", "short")], tmp_path_factory.mktemp("page") / "x y.html"
    ).as_uri()


def drawn(page: Any) -> Any:
    page.locator(".htmu:not([aria-busy=true]) .body:not([hidden])").wait_for()
    return page


def test_the_page_draws_from_a_disk_without_asking_anybody(address: str, open_page: Open) -> None:
    page = open_page("about:blank")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    drawn(page)
    assert page.locator(".name").inner_text().startswith(f"{NAMES[0]}, 48 × 96, step 200")
    assert [url for url in asked if not url.startswith(("file:", "blob:", "data:"))] == []


def test_a_view_of_the_page_can_be_sent_and_is_kept_in_its_address(address: str, follow: Follow) -> None:
    page = drawn(follow(f"{address}#layer={NAMES[4]}&step=60&other=fast&colour=alpha-alpha_noise"))
    assert page.locator(".name").inner_text().endswith("step 60")
    assert page.locator(".legend.lines").inner_text().endswith("other run")
    page.locator(".heat").focus()
    page.keyboard.press("ArrowLeft")
    page.locator(".name", has_text="step 40").wait_for()
    page.wait_for_url(re.compile("#.*step=40"))


def test_the_page_follows_the_systems_dark_mode_and_narrow_screens(address: str, open_page: Open) -> None:
    page = drawn(open_page(f"{address}#run=fast&layer={HOSTILE}", dark=True, width=700))
    assert page.locator("main.dark").count() == 1
    assert page.locator(".name").inner_text().startswith(HOSTILE)
    width = page.locator(".overview").evaluate("(e) => getComputedStyle(e).gridTemplateColumns.split(' ').length")
    assert width == 1


def test_a_link_to_a_layer_that_is_not_there_says_so(address: str, follow: Follow) -> None:
    page = drawn(follow(f"{address}#layer=gone.weight"))
    told = page.locator(".status").inner_text()
    assert told == f'The layer "gone.weight" is not in this run; this is "{NAMES[0]}".'


def test_what_was_not_measured_is_no_verdict_and_the_list_says_what_the_letters_say(
    address: str, follow: Follow
) -> None:
    page = drawn(follow(f"{address}#run=slow"))
    assert page.locator(".over .legend").inner_text().split("\n")[-1] == "not measured"  # one layer at step 40
    heads = page.locator(".firsts th").all_inner_texts()
    assert [text.replace("\n", " ") for text in heads] == ["layer ▾", "left noise", "first spike", "first heavy tail"]
    page.get_by_label("kind").select_option("hessian")
    page.locator(".overview").wait_for(state="hidden")
    assert "no predicted exponent" in page.locator(".panel .said").inner_text()
    assert not page.locator(".panel .scatter").is_visible()


def test_playing_stops_at_the_last_measurement(address: str, follow: Follow) -> None:
    page = drawn(follow(f"{address}#step=120"))
    page.get_by_label("play").click()
    page.locator(".name", has_text="step 200").wait_for()
    page.locator(".time button", has_text="▶").wait_for()
    assert "step 200" in page.locator(".name").inner_text()


def test_every_drawing_of_two_layers_at_every_step_ends(address: str, follow: Follow) -> None:
    """Ranges whose lower end lies just under a power of ten made uPlot's own logarithmic ticks run for ever."""
    page = drawn(follow(f"{address}#run=slow&layer={NAMES[0]}"))
    keys = [*["ArrowLeft"] * 11, "ArrowDown", *["ArrowRight"] * 11]
    for how in ("density", "share above λ", "share per decade"):
        page.get_by_role("button", name=how).click()
        assert page.evaluate(PRESS, keys) == len(keys)
    assert page.locator(".uplot").first.is_visible()
    assert page.locator(".name").inner_text().startswith(f"{NAMES[3]}, ")  # three layers further


def test_a_link_that_is_followed_is_the_view_that_it_opens_afresh(address: str, follow: Follow) -> None:
    page = drawn(follow(f"{address}#run=fast&step=40&colour=log_kappa&view=table"))
    drawn(follow(f"{address}#run=slow&layer={NAMES[4]}&step=60"))
    assert page.locator(".name").inner_text().startswith(f"{NAMES[4]}, 64 × 64, step 60")
    assert page.locator(".over h2").inner_text().startswith("phase of 12 layers")
    assert page.locator(".numbers").count() == 0  # the view is that of a fresh page again
    page.evaluate("window.location.hash = '#nothing'")  # an address that says nothing is given the view
    page.wait_for_url(re.compile(f"#.*layer={NAMES[4]}&step=60"))
    assert page.locator(".name").inner_text().startswith(f"{NAMES[4]}, 64 × 64, step 60")


def test_every_run_that_the_page_was_asked_for_has_its_curves(address: str, follow: Follow) -> None:
    page = drawn(follow(f"{address}#view=compare"))
    keys = page.locator(".right .legend.runs")
    assert keys.inner_text().split("\n") == ["slow (this run)", "fast", "short"]
    assert page.get_by_label("compare with").input_value() == "*"
    medians = page.locator(".panel .path .chart:visible")
    assert "3 runs" in (medians.first.get_attribute("aria-label") or "")
    page.locator(".more-runs summary").click()
    page.locator(".more-runs").get_by_label("short").uncheck()
    page.wait_for_url(re.compile("#.*other=fast"))
    assert keys.inner_text().split("\n") == ["slow (this run)", "fast"]
    page.get_by_label("compare with").select_option("no other run")
    page.wait_for_url(re.compile("#.*other=(&|$)"))
    assert keys.inner_text() == ""
    page = drawn(follow(f'{address}#other=["short","gone"]&kind=ntk&view=path'))
    assert page.locator(".status").inner_text() == 'The run "gone" is not here.'
    assert page.locator(".panel .legend.runs").inner_text().split("\n") == ["slow (this run)", "short"]


def test_laws_of_the_lowest_values_and_every_outlier_are_drawn(address: str, follow: Follow) -> None:
    page = drawn(follow(f"{address}#kind=ntk&other="))
    key = page.locator(".legend.lines").inner_text().split("\n")
    assert {"power law of the lower tail (dotted: ruled out)", "inverse Gamma near zero"} < {*key}
    assert "ower tail" in page.locator(".verdict").inner_text()
    page = drawn(follow(f"{address}#kind=hessian&other="))
    assert page.locator(".legend.lines").inner_text().split("\n") == [
        "positive",
        "negative",
        "▲ outliers, known one by one",
    ]
    assert "2 outliers known one by one" in page.locator(".verdict").inner_text()
