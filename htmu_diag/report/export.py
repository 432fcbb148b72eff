"""An analysis as JSON, as CSV, and as files in a folder. What has no finite value is null, or an empty cell."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from htmu_diag.files import storage_errors, write_atomically
from htmu_diag.report.analysis import Analysis, Names
from htmu_diag.safe_text import csv_cell

__all__ = ["as_content", "csv_text", "write_text"]


def as_content(analysis: Analysis, names: Names = "htmu") -> dict[str, Any]:
    """The analysis as plain values: model, step, options, summary, layers (`Analysis.rows`), skipped tensors."""
    return {
        "model": analysis.model,
        "step": analysis.step,
        "options": asdict(analysis.options),
        "summary": analysis.summary(names),
        "layers": analysis.rows(names),
        "skipped": [asdict(skip) for skip in analysis.skipped],
    }


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A header and one line a row, numbers in full precision; columns in the order in which rows name them."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows([{key: "" if _is_nan(value) else csv_cell(value) for key, value in row.items()} for row in rows])
    return text.getvalue()


def write_text(path: Path, text: str) -> None:
    """A UTF-8 file, whole or not at all. Raises StorageError."""
    with storage_errors("create", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode(errors="backslashreplace"), fsync=False)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
