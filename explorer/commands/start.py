"""Commands for a beginning: a problem file to fill in, and the token of the app's address."""

from pathlib import Path

from explorer.access import user_token

TEMPLATE = Path(__file__).parents[1] / "problem_template.py"


def new_problem(file: Path, /) -> int:
    """Write a problem file that runs, with the places to fill in marked.

    Args:
        file: ends in .py; never overwritten.

    Raises:
        ValueError: it would have another ending than .py, or is there; it is left as it is.
    """
    if file.suffix != ".py":
        raise ValueError(f"a problem file must end in .py, got {file.name}")
    try:
        with file.open("x", encoding="utf-8") as written:
            written.write(TEMPLATE.read_text(encoding="utf-8"))
    except FileExistsError as error:
        raise ValueError(f"{file} exists already; give another name") from error
    print(f"{file} is a problem that runs; put your model, data and loss in it")
    return 0


def print_token() -> int:
    """Print what the app's address has after `?token=`."""
    print(user_token())
    return 0
