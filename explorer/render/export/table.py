"""Results as tables: one row per point, for CSV and Parquet."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from explorer.csv_text import without_formula
from explorer.kinds.provenance import Provenance, document
from explorer.kinds.result import Result


def point_rows(result: Result) -> pa.Table:
    """One row per point: where it is, whether it is computed, its loss and metrics.

    NaN and Inf are kept; NaN where the column `computed` is false means only that nothing is known
    yet.
    Columns: indices and coordinates, computed, loss, and the others by name.
    """
    first = [name for name in ("loss",) if name in result.values]
    names = [*first, *sorted(result.values.keys() - {"loss"})]
    columns = dict(result.places)
    if all(grid.shape == result.computed.shape for grid in columns.values()):
        columns["computed"] = result.computed  # else there are rows of what is computed alone
    for name in names:  # a metric may be called like a coordinate
        columns[name if name not in columns else f"{name} (value)"] = result.values[name]
    return pa.table({name: np.ascontiguousarray(grid).ravel() for name, grid in columns.items()})


def rows_with_subject(result: Result, provenance: Provenance | None = None) -> pa.Table:
    """The rows, and which model and point they are about, as the last two columns.

    Several are joined by "; "; of more than two points only their number is told.
    """
    table_rows = point_rows(result)
    if provenance is None:
        return table_rows
    points = provenance.points
    points_text = "; ".join(points) if len(points) <= 2 else f"{len(points)} points"
    for name, words in (("model", "; ".join(provenance.models)), ("point", points_text)):
        column_name = name if name not in table_rows.column_names else f"{name} (subject)"
        table_rows = table_rows.append_column(
            column_name, pa.array([_utf8_text(words)] * len(table_rows), pa.string())
        )
    return table_rows


def to_csv(result: Result, provenance: Provenance | None = None) -> bytes:
    """The rows as plain CSV with a header; floats exact, nan and inf.

    A text that a spreadsheet would run as a formula begins with an apostrophe. Where the rows come
    from is said beside them, see `provenance_json`.
    """
    table_rows = rows_with_subject(result, provenance)
    for place, (name, column) in enumerate(
        zip(table_rows.column_names, table_rows.columns, strict=True)
    ):
        if pa.types.is_string(column.type):
            texts = [without_formula(text) for text in column.to_pylist()]
            table_rows = table_rows.set_column(place, name, pa.array(texts, pa.string()))
    table_rows = table_rows.rename_columns(
        [without_formula(name) for name in table_rows.column_names]
    )
    file = io.BytesIO()
    pyarrow.csv.write_csv(table_rows, file)
    return file.getvalue()


def to_parquet(result: Result, provenance: Provenance | None = None) -> bytes:
    """The rows as Parquet; question, settings and provenance in the file's key-value metadata."""
    provenance_document = document([provenance] if provenance else [])
    metadata = {
        "question": provenance.key if provenance else "",
        "settings": json.dumps(dict(provenance.settings) if provenance else {}, sort_keys=True),
        "provenance": json.dumps(provenance_document, sort_keys=True),
    }
    file = io.BytesIO()
    table = rows_with_subject(result, provenance).replace_schema_metadata(metadata)
    pyarrow.parquet.write_table(table, file, compression="zstd")
    return file.getvalue()


def provenance_json(provenance: Provenance) -> bytes:
    """What stands beside a CSV, which has no place for it: a JSON document."""
    provenance_document = document([provenance])
    return (
        json.dumps(provenance_document, indent=1, sort_keys=True, allow_nan=False) + "\n"
    ).encode()


def export_files(result: Result, provenance: Provenance, name: str) -> dict[str, bytes]:
    """The files of an export by name: a Parquet file, or a CSV and its provenance beside it.

    Raises:
        ValueError: the name ends otherwise.
    """
    if name.endswith(".parquet"):
        return {name: to_parquet(result, provenance)}
    if name.endswith(".csv"):
        return {name: to_csv(result, provenance), f"{name}.json": provenance_json(provenance)}
    raise ValueError(f"the file must end in .csv or .parquet, got {name}")


def _utf8_text(text: str) -> str:
    """The text without halves of characters, which UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode()
