"""One HTML file that holds runs and the views of the Spectra page: opens from a disk, without a server.

Numbers are float32, masses the square roots of 16-bit numbers (a relative error below 2e-4 at one of 10,000
eigenvalues); both are stored byte by byte, gzipped and in base64, each layer by itself: a browser unpacks what is
looked at. Names and texts are JSON in which no "<" stands, so that nothing in them can end the element they lie in.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from htmu_diag.analysis.assembled import Densities, Table
from htmu_diag.analysis.density import coded
from htmu_diag.analysis.history import History
from htmu_diag.ui import MODULES, read_static, words
from htmu_diag.ui.wire import densities_header, table_header

__all__ = ["packed_modules", "page"]

_LEVEL = 6
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
script-src 'unsafe-inline' blob:; img-src blob: data:">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main><noscript>This page draws with JavaScript.</noscript></main>
{parts}
<script type="application/json" class="content">{content}</script>
<script type="text/plain" class="modules">{modules}</script>
<script>
{boot}
(async () => {{
  const text = (name) => document.querySelector("script." + name).textContent;
  const part = (id) => document.querySelector(`script[data-part="${{id}}"]`).textContent;
  const {{ start }} = await boot(await unpackedJson(text("modules")));
  await start(document.querySelector("main"), JSON.parse(text("content")), part);
}})();
</script>
</body>
</html>
"""


def page(histories: Sequence[History], title: str) -> str:
    """The file's text. Runs are shown in the order given; the last one is the one that opens."""
    parts = _Parts()
    content: dict[str, Any] = {"outline": {"runs": [h.outline for h in histories], "words": words()}}
    content["tables"] = {h.name: {kind: parts.table(table) for kind, table in h.tables.items()} for h in histories}
    content["densities"] = {h.name: _by_kind(h, parts) for h in histories}
    content["scalars"] = {h.name: h.scalars for h in histories}
    content["events"] = {h.name: h.events for h in histories}
    names = [*MODULES, "source_page.js", "page.js"]
    return _PAGE.format(
        title=html.escape(title),
        style="\n".join(read_static(name) for name in ("vendor/uPlot.min.css", "style.css")),
        parts="\n".join(
            f'<script type="text/plain" data-part="{i}">{text}</script>' for i, text in enumerate(parts.texts)
        ),
        content=_json(content),
        modules=packed_modules(tuple(names)),
        boot=read_static("boot.js"),
    )


@lru_cache(maxsize=2)
def packed_modules(names: tuple[str, ...]) -> str:
    """Modules with their texts, as the gzipped JSON in base64 that ``boot.js`` unpacks: of a page, which a run writes
    again and again, and of a widget."""
    return _base64(json.dumps([[name, read_static(name)] for name in names]).encode())


class _Parts:
    """Packed arrays; each is known by its place."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def table(self, table: Table) -> dict[str, Any]:
        header = {**table_header(table, table.quantities), "shape": list(table.values.shape)}
        return {"header": header, "blob": self._add(np.ascontiguousarray(table.values, "<f4"))}

    def densities(self, densities: Densities) -> dict[str, Any]:
        header = {**densities_header(densities), "shape": list(densities.rows.shape)}
        return {"header": header, "blob": self._add(coded(densities.rows).astype("<u2"))}

    def _add(self, array: npt.NDArray[Any]) -> int:
        shuffled = array.view(np.uint8).reshape(-1, array.itemsize).T.tobytes()
        self.texts.append(_base64(shuffled))
        return len(self.texts) - 1


def _base64(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, _LEVEL, mtime=0)).decode()


def _by_kind(history: History, parts: _Parts) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for (kind, layer), densities in history.densities.items():
        found.setdefault(kind, {})[layer] = parts.densities(densities)
    return found


def _json(content: Mapping[str, Any] | Sequence[Any]) -> str:
    """JSON that may stand inside a script element."""
    return json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
