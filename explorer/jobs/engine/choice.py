"""Which engine a user has chosen for a catalog; kept outside it, as agreements are.

A catalog that comes from somebody else must not lead code, tensors and a token to their cluster.
"""

import json
from pathlib import Path

from explorer.contracts.devices import ELSEWHERE, OWN_CLUSTER, device_of
from explorer.jobs.json_files import read_json
from explorer.private_folder import made_private_folder, private_folder, write_private

FILE = "engines.json"  # addresses by folder of the catalog


def chosen_engine(catalog: Path) -> str:
    """The address of the cluster that computes for a catalog, or elsewhere; "" for this machine."""
    address = _addresses().get(str(catalog.resolve()), "")
    try:
        return address if device_of(address, "") else ""
    except ValueError:
        return ""


def choose_engine(catalog: Path, address: str) -> None:
    """Keep the choice for a catalog.

    Raises:
        OSError: it cannot be written.
    """
    addresses = _addresses()
    addresses.pop(str(catalog.resolve()), None)
    if address:
        addresses[str(catalog.resolve())] = address
    write_private(made_private_folder() / FILE, json.dumps(addresses))


def nodes_text(catalog: Path) -> str:
    """Where code that is agreed to runs, in a few words; "" where only this machine computes."""
    engine = chosen_engine(catalog)
    names = {
        ELSEWHERE: "the cluster whose engine was started elsewhere",
        OWN_CLUSTER: "the Ray cluster of this machine",
    }
    cluster = names.get(engine, f"the Ray cluster at {engine}")
    return f"every node of {cluster}" if engine else ""


def _addresses() -> dict[str, str]:
    try:
        content = read_json(private_folder() / FILE)
    except (OSError, ValueError):
        return {}
    entries = content.items() if isinstance(content, dict) else ()
    return {str(folder): str(address) for folder, address in entries}
