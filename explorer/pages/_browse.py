"""What a list of analyses is narrowed down to, in which order, and how it is shown."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from explorer.ask.command_text import program_words
from explorer.kinds import KINDS
from explorer.pages._address import check_address
from explorer.pages._sharing import address_now, show_texts
from explorer.pages._text import as_text
from store import Catalog
from store.filter_language import is_expression

VIEWS = ("Cards", "Table")
ORDERS = ("created", "title", "seconds", "units")  # what every analysis has, first in the list
WAYS = ("descending", "ascending")
MOST_COUNTS = 12  # of a facet that are told
MENU_FACETS = {  # facets in the menu, with their labels
    "model": "Models",
    "status": "Status",
    "split": "Data",
    "precision": "Precision",
    "tag": "Tags",
    "favourite": "Favourites",
    "shared": "Shared catalogs",
}
EXAMPLE = 'kind == "surface" and learning_rate < 0.1'
SEARCH_HELP = """Words that all must occur, or a condition on settings, models and results:

- `kind == "surface" and x_count >= 51`
- `learning_rate < 0.1 and sharpness.sam > 0.01`: of models with such a sharpness
- `name ~ "mlp_.*" and not tag == "old"`

`==` `!=` `<` `<=` `>` `>=` `in [a, b]` `~` (pattern) · `and` `or` `not` · brackets"""


@dataclass(frozen=True)
class Browsed:
    """Which analyses are listed, in which order and how."""

    search: str
    facets: Mapping[str, tuple[str, ...]]  # by name; none of one: all
    order: str
    descending: bool
    view: str

    @property
    def archived(self) -> bool:
        """Whether what is archived is listed: where the search is about that."""
        return "archived" in self.search

    @property
    def condition(self) -> str:
        """All that narrows the list down, as one search."""
        search = self.search.strip()
        parts = [f"({search})"] if is_expression(search) else map(_in_quotes, search.split())
        chosen = [
            f"{name} in [{', '.join(map(_in_quotes, values))}]"
            for name, values in self.facets.items()
            if values
        ]
        hidden = [] if self.archived else ["not archived == true"]
        return " and ".join([*parts, *chosen, *hidden])

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is left out."""
        return bool(self.search.strip()) or any(self.facets.values())

    @property
    def advice(self) -> str:
        """What to try where nothing matches, in Markdown."""
        if "=" in self.search and not is_expression(self.search):
            return f"a condition compares by two equals signs, words in quotes: `{EXAMPLE}`"
        return "try a model's name, a kind, or a setting"


def _in_quotes(text: str) -> str:
    mark = "'" if '"' in text else '"'
    return f"{mark}{text}{mark}"


def copy_list(catalog: Catalog, browsed: Browsed) -> None:
    """The list as a link, as a command and as SQL, each with a button that copies it."""
    with st.popover("Copy", icon=":material/content_copy:"):
        words = [*program_words(catalog), "list", browsed.condition]
        show_texts(
            {
                "Link": address_now(),
                "Command": shlex.join(words),
                "SQL": catalog.listing_query(
                    browsed.search,
                    facets=browsed.facets,
                    archived=browsed.archived,
                    order=browsed.order,
                    descending=browsed.descending,
                ),
            }
        )


def choose_list(catalog: Catalog) -> Browsed:
    """The controls above a list; all that is chosen is in the address.

    Raises:
        CannotFilter: the search is no condition; the controls are there to mend it.
    """
    search = st.text_input(
        "Search",
        key="search",
        bind="query-params",
        placeholder=f"model, kind or setting; or {EXAMPLE}",
        icon=":material/search:",
        help=SEARCH_HELP,
        label_visibility="collapsed",
    )
    counts = catalog.facets(search or "", archived="archived" in (search or ""))
    titles = {kind.title: kind.name for kind in KINDS}
    kind = st.pills(
        "Kind",
        list(titles),
        key="kind",
        label_visibility="collapsed",
        bind="query-params",
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        view = st.segmented_control(
            "View", VIEWS, default=VIEWS[0], key="view", bind="query-params", required=True
        )
        order, descending = _choose_order(catalog)
        facets = {"kind": (titles[kind],) if kind else (), **_choose_facets(counts)}
        browsed = Browsed(search or "", facets, order, descending, view or VIEWS[0])
        copy_list(catalog, browsed)
    return browsed


def _choose_order(catalog: Catalog) -> tuple[str, bool]:
    """A column to go by, and whether the largest comes first."""
    names = [*ORDERS, *(name for name in catalog.filter_names() if name not in ORDERS)]
    check_address("order", "one of the columns", names.__contains__)
    order = st.selectbox("Order by", names, key="order", bind="query-params", width=180)
    way = st.segmented_control(
        "Direction",
        WAYS,
        default=WAYS[0],
        key="way",
        bind="query-params",
        required=True,
        label_visibility="collapsed",
        help="The largest or newest first, or last",
    )
    return order, way == WAYS[0]


def _choose_facets(counts: Mapping[str, Mapping[str, int]]) -> dict[str, tuple[str, ...]]:
    """Values of the facets in the menu."""
    with st.popover("Filters", icon=":material/filter_list:"):
        _show_counts({kind.title: counts["kind"].get(kind.name, 0) for kind in KINDS})
        return {
            name: _choose_values(name, label, counts[name]) for name, label in MENU_FACETS.items()
        }


def _choose_values(name: str, label: str, counts: Mapping[str, int]) -> tuple[str, ...]:
    """Some of the values of a facet; one of the address that nothing has stays to be taken away."""
    key = "models" if name == "model" else name  # in an address, model is what a page is about
    gone = [value for value in st.query_params.get_all(key) if value not in counts]
    options = [*counts, *gone]
    chosen = st.multiselect(label, options, key=key, bind="query-params", placeholder="All")
    _show_counts(counts)
    return tuple(chosen)


def _show_counts(counts: Mapping[str, int]) -> None:
    """How many analyses have each value: within the options it would be in the address."""
    present = [f"{as_text(value, 40)} {count:,}" for value, count in counts.items() if count]
    if present:
        more = f" · and {len(present) - MOST_COUNTS} more" if len(present) > MOST_COUNTS else ""
        st.caption(" · ".join(present[:MOST_COUNTS]) + more)
