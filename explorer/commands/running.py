"""Calling a command with the catalog that it needs; what it raises becomes one sentence."""

import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from explorer.ask import questions
from explorer.commands.exit_statuses import FAILED, INTERRUPTED
from explorer.commands.output import system_sentence
from explorer.importing.catalogs import refresh_shared
from explorer.wording import message
from store import Catalog, CatalogError

UNCHECKED = "unchecked_catalog"  # the parameter of a command for where no database can be opened


def exit_status(
    command: Callable[..., int | None],
    bound: inspect.BoundArguments,
    folder: Path | None,
    given_later: Mapping[str, object],
) -> int:
    """The exit status of a command that is called now.

    Args:
        command: returns it; None is 0.
        bound: its arguments from the command line.
        folder: of the catalog, if it was named.
        given_later: its parameters that are not from the command line.
    """
    try:
        catalogs = {name: Catalog(_folder(folder)) for name in given_later}
        for name, catalog in catalogs.items():
            if name != UNCHECKED:
                catalog.check()
                for sentence in refresh_shared(catalog).values():
                    print(f"note: {message(sentence)}", file=sys.stderr)
        status = int(command(*bound.args, **bound.kwargs, **catalogs) or 0)
        sys.stdout.flush()  # here, where what hinders it is said
    except (CatalogError, ValueError, OSError) as error:
        sentence = system_sentence(error) if isinstance(error, OSError) else str(error)
        print(f"error: {message(sentence)}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("\nstopped waiting; what was computed is stored, the worker goes on", file=sys.stderr)
        return INTERRUPTED
    return status


def _folder(folder: Path | None) -> Path:
    return folder or questions.default_catalog_folder()
