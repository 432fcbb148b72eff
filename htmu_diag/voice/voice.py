"""What a monitor says: one line when it begins, what it is waiting for, and a table when it ends. All of it on stderr.

stdout belongs to the training. A stream that is closed or missing is no reason to stop one.
"""

from __future__ import annotations

import contextlib
import io
import shlex
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from htmu_diag.analysis import Diagnosis, StepRecord
from htmu_diag.probes import StepContext
from htmu_diag.recording.place import Place
from htmu_diag.report.tables import narrow_table
from htmu_diag.safe_text import one_line, safe_text
from htmu_diag.sinks.page import PAGE
from htmu_diag.voice.opening import Entries, nearby, opening

__all__ = ["Voice", "closing_rows"]

A_MOMENT = 1.0  # seconds; what takes longer is said
_UNDECIDED = ("too few", "no fit")
_ROWS = 12  # of the closing table; more are for `htmu show`
_NARROW, _WIDE = 60, 120  # characters


class Voice:
    """speaks: False for verbose=False, and on ranks that do not write. stored: whether the folder can be written.

    curves: whether TensorBoard gets some. moment: seconds that pass in silence.
    """

    def __init__(
        self,
        folder: Path,
        *,
        speaks: bool,
        stored: bool = True,
        curves: bool = True,
        moment: float = A_MOMENT,
    ) -> None:
        self._folder, self._speaks, self._stored, self._curves = folder, speaks, stored, curves
        self._moment = moment

    def begin(self, context: StepContext, entries: Entries, place: Place, prices: Mapping[str, str]) -> None:
        """What is measured, when, what of it is dear, what is left out and why, and where to look."""
        if self._speaks:
            self._say(opening(context, entries, place, prices, stored=self._stored, curves=self._curves))

    @contextlib.contextmanager
    def during(self, what: str) -> Iterator[None]:
        """A block that says what it does when it takes more than a moment."""
        timer = threading.Timer(self._moment, self._say, (f"closing {self._folder.name}: {what} ...",))
        timer.daemon = True
        if self._speaks:
            with contextlib.suppress(RuntimeError):  # while Python ends no thread can be started
                timer.start()
        try:
            yield
        finally:
            timer.cancel()
            if timer.ident is not None:  # it was started
                timer.join(1.0)

    def end(self, records: Sequence[StepRecord], measured: int, measured_at: int, step: int) -> None:
        """The verdicts of the newest record that has some, and the paths. measured_at: the step of the newest."""
        if not self._speaks:
            return
        last = next((record for record in reversed(records) if record.diagnoses), None)
        if last is None:
            self._say(f"closed after step {step}; nothing was diagnosed")
            return
        times = "once" if measured == 1 else f"{measured} times"
        late = f"; diagnosed up to step {last.step}, and so is this table" if last.step < measured_at else ""
        self._say(f"measured {times}, the last time at step {measured_at}{late}")
        self._write(_table(last.diagnoses))
        if self._stored:
            self._say("; ".join(_paths(self._folder)))

    def _say(self, sentence: str) -> None:
        self._write(f"htmu_diag: {one_line(sentence)}\n")

    @staticmethod
    def _write(text: str) -> None:
        if sys.stderr is not None:
            with contextlib.suppress(OSError, ValueError):  # closed by the training, or by Python's end
                sys.stderr.write(text)
                sys.stderr.flush()


def _table(diagnoses: Sequence[Diagnosis]) -> str:
    shown = closing_rows(diagnoses)
    width = min(max(shutil.get_terminal_size((100, 24)).columns, _NARROW), _WIDE)
    text = io.StringIO()
    console = Console(file=text, width=width, color_system=None, legacy_windows=False)
    console.print(narrow_table(shown, width)[0])
    lines = [safe_text(line.rstrip(), longest=None) for line in text.getvalue().splitlines() if line.strip()]
    if len(diagnoses) > len(shown):
        lines.append(f"  {len(shown)} of {len(diagnoses)}; all: {_counts(diagnoses)}")
    return "\n".join([*lines, ""])


def closing_rows(diagnoses: Sequence[Diagnosis]) -> list[Diagnosis]:
    """Twelve at most, in their order: those that have a verdict before those too small or too sparse for one."""
    kinds = list(dict.fromkeys(diagnosis.source.kind for diagnosis in diagnoses))
    ranked = sorted(
        range(len(diagnoses)),
        key=lambda i: (
            diagnoses[i].verdict in _UNDECIDED,
            kinds.index(diagnoses[i].source.kind),
            -diagnoses[i].spectrum.dimension,
        ),
    )
    return [diagnoses[i] for i in sorted(ranked[:_ROWS])]


def _counts(diagnoses: Sequence[Diagnosis]) -> str:
    verdicts = [diagnosis.verdict for diagnosis in diagnoses]
    return ", ".join(f"{verdicts.count(word)} {word}" for word in dict.fromkeys(verdicts))


def _paths(folder: Path) -> list[str]:
    page = [f"page: {nearby(folder / PAGE)}"] if (folder / PAGE).exists() else []
    return [*page, f"reasons and phases: htmu show {shlex.quote(nearby(folder))}"]
