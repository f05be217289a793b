r"""Names, paths and messages as text: what a page draws is what they say, whatever they say.

Streamlit draws labels, captions and messages as Markdown with emoji, icons, colours, formulas and
links, and an image in it is fetched from its host. So everything that was not written in this
program passes through `as_text` on its way into one of them.
"""

import re
from collections.abc import Iterable

from explorer.wording import MESSAGE_LENGTH, NAME_LENGTH, printable

# Backslashes end the meaning of these for Markdown's parser wherever they stand.
SPECIAL_CHARACTERS = re.compile(
    r"""[\\`*\[\]<~$]        # code, emphasis, links and images, HTML, struck, formulas
    |&(?=[\#\w]+;)           # character references
    |:(?=[A-Za-z:])          # Streamlit's directives, as :red[...]
    |(?<![^\W_])_|_(?![^\W_])  # emphasis, but not within a word
    |^\s*[\#+=>|-]           # headings, lists, rules, quotations, tables
    |(?<=^\d)[.)]|(?<=^\d\d)[.)]|(?<=^\d\d\d)[.)]|(?<=^\d\d\d\d)[.)]""",
    re.VERBOSE,
)
# What is replaced in the text after the parser needs a letter in between that is not seen.
BREAK_PLACES = re.compile(
    r"""(?<=[Tt][Pp]:)(?=//)|(?<=[Tt][Pp][Ss]:)(?=//)  # addresses become links
    |(?<=[Ww][Ww][Ww])(?=\.)
    |(?<=@)(?=[\w-]+\.)                                # those of mail too
    |(?<=:)(?=[\w+/-]+:)                               # emoji, icons, the logo
    |(?<=<->)(?=\s|$)|(?<=->)(?=\s|$)|(?<=<-)(?=\s|$)  # arrows and signs
    |(?<=--)(?=\s|$)|(?<=>=)(?=\s|$)|(?<=<=)(?=\s|$)|(?<=~=)(?=\s|$)""",
    re.VERBOSE,
)
JOINER = "\N{WORD JOINER}"


def as_text(words: object, most: int = NAME_LENGTH) -> str:
    """Markdown that shows these letters and nothing else, on one line; long ones are cut.

    Args:
        words: a name, a path.
        most: letters that are shown.
    """
    text = printable(words, most).strip()
    return SPECIAL_CHARACTERS.sub(
        lambda special: _escaped_character(special[0]), BREAK_PLACES.sub(JOINER, text)
    )


def in_badge(words: object, most: int = NAME_LENGTH) -> str:
    """`as_text` for `st.badge`, which escapes brackets by itself."""
    return as_text(words, most).replace("\\[", "[").replace("\\]", "]")


def without_images(markdown: str) -> str:
    """A user's own Markdown; a browser would fetch its images from their hosts."""
    return markdown.replace("![", f"!{JOINER}[")


def joined_names(names: Iterable[object], last: str = ", ") -> str:
    """The names one after the other, each `as_text`, with this between them."""
    return last.join(map(as_text, names))


def as_step(step: int | str) -> str:
    """A training step, or the file's name of a snapshot that has none, as text."""
    return str(step) if isinstance(step, int) else as_text(step)


def as_message(words: object) -> str:
    """A longer text, such as an error's or a path, as `as_text` makes it."""
    return as_text(" ".join(str(words).split()), MESSAGE_LENGTH)


def _escaped_character(special: str) -> str:
    return f"{special[:-1]}\\{special[-1]}"
