"""Text from files and other people: each letter shown, nothing commanded, fit for a sentence."""

import unicodedata

# Of Unicode's categories: controls, invisible format marks (they turn the direction of text),
# halves of letters (a name that is no UTF-8), private and unassigned ones, line separators.
UNSEEN_CATEGORIES = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
NAME_LENGTH = 60  # letters of a name that are shown
QUOTED_LENGTH = 80  # of one between quotes
PATH_LENGTH = 200
MESSAGE_LENGTH = 2000  # letters of a message


def printable(text: object, most: int = NAME_LENGTH, keep: str = "") -> str:
    r"""The text with what cannot be seen written as an escape, as \x1b, and cut with an ellipsis.

    Args:
        text: a name or a message.
        most: letters that are shown.
        keep: unseen letters that stay, such as a newline.
    """
    full_text = str(text)
    cut = full_text if len(full_text) <= most else f"{full_text[: most - 1]}…"
    return "".join(
        c if c in keep or unicodedata.category(c) not in UNSEEN_CATEGORIES else _escape(c)
        for c in cut
    )


def file_word(name: str) -> str:
    """A name as a part of a file's name: letters, digits and hyphens."""
    return "".join(c if c.isalnum() else "-" for c in name[:NAME_LENGTH])


def is_utf8(text: str) -> bool:
    """Whether the text can be kept; a file's name that is no UTF-8 comes with halves of letters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def message(text: object) -> str:
    """The text for a terminal, over several lines where it has them; it commands nothing there."""
    return printable(text, MESSAGE_LENGTH, keep="\n\t")


def one_line(text: object, most: int = PATH_LENGTH) -> str:
    """The text on one line, at most so many characters; what cannot be seen is escaped."""
    return printable(text, most)


def quote(name: object, most: int = QUOTED_LENGTH) -> str:
    """A name between quotes, cut and escaped."""
    return f"'{one_line(name, most)}'"


def counted(count: int, one: str, several: str = "") -> str:
    """A number of things, as in "1 snapshot", "1,200 snapshots".

    Args:
        count: how many.
        one: the word for one.
        several: the word for other numbers, where it is not that with an s.
    """
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def few(words: list[str], most: int = 3) -> str:
    """The first ones, and how many more there are."""
    first_words = ", ".join(words[:most])
    return first_words if len(words) <= most else f"{first_words} and {len(words) - most} more"


def size(count: int) -> str:
    """Bytes as people say them."""
    number = float(count)
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.1f} GB"


def _escape(letter: str) -> str:
    code = ord(letter)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
