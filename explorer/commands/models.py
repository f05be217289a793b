"""Renaming models and imported directions, and moving them to the trash and back."""

import sys

from explorer.ask.deletion import delete_model
from explorer.commands.exit_statuses import FAILED
from explorer.commands.parameters import OpenCatalog
from explorer.commands.subjects import model_named
from explorer.commands.user_answer import user_answer
from explorer.wording import counted, message
from store import Catalog, records


def rename(name: str, new: str, /, *, catalog: OpenCatalog) -> int:
    """Give a model, or an imported direction, another name.

    Args:
        name: its own, or the beginning of its id.
        new: the name that it has from now on.
        catalog: where it is.
    """
    model = model_named(_named_entries(catalog), name)
    catalog.rename_model(model.id, new)
    print(message(f"{model.name} is now {catalog.model(model.id).name}"))
    return 0


def delete(name: str, /, *, yes: bool = False, catalog: OpenCatalog) -> int:
    """Move a model or an imported direction to the trash, after a question; its jobs are stopped.

    Args:
        name: its own, or the beginning of its id.
        yes: do not ask.
        catalog: where it is.
    """
    model = model_named(_named_entries(catalog), name)
    what = f"{model.name} with {counted(model.analyses, 'analysis', 'analyses')}"
    if not yes and not _user_answers_yes(f"Move {what} to the trash?"):
        print("nothing was deleted", file=sys.stderr)
        return FAILED
    delete_model(catalog, model.id)
    print(f"{message(what)} is in the trash; `restore {model.id[:12]}` takes it out again")
    return 0


def restore(name: str, /, *, catalog: OpenCatalog) -> int:
    """Take a model or an imported direction out of the trash.

    Args:
        name: its own, or the beginning of its id.
        catalog: where it is.
    """
    deleted = [m for m in _named_entries(catalog, include_deleted=True) if m.deleted is not None]
    model = model_named(deleted, name)
    catalog.restore_model(model.id)
    analyses = counted(catalog.model(model.id).analyses, "analysis", "analyses")
    print(f"{message(model.name)} is back, with {analyses}")
    return 0


def _named_entries(catalog: Catalog, include_deleted: bool = False) -> list[records.Model]:
    """Models, then imported directions."""
    both = (catalog.models(include_deleted=include_deleted, directions=d) for d in (False, True))
    return [entry for entries in both for entry in entries]


def _user_answers_yes(prompt: str) -> bool:
    return user_answer(f"{prompt} [y/N] ") in ("y", "yes")
