"""From TensorBoard's data provider to arrays: whatever loader it has, nothing is read from disk here."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tensorboard import errors
from tensorboard.data import provider as data
from tensorboard.plugins.hparams import metadata as hparams

from htmu_diag.analysis.assembled import Densities, Piece, Table, joined_densities, joined_tables
from htmu_diag.analysis.history import finite, plain_settings
from htmu_diag.analysis.outline import outline_of
from htmu_diag.analysis.packed import PLUGIN

__all__ = ["Reader"]

MOST = 10_000  # points of a series asked for; the server keeps fewer
Points = list[tuple[int, float | None]]


class Reader:
    """Runs, tables and densities of one request. Raises NotFoundError, with a sentence, for what is not there."""

    def __init__(self, provider: Any, context: Any, experiment: str) -> None:
        self._provider, self._context, self._experiment = provider, context, experiment

    def runs(self) -> list[dict[str, Any]]:
        """An outline of every run that has tensors of ours, oldest first."""
        found = self._listed(PLUGIN)
        started = {run.run_name: run.start_time or 0.0 for run in self._list_runs()}
        scalars = self._list_scalars()
        configs = self._listed("hparams")
        names = sorted(found, key=lambda run: (started.get(run, 0.0), run))
        return [self._outline(run, found[run], scalars.get(run, ()), configs.get(run, {})) for run in names]

    def table(self, run: str, kind: str, wanted: Collection[str] = ()) -> Table:
        """Numbers of one kind of a run: those wanted, without a choice all."""
        described = self._described(run)
        tags = [tag for tag, about in described.items() if (about["what"], about["kind"]) == ("table", kind)]
        pieces = self._pieces(run, tags, described)
        if not pieces:
            raise errors.NotFoundError(f"run {run!r} has no numbers of kind {kind!r}; look at /runs for what it has")
        return joined_tables(pieces, wanted)

    def densities(self, run: str, kind: str, layer: str) -> Densities:
        """One layer's spectra through time."""
        tags = [f"{kind}_density/{layer}", f"{kind}_start/{layer}"]
        pieces = self._pieces(run, tags, self._described(run))
        if not pieces:
            raise errors.NotFoundError(f"run {run!r} has no spectrum of {layer!r} of kind {kind!r}; look at /runs")
        return joined_densities(pieces)

    def scalars(self, run: str, tags: Sequence[str]) -> dict[str, Points]:
        """Curves of a run by tag, None for a value that is not finite; tags that it does not have are left out."""
        found = self._read("read_scalars", "scalars", run, tags)
        return {tag: [(p.step, finite(p.value)) for p in points] for tag, points in found.items()}

    def events(self, run: str) -> list[tuple[int, str]]:
        """Sentences about what could not be measured."""
        points = self._read("read_tensors", "text", run, ["run/events"]).get("run/events", ())
        return [(point.step, text) for point in points for text in _texts(point.numpy)]

    def _outline(self, run: str, tags: Mapping[str, Any], scalars: Sequence[str], config: Any) -> dict[str, Any]:
        abouts = [(_about(series), series.max_step) for series in tags.values()]
        known = [(about, step) for about, step in abouts if about]
        return {**outline_of(run, known), "scalars": _own(scalars, tags), "config": _hparams(config)}

    def _described(self, run: str) -> dict[str, dict[str, Any]]:
        tags = self._listed(PLUGIN, run).get(run)
        if tags is None:
            raise errors.NotFoundError(f"no run {run!r} with spectra here; look at /runs for their names")
        abouts = {tag: _about(series) for tag, series in tags.items()}
        return {tag: about for tag, about in abouts.items() if about}

    def _pieces(self, run: str, tags: Sequence[str], described: Mapping[str, Mapping[str, Any]]) -> list[Piece]:
        wanted = [tag for tag in tags if tag in described]
        found = self._read("read_tensors", PLUGIN, run, wanted) if wanted else {}
        pieces = []
        for tag, points in found.items():
            pieces.append(Piece(described[tag], [p.step for p in points], [p.numpy for p in points]))
        return [piece for piece in pieces if piece.steps]

    def _listed(self, plugin: str, run: str | None = None) -> Mapping[str, Mapping[str, Any]]:
        wanted = None if run is None else data.RunTagFilter(runs=[run])
        found: Mapping[str, Mapping[str, Any]] = self._provider.list_tensors(
            self._context, experiment_id=self._experiment, plugin_name=plugin, run_tag_filter=wanted
        )
        return found

    def _list_scalars(self) -> dict[str, list[str]]:
        found = self._provider.list_scalars(self._context, experiment_id=self._experiment, plugin_name="scalars")
        return {run: sorted(tags) for run, tags in found.items()}

    def _list_runs(self) -> Sequence[Any]:
        found: Sequence[Any] = self._provider.list_runs(self._context, experiment_id=self._experiment)
        return found

    def _read(self, method: str, plugin: str, run: str, tags: Sequence[str]) -> Mapping[str, Sequence[Any]]:
        found = getattr(self._provider, method)(
            self._context,
            experiment_id=self._experiment,
            plugin_name=plugin,
            downsample=MOST,
            run_tag_filter=data.RunTagFilter(runs=[run], tags=list(tags)),
        )
        points: Mapping[str, Sequence[Any]] = found.get(run, {})
        return points


def _about(series: Any) -> dict[str, Any]:
    """What a tag says about itself; empty where another version, or another program, wrote it."""
    try:
        about = json.loads(series.plugin_content or b"{}")
    except ValueError:
        return {}
    return about if isinstance(about, dict) and about.get("version") == 2 else {}


def _own(scalars: Sequence[str], tags: Mapping[str, Any]) -> list[str]:
    """Curves of the training and averages: not those of single layers."""
    kinds = {tag.partition("_density/")[0] for tag in tags if "_density/" in tag}
    return [tag for tag in scalars if not any(tag.startswith(f"{kind}_") for kind in kinds)]


def _hparams(tags: Mapping[str, Any]) -> dict[str, Any]:
    series = tags.get(hparams.SESSION_START_INFO_TAG)
    if series is None:
        return {}
    start = hparams.parse_session_start_info_plugin_data(series.plugin_content)
    return plain_settings({name: getattr(v, v.WhichOneof("kind")) for name, v in sorted(start.hparams.items())})


def _texts(array: Any) -> list[str]:
    return [value.decode(errors="replace") for value in array.ravel().tolist()]
