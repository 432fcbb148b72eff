"""One page a sweep: claim, figure, control, numbers with intervals over seeds, verdict in words.

Written as ``page.html`` (one file, figures inside) and ``page.md`` with ``figure-<n>.png`` beside it. Figures are
described in the sweep: ``{x: KEY, y: [TAG, ..], log: xy, title: ...}`` draws means over seeds against a setting, one
line an arm and tag; ``{curves: [TAG, ..], ...}`` draws every run's curve of these tags.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from htmu_diag.experiments.expect import Verdict, absent, judge
from htmu_diag.experiments.figure import draw
from htmu_diag.experiments.plan import Sweep
from htmu_diag.experiments.rows import Row, mean_of, rows_of, settings
from htmu_diag.files import write_atomically

__all__ = ["Page", "make_page", "write_page"]


@dataclass(frozen=True)
class Page:
    """The content of a page. table: its heading and its rows. pictures: PNG bytes. failed: one line each.

    absent: a line for each number of the table that no run has.
    """

    title: str
    words: dict[str, str]
    verdicts: tuple[Verdict, ...]
    table: tuple[tuple[str, ...], ...]
    absent: tuple[str, ...]
    pictures: tuple[bytes, ...]
    failed: tuple[str, ...]
    runs: int

    @property
    def verdict(self) -> str:
        """In words: how many of the expectations hold."""
        holding = sum(verdict.holds is True for verdict in self.verdicts)
        unknown = sum(verdict.holds is None for verdict in self.verdicts)
        undecided = f", {unknown} undecided" if unknown else ""
        return f"{holding} of {len(self.verdicts)} as claimed{undecided} ({self.runs} runs, {len(self.failed)} failed)"


def make_page(sweep: Sweep, out: Path) -> Page:
    """From the results so far. Raises ConfigError where a line of expect or a figure cannot be understood."""
    rows = rows_of(sweep, out)
    varied = tuple(dict.fromkeys(key for arm in sweep.arms for key in arm.varied))
    good = [row for row in rows if not row.error]
    return Page(
        sweep.words.get("title", sweep.name),
        {key: value for key, value in sweep.words.items() if key != "title"},
        tuple(judge(line, good, varied) for line in sweep.expect),
        _table(sweep, good, varied),
        tuple(filter(None, (absent([tag], good) for tag in sweep.table))) if good else (),
        tuple(_png(draw(figure, good, sweep)) for figure in sweep.figures),
        tuple(f"{row.unit}: {row.error}" for row in rows if row.error),
        len(good),
    )


def write_page(page: Page, out: Path) -> Path:
    """Both forms; returns the HTML's path."""
    for place, picture in enumerate(page.pictures, start=1):
        write_atomically(out / f"figure-{place}.png", picture)
    write_atomically(out / "page.md", _markdown(page).encode())
    path = out / "page.html"
    write_atomically(path, _html(page).encode())
    return path


def _table(sweep: Sweep, rows: Sequence[Row], varied: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """A line for each setting: its values, the number of runs, then the mean of each wanted number over seeds."""
    found: list[tuple[str, ...]] = []
    for arm in sweep.arms:
        for key, group in settings([row for row in rows if row.arm == arm.name], varied).items():
            said = ["" if value is None else str(value).replace(",)", ")") for value in key]
            found.append((arm.name, *said, str(len(group)), *(str(mean_of(group, tag)) for tag in sweep.table)))
    return (("arm", *varied, "runs", *sweep.table), *found)


def _markdown(page: Page) -> str:
    lines = [f"# {page.title}", ""]
    lines += [f"**{key.capitalize()}.** {value.strip()}\n" for key, value in page.words.items()]
    lines += [f"**Verdict.** {page.verdict}.", ""]
    lines += [f"- {verdict.word}: {verdict.sentence}" for verdict in page.verdicts]
    lines += ["", *(f"![figure {n}](figure-{n}.png)" for n in range(1, len(page.pictures) + 1)), ""]
    head, *body = page.table
    lines += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in body]
    lines += ["", *(f"- {line}" for line in page.absent), *(f"- failed: {line}" for line in page.failed)]
    return "\n".join(lines).rstrip() + "\n"


def _html(page: Page) -> str:
    text = html.escape
    parts = [f"<h1>{text(page.title)}</h1>"]
    parts += [f"<p><b>{text(key.capitalize())}.</b> {text(value)}</p>" for key, value in page.words.items()]
    parts += [f"<p><b>Verdict.</b> {text(page.verdict)}.</p><ul>"]
    parts += [f"<li><b>{verdict.word}</b>: {text(verdict.sentence)}</li>" for verdict in page.verdicts]
    parts += ["</ul>"]
    for place, picture in enumerate(page.pictures, start=1):
        data = base64.b64encode(picture).decode()
        parts.append(f'<img alt="figure {place}" src="data:image/png;base64,{data}">')
    head, *body = page.table
    parts += ["<table><tr>", *(f"<th>{text(cell)}</th>" for cell in head), "</tr>"]
    parts += ["<tr>" + "".join(f"<td>{text(cell)}</td>" for cell in row) + "</tr>" for row in body]
    parts += ["</table>", *(f"<p>{text(line)}</p>" for line in page.absent)]
    parts += [f"<p>failed: {text(line)}</p>" for line in page.failed]
    return _FRAME.format(title=text(page.title), body="\n".join(parts))


def _png(figure: object) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)  # type: ignore[attr-defined]  # a matplotlib figure
    return buffer.getvalue()


_FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em; }}
table {{ border-collapse: collapse; font-size: 13px; }} td, th {{ border: 1px solid #ccc; padding: 2px 6px; }}
img {{ max-width: 100%; }}
</style></head><body>
{body}
</body></html>
"""
