"""Asking on the terminal whether code may be run: its files, on demand their sources."""

import sys
from collections.abc import Sequence
from pathlib import Path

from explorer.commands.exit_statuses import FAILED
from explorer.commands.parameters import OpenCatalog
from explorer.commands.user_answer import user_answer
from explorer.consent import ConsentError, agree, code_to_agree
from explorer.jobs.engine.choice import nodes_text
from explorer.own_code import Code
from explorer.wording import message, printable

ALLOWED_CONTROLS = "\n\t"  # letters that a source may have though they cannot be seen


def user_agrees(code: Code, yes: bool, catalog: Path) -> bool:
    """Whether the user agrees to run the code, which is then kept.

    Args:
        code: all of it is listed.
        yes: the user has said so already.
        catalog: folder of the one whose engine is to run it.
    """
    print("\n".join(f"{message(file.path)}\nsha256 {file.digest}" for file in code.files))
    several = len(code.files) > 1
    print(f"{'are' if several else 'is'} code and will be run in the worker.")
    if nodes := nodes_text(catalog):
        print(f"It then runs on {nodes}, which you have chosen on Jobs.")
    if not (yes or _user_answers_yes(code)):
        return False
    agree(code)
    return True


def _user_answers_yes(code: Code) -> bool:
    while True:
        answer = user_answer("Run it? [y/N, s shows the source] ")
        if answer != "s":
            return answer in ("y", "yes")
        for file in code.files:
            source = file.content.decode(errors="replace")
            source_text = printable(source, len(source), keep=ALLOWED_CONTROLS)
            print(f"\n--- {message(file.path)}\n{source_text}")


def agree_to_code(
    problem: str,
    /,
    *,
    also: Sequence[str] = (),
    yes: bool = False,
    unchecked_catalog: OpenCatalog,
) -> int:
    """Show all code that a problem file loads and ask whether it may be run; 1 for a no.

    Args:
        problem: Python file with a function problem().
        also: a file that it loads in a way that cannot be seen in it.
        yes: agree without being asked.
        unchecked_catalog: of which only the choice of an engine is looked at.

    Raises:
        ConsentError: a file cannot be read.
    """
    paths = [Path(name).expanduser() for name in (problem, *also)]
    for path in paths:
        if not path.is_file():
            raise ConsentError(f"there is no file {path}; check the path")
    if user_agrees(code_to_agree(paths[0], paths[1:]), yes, unchecked_catalog.folder):
        print("agreed")
        return 0
    print("not agreed; nothing of it will be run", file=sys.stderr)
    return FAILED
