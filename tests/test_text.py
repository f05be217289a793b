"""Names as text: what Streamlit's Markdown and a terminal would take for more than letters."""

import os
from pathlib import Path

import pytest

from explorer.contracts.checkpoint import Checkpoint
from explorer.importing.order import order_import
from explorer.pages._text import as_message, as_text, in_badge
from explorer.wording import counted, message, printable
from store import Catalog

WJ = "\N{WORD JOINER}"


@pytest.mark.parametrize(
    "name",
    ["mlp_b", "deep_plain@step 50", "a_b_c (3f2a1b)", "lr=0.1", "run 2, test", "10:30", "5 > 3"],
)
def test_plain_names_stay_as_they_are(name: str) -> None:
    """What means nothing anywhere is not touched."""
    assert as_text(name) == printable(name) == name


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("![i](http://h/i.png)", rf"!\[i\](http:{WJ}//h/i.png)"),
        ("<img src=x>", r"\<img src=x>"),
        ("**b** `c` ~s~ $x$", r"\*\*b\*\* \`c\` \~s\~ \$x\$"),
        ("_b_", r"\_b\_"),
        (":red[r]", r"\:red\[r\]"),
        (":smile: :+1:", f":{WJ}smile: :{WJ}+1:"),
        (":material/home:", f":{WJ}material/home:"),
        ("# h", r"\# h"),
        ("1. x", r"1\. x"),
        ("- x", r"\- x"),
        ("&lt;", r"\&lt;"),
        ("www.h.org a@h.org", f"www{WJ}.h.org a@{WJ}h.org"),
        ("a -> b", f"a ->{WJ} b"),
        ("C:\\d", r"C:\\d"),
    ],
)
def test_markup_is_drawn_as_letters(name: str, drawn: str) -> None:
    """Each construct of Streamlit's Markdown is escaped, or broken by a letter that is not seen."""
    assert as_text(name) == drawn


def test_badges_escape_brackets_themselves() -> None:
    """What `st.badge` escapes is left to it."""
    assert in_badge("[a] *b*") == r"[a] \*b\*"


def test_unseen_letters_are_shown_and_long_names_cut() -> None:
    """Terminal sequences, line ends, turned writing, half letters; 50,000 letters."""
    assert printable("a\x1b[31m\nb") == r"a\x1b[31m\x0ab"
    assert printable("\u202etxt.\x9b\udcff") == r"\u202etxt.\x9b\udcff"
    assert printable("x" * 50_000) == "x" * 59 + "…"
    assert message("one\n\x1b]0;t\x07two") == "one\n\\x1b]0;t\\x07two"
    assert len(as_message("y" * 50_000)) == 2000


def test_a_name_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    """One sentence for a model's name and for a file's; nothing is stored."""
    catalog = Catalog(tmp_path / "catalog")
    catalog.check()
    problem = tmp_path / "p.py"
    problem.touch()
    good, bad = Checkpoint(file=Path("w.pt")), Checkpoint(file=Path(os.fsdecode(b"/w\xff.pt")))
    for name, files in (("bad\udcff", [good]), ("good", [bad])):
        with pytest.raises(ValueError, match=r"\\udcff.* is no UTF-8"):
            order_import(catalog, problem, {}, files, name)
    assert catalog.jobs() == []
    catalog.close()


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 analyses"), (1, "1 analysis"), (2, "2 analyses"), (1200, "1,200 analyses")],
)
def test_one_thing_is_not_several(count: int, words: str) -> None:
    """A number of things reads as people say it, also where the plural is no s."""
    assert counted(count, "analysis", "analyses") == words
    assert counted(count, "job") == words.replace("analyses", "jobs").replace("analysis", "job")
