"""A run as a file for other tools: one row a layer and step, the columns of `Run.to_pandas`."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Literal

from htmu_diag.extras import imported
from htmu_diag.files import write_result
from htmu_diag.safe_text import csv_cell
from htmu_diag.storage.stored_record import StoredRecord
from htmu_diag.storage.tables import columns

__all__ = ["Format", "export", "write_parquet"]

Format = Literal["csv", "json"]


def export(records: Iterable[StoredRecord], form: Format, file: IO[str]) -> None:
    """Write the table as text.

    csv: a header and a line a row, numbers in full precision, an empty cell where there is no value; text that a
    spreadsheet would compute gets an apostrophe. json: a list of objects, strict: null where there is no finite value.
    """
    table = columns(records)
    if form == "csv":
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([csv_cell(name) for name in table])
        writer.writerows(["" if _is_nan(v) else csv_cell(v) for v in row.values()] for row in _rows(table))
        return
    file.write("[")
    for number, row in enumerate(_rows(table)):
        plain = {name: _finite(value) for name, value in row.items()}
        file.write(",\n" * (number > 0) + json.dumps(plain, allow_nan=False))
    file.write("]\n")


def write_parquet(records: Iterable[StoredRecord], path: Path) -> None:
    """The same as a Parquet file. Needs pyarrow; raises MissingPackage without it, StorageError for the file."""
    parquet, pyarrow = imported("pyarrow.parquet", "Parquet"), imported("pyarrow", "Parquet")
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table(columns(records)), buffer)
    write_result(path, buffer.getvalue())


def _rows(table: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    listed = [column if isinstance(column, list) else column.tolist() for column in table.values()]
    for row in zip(*listed, strict=True):
        yield dict(zip(table, row, strict=True))


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
