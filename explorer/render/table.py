"""Results as tables: one row per point, for CSV and Parquet."""

import io
import json
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet


class Result(Protocol):
    """What every kind's result has."""

    computed: np.ndarray  # (...) bool
    values: Mapping[str, np.ndarray]  # name -> (...)

    @property
    def places(self) -> Mapping[str, np.ndarray]:
        """Indices and coordinates of each point, name -> (...)."""


def rows(result: Result) -> pa.Table:
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
    result: Result,
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
    result: Result,
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
