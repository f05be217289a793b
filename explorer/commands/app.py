"""The command line's commands by name; how they are found, called, and refused in a sentence."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter, UnknownCommandError, UnknownOptionError
from rich.console import Console

from explorer.commands.exit_statuses import FAILED, INTERRUPTED, WRONG_USAGE
from explorer.commands.output import open_closed_streams, system_sentence
from explorer.wording import message

NAME = "python -m explorer"
NO_WRAPPING = 10_000  # letters of a line where nobody looks
COMMANDS = {  # name -> where it is, and what it is for; it is imported when it is used
    "new-problem": ("start:new_problem", "Write a problem file to fill in."),
    "token": ("start:print_token", "Print the token of the app's address."),
    "import": ("importing:import_checkpoints", "Import checkpoints of one model."),
    "agree": ("consent:agree_to_code", "Show all code that a problem file loads; agree to run it."),
    "compute": ("computing:compute", "Answer a question about one or several models."),
    "minima": ("minima:minima", "Compute ways between all pairs of models; print their matrix."),
    "phenomena": ("gallery:phenomena", "Print the gallery's phenomena; have them computed."),
    "cluster": (
        "cluster:cluster",
        "Print a SLURM script for several machines; run a Ray here.",
    ),
    "study": ("study:study", "Compute, list, export or import a study of models and questions."),
    "list": ("listing:list_catalog", "List models and analyses."),
    "jobs": ("jobs:list_jobs", "List what is computed, what waits and behind what."),
    "cancel": ("jobs:cancel_jobs", "Stop jobs; what they have computed stays."),
    "export": ("exporting:export", "Write the values of an analysis to a CSV or Parquet file."),
    "draw": ("drawing:draw", "Draw an analysis as a PDF, SVG or PNG of an exact width."),
    "figure": ("figure:figure", "Make a stored figure of several analyses, or list figures."),
    "merge": ("merging:merge", "Bring what other catalogs have into this one."),
    "share": ("share:share", "Show a catalog that others own beside this one; list, remove."),
    "rename": ("models:rename", "Give a model another name."),
    "delete": ("models:delete", "Move a model and its analyses to the trash."),
    "restore": ("models:restore", "Take a model and its analyses out of the trash."),
    "sql": ("querying:sql", "Ask the catalog's database; it can only be read, at any time."),
    "check": ("upkeep:check", "Look for damage in the catalog."),
    "rebuild": ("upkeep:rebuild", "Put a new database in the place of a lost or damaged one."),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of one command; what went wrong is one sentence on stderr and status 1.

    Wrong usage is status 2.
    """
    open_closed_streams()
    app = command_app()
    tokens = sys.argv[1:] if arguments is None else list(map(str, arguments))
    try:
        status = app.meta(
            tokens, exit_on_error=False, print_error=False, result_action="return_value"
        )
        sys.stdout.flush()  # here, where what hinders it is said
    except CycloptsError as error:
        print(f"error: {message(_usage_sentence(error))}", file=sys.stderr)
        return WRONG_USAGE
    except OSError as error:  # of help: what a command raises is told where it is called
        print(f"error: {message(system_sentence(error))}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:  # before the command began
        return INTERRUPTED
    return int(status or 0)


def command_app() -> App:
    """All commands. Help has frames on a terminal, and is plain text in a pipe or a file."""
    on_terminal = sys.stdout.isatty()
    app = App(
        NAME,
        help="The same questions as the pages. `python -m explorer COMMAND --help` says more.",
        help_format="plaintext",
        help_formatter="default" if on_terminal else "plain",
        console=None if on_terminal else Console(width=NO_WRAPPING),
        version_flags=[],
        default_parameter=Parameter(negative=(), show_default=False, consume_multiple=False),
        suppress_keyboard_interrupt=False,
    )
    for name, (place, purpose) in COMMANDS.items():
        app.command(f"explorer.commands.{place}", name=name, help=purpose)
    app.meta.suppress_keyboard_interrupt = False

    @app.meta.default
    def launch(
        *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        catalog: Annotated[
            Path | None,
            Parameter(help="folder of the catalog; else $EXPLORER_CATALOG, or .catalog"),
        ] = None,
    ) -> int:
        command, bound, given_later = app.parse_args(tokens, exit_on_error=False, print_error=False)
        if command.__name__ == "help_print" and not {"--help", "-h"} & set(tokens):
            after = f" after {' '.join(tokens)}" if tokens else ""
            raise CycloptsError(msg=f"Name a {_next_word(tokens)}{after}; --help lists them.")
        from explorer.commands.running import exit_status  # here: it loads the catalog's software

        return exit_status(command, bound, catalog, given_later)

    return app


def _next_word(tokens: Sequence[str]) -> str:
    """What is named after these words."""
    return "kind" if tuple(tokens[:1]) == ("compute",) else "command"


def _usage_sentence(error: CycloptsError) -> str:
    """What is wrong with the command line, and what there is instead."""
    if isinstance(error, UnknownCommandError) and error.unused_tokens and error.app is not None:
        what = _next_word(error.command_chain or ())
        names = [name for name in error.app if not name.startswith("-")]
        return f"there is no {what} {error.unused_tokens[0]!r}; there are {', '.join(names)}"
    words = " ".join(str(error).split()).removesuffix(".")
    if isinstance(error, UnknownOptionError) and error.argument_collection is not None:
        options = (argument.name for argument in error.argument_collection if argument.show)
        words += f"{'' if words.endswith('?') else ';'} there are {', '.join(options)}"
    return words[:1].lower() + words[1:]
