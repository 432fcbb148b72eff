"""The views inside a notebook, as an anywidget (``pip install htmu_diag[notebook]``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from htmu_diag.analysis.history import History
from htmu_diag.extras import imported
from htmu_diag.report.page import packed_modules
from htmu_diag.ui import MODULES, framed, read_static, words
from htmu_diag.ui.wire import densities_header, table_header

__all__ = ["answer", "widget"]

_MODULE = """{boot}
const MODULES = "{modules}";
export default {{
  async render({{ model, el }}) {{
    const {{ start }} = await boot(await unpackedJson(MODULES));
    await start(model, el);
  }},
}};
"""


def widget(histories: Sequence[History]) -> Any:
    """A widget that shows these runs. Raises MissingPackage where anywidget is not installed."""
    imported("anywidget", "the notebook view")
    import anywidget

    class Spectra(anywidget.AnyWidget):  # here, since anywidget is optional
        _esm = _MODULE.format(boot=read_static("boot.js"), modules=packed_modules((*MODULES, "widget.js")))
        _css = "\n".join(read_static(name) for name in ("vendor/uPlot.min.css", "style.css"))

    made = Spectra()
    by_name = {history.name: history for history in histories}

    def reply(_: Any, asked: Mapping[str, Any], __: Any) -> None:
        content, buffers = answer(by_name, asked)
        made.send(content, buffers)

    made.on_msg(reply)
    return made


def answer(histories: Mapping[str, History], asked: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
    """What the views' question gets: a content, and for arrays a framed message."""
    try:
        found = _ANSWERS[asked["what"]](histories, asked)
    except KeyError as missing:
        return {"id": asked["id"], "error": f"{missing} is not in this widget"}, []
    if isinstance(found, bytes):
        return {"id": asked["id"]}, [found]
    return {"id": asked["id"], "content": found}, []


def _outline(histories: Mapping[str, History], _: Mapping[str, Any]) -> Any:
    return {"runs": [history.outline for history in histories.values()], "words": words()}


def _table(histories: Mapping[str, History], asked: Mapping[str, Any]) -> bytes:
    table = histories[asked["run"]].tables[asked["kind"]]
    return framed(table_header(table, table.quantities), table.values)


def _density(histories: Mapping[str, History], asked: Mapping[str, Any]) -> bytes:
    found = histories[asked["run"]].densities[asked["kind"], asked["layer"]]
    return framed(densities_header(found), found.rows)


def _scalars(histories: Mapping[str, History], asked: Mapping[str, Any]) -> Any:
    known = histories[asked["run"]].scalars
    return {tag: known[tag] for tag in asked["tags"] if tag in known}


def _events(histories: Mapping[str, History], asked: Mapping[str, Any]) -> Any:
    return list(histories[asked["run"]].events)


_ANSWERS: dict[str, Callable[[Mapping[str, History], Mapping[str, Any]], Any]] = {
    "outline": _outline,
    "table": _table,
    "density": _density,
    "scalars": _scalars,
    "events": _events,
}
