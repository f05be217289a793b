"""Text from files and other people, made fit to stand within a sentence."""

from explorer.printable import printable

NAME = 80  # characters of a name that are said
PATH = 200


def one_line(text: object, most: int = PATH) -> str:
    """The text on one line, at most so many characters; what cannot be seen is escaped."""
    return printable(text, most)


def quoted(name: object, most: int = NAME) -> str:
    """A name between quotes, cut and escaped."""
    return f"'{one_line(name, most)}'"


def few(said: list[str], most: int = 3) -> str:
    """The first ones, and how many more there are."""
    shown = ", ".join(said[:most])
    return shown if len(said) <= most else f"{shown} and {len(said) - most} more"


def size(count: int) -> str:
    """Bytes as people say them."""
    number = float(count)
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.1f} GB"
