"""The routes of the Spectra tab, relative to the plugin's own base so that ``--path_prefix`` works."""

from __future__ import annotations

import mimetypes
from typing import Any

import werkzeug
from tensorboard import errors, plugin_util
from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin

from htmu_diag.analysis.packed import PLUGIN
from htmu_diag.tensorboard_plugin.reader import Reader
from htmu_diag.ui import framed, static_folder, static_version, words
from htmu_diag.ui.wire import densities_header, table_header

__all__ = ["Plugin"]

BINARY = "application/octet-stream"
_KEPT = 30 * 24 * 3600  # seconds
_TYPES = {".js": "text/javascript", ".css": "text/css"}  # as they are everywhere: a system's own table may be wrong


class Plugin(base_plugin.TBPlugin):  # type: ignore[misc]
    """The tab. All data comes from TensorBoard's data provider; arrays are sent as `ui.wire` frames them."""

    plugin_name = PLUGIN

    def __init__(self, context: Any) -> None:
        self._provider = context.data_provider

    def get_plugin_apps(self) -> dict[str, Any]:
        """Path -> what answers it."""
        return {
            "/static/*": self.static,
            "/runs": self.runs,
            "/table": self.table,
            "/density": self.density,
            "/scalars": self.scalars,
            "/events": self.events,
        }

    def is_active(self) -> bool:
        """Never by itself: TensorBoard shows the tab where it finds tensors of this plugin."""
        return False

    def frontend_metadata(self) -> Any:
        """The module that TensorBoard loads into the tab's frame."""
        return base_plugin.FrontendMetadata(es_module_path=f"/static/{static_version()}/index.js", tab_name="Spectra")

    @werkzeug.Request.application  # type: ignore[arg-type]  # it takes methods too
    def static(self, request: werkzeug.Request) -> Any:
        """A file of the views; a browser keeps it where its address holds the version. Nothing outside their folder."""
        folder = static_folder().resolve()
        asked = request.path.rpartition("/static/")[2]
        name = asked.removeprefix(f"{static_version()}/")
        path = (folder / name).resolve()
        if not path.is_relative_to(folder) or not path.is_file():
            raise errors.NotFoundError("no such file of the Spectra page")
        kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or BINARY
        return http_util.Respond(request, path.read_bytes(), kind, expires=0 if name == asked else _KEPT)

    @werkzeug.Request.application  # type: ignore[arg-type]  # it takes methods too
    def runs(self, request: werkzeug.Request) -> Any:
        """Which runs, kinds, layers, steps and quantities there are, and every word the page uses."""
        content = {"runs": self._reader(request).runs(), "words": words()}
        return http_util.Respond(request, content, "application/json")

    @werkzeug.Request.application  # type: ignore[arg-type]  # it takes methods too
    def table(self, request: werkzeug.Request) -> Any:
        """Quantities ``q`` (comma-separated; without it all) of ``run`` and ``kind``: (q, layers, steps)."""
        wanted = tuple(name for name in request.args.get("q", "").split(",") if name)
        table = self._reader(request).table(_given(request, "run"), _given(request, "kind"), wanted)
        wanted = wanted or table.quantities
        places = [table.quantities.index(name) for name in wanted if name in table.quantities]
        names = tuple(table.quantities[place] for place in places)
        return http_util.Respond(request, framed(table_header(table, names), table.values[places]), BINARY)

    @werkzeug.Request.application  # type: ignore[arg-type]  # it takes methods too
    def density(self, request: werkzeug.Request) -> Any:
        """All densities of one ``layer`` of ``run`` and ``kind``: (rows, steps, bins)."""
        names = (_given(request, key) for key in ("run", "kind", "layer"))
        found = self._reader(request).densities(*names)
        return http_util.Respond(request, framed(densities_header(found), found.rows), BINARY)

    @werkzeug.Request.application  # type: ignore[arg-type]  # it takes methods too
    def scalars(self, request: werkzeug.Request) -> Any:
        """Curves of ``run`` by ``tag`` (may be given several times): tag -> [[step, value], ...]."""
        found = self._reader(request).scalars(_given(request, "run"), request.args.getlist("tag"))
        return http_util.Respond(request, found, "application/json")

    @werkzeug.Request.application  # type: ignore[arg-type]  # it takes methods too
    def events(self, request: werkzeug.Request) -> Any:
        """What could not be measured in ``run``: [[step, sentence], ...]."""
        return http_util.Respond(request, self._reader(request).events(_given(request, "run")), "application/json")

    def _reader(self, request: werkzeug.Request) -> Reader:
        environ = request.environ
        return Reader(self._provider, plugin_util.context(environ), plugin_util.experiment_id(environ))


def _given(request: werkzeug.Request, name: str) -> str:
    value = request.args.get(name)
    if value is None:
        raise errors.InvalidArgumentError(f"this address needs {name}=...; look at /runs for what there is")
    return str(value)
