"""The Spectra tab in a real browser: within TensorBoard where that has a part in it, else in the tab's own frame."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.browser.conftest import Server
from tests.browser.runs import HOSTILE, NAMES, STEPS, record, write

Open = Callable[..., Any]
Follow = Callable[[str], Any]
DRAWN = ".htmu:not([aria-busy=true]) .body:not([hidden])"


def tab(page: Any) -> Any:
    """The frame of the tab, once it has drawn."""
    frame = page.frame_locator("iframe").first
    frame.locator(DRAWN).wait_for()
    return frame


def alone(page: Any) -> Any:
    """The views without TensorBoard around them, once they are drawn."""
    page.locator(DRAWN).wait_for()
    return page


def reload_until(page: Any, wanted: Any) -> None:
    """Press TensorBoard's button until the server, which looks at its folder once a second, knows the news."""
    for _ in range(60):
        page.get_by_label("Reload data").or_(page.locator("app-header-reload button")).first.click()
        page.wait_for_timeout(400)
        if wanted.count():
            return
    raise AssertionError(f"the news did not appear: {wanted}")


def text(frame: Any, selector: str) -> str:
    found: str = frame.locator(selector).first.inner_text()
    return found


def test_all_layers_are_drawn_in_the_models_order(server: Server, follow: Follow) -> None:
    frame = alone(follow(server.frame(run="slow", view="table")))
    names = frame.locator(".numbers tbody tr td:first-child").all_inner_texts()
    assert names == list(NAMES)
    label = frame.locator(".heat").get_attribute("aria-label")
    assert "12 layers by 12 measurements" in label
    colours = frame.locator(".heat canvas").first.evaluate(
        """(canvas) => { const data = canvas.getContext("2d").getImageData(canvas.width / 2, 0, 1, canvas.height).data;
        return new Set(Array.from({length: canvas.height}, (_, y) => data.slice(4 * y, 4 * y + 3).join())).size; }"""
    )
    assert colours >= 3  # phases, and the lines between them


def test_a_link_opens_the_view_that_was_sent(server: Server, follow: Follow) -> None:
    page = follow(server.url(run="slow", layer=NAMES[2], step=80, other="fast", colour="log_kappa", view="compare"))
    frame = tab(page)
    assert text(frame, ".name").startswith(f"{NAMES[2]}, 40 × 160, step 80")
    assert re.search(r"The bulk is .* \(p ", text(frame, ".verdict"))
    assert "optimizer.lr" in text(frame, ".compare")
    assert "0.003" in text(frame, ".compare")
    assert text(frame, ".over h2").startswith("log kappa (log₁₀ κ) of 12 layers")


def test_the_keyboard_moves_the_cell_speaks_it_and_writes_the_address(server: Server, follow: Follow) -> None:
    page = follow(server.url(run="slow", layer=NAMES[0], step=0))
    frame = tab(page)
    frame.locator(".heat").focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    frame.locator(".name", has_text=f"{NAMES[1]}, 64 × 64, step 20").wait_for()
    assert f"{NAMES[1]}, step 20" in frame.locator(".spoken").text_content()
    page.wait_for_function(f"location.hash.includes('p.htmu.step={STEPS[2]}')")
    page.keyboard.press("Shift+ArrowDown")
    frame.locator(".name", has_text=NAMES[11]).wait_for()


def test_the_slider_moves_every_view_and_the_newest_step_is_followed(server: Server, follow: Follow) -> None:
    page = follow(server.frame(run="slow"))
    frame = alone(page)
    assert text(frame, ".name").endswith("step 200")
    before = text(frame, ".verdict")
    frame.locator(".time input").evaluate("(s) => { s.value = 0; s.dispatchEvent(new Event('input')); }")
    frame.locator(".name", has_text="step 0").wait_for()
    assert text(frame, ".verdict") != before
    page.wait_for_function("location.hash.includes('p.htmu.step=0')")
    frame.locator(".time button", has_text="pin").click()
    frame.locator(".time input").evaluate("(s) => { s.value = 11; s.dispatchEvent(new Event('input')); }")
    frame.locator(".legend.lines", has_text="step 0").wait_for()
    page.wait_for_function("!location.hash.includes('p.htmu.step')")


def test_a_second_run_lies_in_the_same_pictures(server: Server, follow: Follow) -> None:
    page = follow(server.frame(run="slow", colour="log_kappa"))
    frame = alone(page)
    frame.get_by_label("compare with").select_option("fast")
    frame.locator(".legend.lines", has_text="other run").wait_for()
    frame.get_by_role("button", name="minus the other run").click()
    frame.locator(".over h2", has_text="minus the other run").wait_for()
    frame.get_by_label("aligned by").select_option("train/loss")
    frame.get_by_role("button", name="Comparison").click()
    frame.locator(".compare", has_text="equal train/loss").wait_for()
    assert "fast at step 80" in text(frame, ".compare")  # its loss is as low there as the slow run's at 200


def test_dark_mode_is_followed_at_run_time(server: Server, follow: Follow) -> None:
    page = follow(server.url(run="slow"))
    frame = tab(page)
    background = "(root) => getComputedStyle(root).backgroundColor"
    assert frame.locator("main").evaluate(background) == "rgb(255, 255, 255)"
    page.evaluate("document.body.classList.add('dark-mode')")
    frame.locator("main.dark").wait_for()
    assert frame.locator("main").evaluate(background) == "rgb(48, 48, 48)"
    page.evaluate("document.body.classList.remove('dark-mode')")
    frame.locator("main:not(.dark)").wait_for()


def test_a_hostile_name_is_shown_as_text(server: Server, follow: Follow) -> None:
    frame = alone(follow(server.frame(run="fast", layer=HOSTILE.replace("&", "%26"), view="table")))
    assert text(frame, ".name").startswith(HOSTILE)
    assert HOSTILE in frame.locator(".numbers td:first-child").all_inner_texts()
    assert frame.locator("img").count() == 0


def test_a_layer_that_failed_says_why(server: Server, follow: Follow) -> None:
    page = follow(server.frame(run="slow", layer=NAMES[3], step=30))
    frame = alone(page)
    frame.locator(".heat").focus()
    page.keyboard.press("ArrowRight")
    frame.locator(".verdict", has_text="Not measured at this step.").wait_for()
    assert "3 of 64 values are NaN" in frame.locator(".spoken").text_content()


def test_curvature_is_drawn_on_both_sides_of_zero(server: Server, follow: Follow) -> None:
    frame = alone(follow(server.frame(run="slow", kind="hessian", view="path")))
    assert "nodes of a quadrature rule" in frame.locator("body").inner_text()
    assert text(frame, ".legend.lines") == "positive\nnegative\n▲ outliers, known one by one"
    assert not frame.locator(".overview").is_visible()


def test_causes_that_were_not_measured_name_the_probe_to_add(server: Server, follow: Follow) -> None:
    frame = alone(follow(server.frame(run="slow", view="causes")))
    frame.locator(".causes .empty").first.wait_for()
    assert 'probes=["weights", "gradient_noise"]' in text(frame, ".causes")


def test_controls_have_labels_and_can_be_reached_by_key(server: Server, follow: Follow) -> None:
    page = follow(server.frame(run="slow"))
    frame = alone(page)
    unnamed = frame.locator("main").evaluate(
        """(main) => [...main.querySelectorAll("select, button, input, [role=img], [tabindex]")].filter((e) => !e.hidden
        && !(e.getAttribute("aria-label") || e.textContent.trim())).map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert unnamed == []
    frame.get_by_label("run", exact=True).focus()
    seen = []
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.append(frame.locator(":focus").evaluate("(e) => e.className || e.getAttribute('aria-label')"))
    assert any("heat" in name for name in seen)


def test_a_run_that_grows_appears_in_tensorboard(open_page: Open, tmp_path: Path) -> None:
    with closing(Server(begun(tmp_path), fast=True)) as server:
        with closing(open_page(server.url())) as page:  # before the server ends: the page asks it again and again
            frame = page.frame_locator("iframe").first
            reload_until(page, frame.locator(".htmu .body:not([hidden])"))
            assert not frame.locator(".time").is_visible()  # one measurement has no slider
            with grown(tmp_path):
                reload_until(page, frame.locator(".name", has_text="step 10"))
                assert text(frame, ".name").endswith("step 10")


def test_an_empty_folder_says_what_to_do_and_a_run_appears_with_the_other_loader(
    open_page: Open, tmp_path: Path
) -> None:
    with closing(Server(tmp_path, fast=False)) as server, closing(open_page(server.frame())) as page:
        page.locator(".problem", has_text="No spectra in this log directory yet. Add two lines").wait_for()
        begun(tmp_path)
        look_until(page, page.locator(".name", has_text="step 0"))
        assert not page.locator(".time").is_visible()
        with grown(tmp_path):
            look_until(page, page.locator(".name", has_text="step 10"))
            assert page.locator(".time").is_visible()


def begun(folder: Path) -> Path:
    """A folder of logs with a run of one measurement."""
    write(folder / "new", 1.0, steps=STEPS[:1], names=NAMES[:2])
    return folder


@contextmanager
def grown(folder: Path) -> Iterator[None]:
    """The run goes on by a measurement, and stays open meanwhile."""
    from htmu_diag.sinks import TensorBoardSink

    sink = TensorBoardSink(folder / "new", figure_every=None)
    sink.open({}, start_step=1)
    sink.write(record(10, 1.0, NAMES[:2]))
    yield
    sink.close()


def look_until(page: Any, wanted: Any) -> None:
    """Open the page again until the server, which looks at its folder once a second, knows the news."""
    for _ in range(60):
        page.reload()
        page.locator(".htmu[aria-busy=false]").wait_for()
        if wanted.count():
            return
    raise AssertionError(f"the news did not appear: {wanted}")
