"""Commands for a beginning: a problem file to fill in, and the token of the app's address."""

import argparse
from pathlib import Path

from explorer.access import user_token

TEMPLATE = Path(__file__).with_name("problem_template.py")


def new_problem(given: argparse.Namespace) -> int:
    """Write a problem file that runs, with the places to fill in marked.

    Raises:
        ValueError: it would have another ending than .py.
        FileExistsError: the file is there; it is left as it is.
    """
    if given.file.suffix != ".py":
        raise ValueError(f"a problem file must end in .py, got {given.file.name}")
    try:
        with given.file.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE.read_text(encoding="utf-8"))
    except FileExistsError as error:
        raise ValueError(f"{given.file} exists already; give another name") from error
    print(f"{given.file} is a problem that runs; put your model, data and loss in it")
    return 0


def print_token(given: argparse.Namespace) -> int:
    """Print what the app's address has after `?token=`."""
    print(user_token())
    return 0
