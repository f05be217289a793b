"""The catalog: problems, models, questions and answers, in one folder DuckDB clients can read."""

from store.arrays import CONTENT_HASH
from store.catalog import Catalog
from store.errors import (
    CannotFilter,
    CannotMerge,
    CannotQuery,
    CannotShare,
    CatalogBusy,
    CatalogDamaged,
    CatalogError,
    CatalogFull,
    CatalogLost,
    CatalogReadOnly,
    CatalogTooNew,
    NotACatalog,
    SharedCatalogAway,
    UnknownEntry,
    UnreadableAnswer,
)
from store.new_file import check_target, new_folder, write_new
from store.origins import either_of

__all__ = [
    "CONTENT_HASH",
    "CannotFilter",
    "CannotMerge",
    "CannotQuery",
    "CannotShare",
    "Catalog",
    "CatalogBusy",
    "CatalogDamaged",
    "CatalogError",
    "CatalogFull",
    "CatalogLost",
    "CatalogReadOnly",
    "CatalogTooNew",
    "NotACatalog",
    "SharedCatalogAway",
    "UnknownEntry",
    "UnreadableAnswer",
    "check_target",
    "either_of",
    "new_folder",
    "write_new",
]
