"""The catalog: problems, models, questions and answers, in one folder DuckDB clients can read."""

from store.catalog import Catalog
from store.errors import (
    CannotMerge,
    CannotQuery,
    CatalogBusy,
    CatalogDamaged,
    CatalogError,
    CatalogFull,
    CatalogLost,
    CatalogReadOnly,
    CatalogTooNew,
    NotACatalog,
    UnknownEntry,
)

__all__ = [
    "CannotMerge",
    "CannotQuery",
    "Catalog",
    "CatalogBusy",
    "CatalogDamaged",
    "CatalogError",
    "CatalogFull",
    "CatalogLost",
    "CatalogReadOnly",
    "CatalogTooNew",
    "NotACatalog",
    "UnknownEntry",
]
