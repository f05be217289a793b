"""Results as tables: one row per grid point, for CSV and Parquet."""

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from explorer.kinds.line import Line
from explorer.kinds.surface import Surface


def rows(result: Surface | Line) -> pa.Table:
    """One row per grid point: where it is, whether it is computed, its loss and metrics.

    NaN and Inf are kept; NaN where `computed` is false means only that nothing is known yet.
    Columns: i, j, x, y, computed, loss, ... (a line has no j and no y).
    """
    shape = result.computed.shape
    indices = np.indices(shape)
    columns: dict[str, np.ndarray] = {"i": indices[-1]}
    if isinstance(result, Surface):
        columns["j"] = indices[0]
        columns["x"], columns["y"] = np.meshgrid(result.x, result.y)
    else:
        columns["x"] = result.x
    columns["computed"] = result.computed
    names = ["loss", *sorted(result.values.keys() - {"loss"})]
    columns |= {name: result.values[name] for name in names}
    return pa.table({name: np.ascontiguousarray(grid).ravel() for name, grid in columns.items()})


def metadata(
    key: str, settings: Mapping[str, Any], provenance: Mapping[str, Any]
) -> dict[str, str]:
    """Where an export comes from, as text: question key, settings and provenance as JSON."""
    return {
        "question": key,
        "settings": json.dumps(settings, sort_keys=True),
        "provenance": json.dumps(provenance, sort_keys=True),
    }


def to_csv(
    result: Surface | Line,
    *,
    key: str = "",
    settings: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> bytes:
    """The rows as CSV after comment lines `# name: value`; floats exact, nan and inf."""
    file = io.BytesIO()
    for name, text in metadata(key, settings or {}, provenance or {}).items():
        file.write(f"# {name}: {text}\n".encode())
    pyarrow.csv.write_csv(rows(result), file)
    return file.getvalue()


def to_parquet(
    result: Surface | Line,
    *,
    key: str = "",
    settings: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> bytes:
    """The rows as Parquet; question, settings and provenance in the file's key-value metadata."""
    told = metadata(key, settings or {}, provenance or {})
    file = io.BytesIO()
    table = rows(result).replace_schema_metadata(told)
    pyarrow.parquet.write_table(table, file, compression="zstd")
    return file.getvalue()
