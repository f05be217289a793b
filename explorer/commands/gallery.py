"""The gallery without a browser: phenomena computed in the catalog, and what came of each."""

from collections.abc import Sequence

from explorer.commands.json_values import print_json
from explorer.commands.parameters import OpenCatalog
from explorer.commands.progress import wait_for_jobs
from explorer.commands.tables import print_table
from explorer.contracts.devices import check_devices, device_of
from explorer.gallery.state import PhenomenonState, proofs_of, states_of
from explorer.gallery.wishes import ask_possible, wish, wishes
from explorer.phenomena import PHENOMENA, phenomenon_named
from explorer.phenomena.phenomenon import Phenomenon, Proof
from store import Catalog, UnreadableAnswer, records

COLUMNS = ("phenomenon", "verdict", "number", "measured", "from", "to")
NOT_COMPUTED = "not computed"


def phenomena(
    *names: str,
    compute: bool = False,
    device: str = "auto",
    engine: str = "",
    json: bool = False,
    catalog: OpenCatalog,
) -> int:
    """Print the phenomena of the gallery with their numbers; first have them computed, if wanted.

    Args:
        names: of phenomena; all unless given.
        compute: have what is missing computed, with the sample models that it needs.
        device: auto, cpu, cuda, mps or a list, as cuda:0,cuda:2 or cpu,cpu.
        engine: a Ray cluster, auto or HOST:PORT, or elsewhere, instead of this machine's devices.
        json: as JSON.
        catalog: where they are.

    Raises:
        ValueError: there is no such phenomenon, or one cannot be computed.
    """
    chosen = [phenomenon_named(name) for name in names] or list(PHENOMENA)
    if compute:
        _compute(catalog, chosen, device_of(engine, check_devices(device)))
    rows = [row for state in states_of(catalog, chosen) for row in _rows(catalog, state)]
    if json:
        print_json([dict(zip(COLUMNS, row, strict=True)) for row in rows])
    else:
        print_table(records.Table(COLUMNS, rows))
    return 0


def _compute(catalog: Catalog, chosen: Sequence[Phenomenon], device: str) -> None:
    """Have all of it computed: samples first, then questions, then those about their answers."""
    wish(catalog, chosen)
    while jobs := [job.id for job in catalog.active_jobs()]:
        wait_for_jobs(catalog, jobs, device, keep_going=True)
        waiting = [name for name, why in wishes(catalog).items() if not why]
        ask_possible(catalog, [phenomenon_named(name) for name in waiting])
    for state in states_of(catalog, chosen):
        if why := state.trouble or wishes(catalog).get(state.phenomenon.name):
            raise ValueError(f"{state.phenomenon.name} cannot be computed: {why}")


def _rows(catalog: Catalog, state: PhenomenonState) -> list[tuple[object, ...]]:
    """A row for each number, or one that says why there is none."""
    name = state.phenomenon.name
    if not state.is_complete:
        return [(name, state.trouble or NOT_COMPUTED, "", None, None, None)]
    try:
        measured: Sequence[Proof] = proofs_of(catalog, state)
    except (ValueError, UnreadableAnswer) as error:
        return [(name, str(error), "", None, None, None)]
    verdict = state.phenomenon.verdict(measured).value
    return [(name, verdict, p.words, p.value, p.low, p.high) for p in measured]
