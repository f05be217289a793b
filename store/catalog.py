"""The only door to the database: `Catalog`, put together from its parts."""

from store.annotations import Annotations
from store.jobs import Jobs
from store.listing import Listings
from store.models import Models
from store.pictures import Pictures
from store.querying import SqlQueries
from store.questions import Questions
from store.rebuilding import CatalogRebuilding
from store.result_numbers import AnswerNumbers
from store.shared_catalogs import SharedCatalogs
from store.trash import Trash
from store.values import Values


class Catalog(
    Models,
    Questions,
    Values,
    Listings,
    AnswerNumbers,
    Annotations,
    Jobs,
    Pictures,
    Trash,
    SharedCatalogs,
    CatalogRebuilding,
    SqlQueries,
):
    """A folder with everything that was asked and answered.

    Objects are cheap and may be shared between threads; all objects of a process share one
    connection per folder, which is closed when idle. Every method that writes is one transaction.
    Every method may raise `CatalogBusy`, `NotACatalog`, `CatalogTooNew`, `CatalogFull` or
    `CatalogDamaged`; only other errors are named at the methods.

    The parts are classes, one per room of the catalog, because forty methods behind one door would
    otherwise be one long file or be written twice.
    """
