"""A model's new name in the titles of its analyses, also where axes are said in brackets."""

import pytest

from store.titles import replace_names


@pytest.mark.parametrize(
    ("title", "names", "places", "wanted"),
    [
        ("Line of a (x step)", "a step", [1], "Line of a (x new)"),
        ("Line of a (x to b)", "a a b", [2], "Line of a (x to new)"),
        ("Line of a (x to b)", "a a b", [0, 1], "Line of new (x to b)"),
        ("Line of a (x from b to a)", "a b a", [0, 2], "Line of new (x from b to new)"),
        ("Surface of a (x to b, y to c)", "a a b a c", [2], "Surface of a (x to new, y to c)"),
        (
            "Surface of a (x to b at step 3, y from b to c)",
            "a a b b c",
            [2, 3],
            "Surface of a (x to new at step 3, y from new to c)",
        ),
        (
            "Projection of a and d and e (x to b, y to c)",
            "a a b a c d e",
            [5],
            "Projection of a and new and e (x to b, y to c)",
        ),
        (
            "Projection of a and b (x to b, y k at eigenvector 1)",
            "a a b k b",
            [2, 4],
            "Projection of a and new (x to new, y k at eigenvector 1)",
        ),
        ("Critical points of a", "a a", [0, 1], "Critical points of new"),
        ("A name of its own", "a b", [1], "A name of its own"),
    ],
)
def test_a_new_name_stands_wherever_the_old_one_did(
    title: str, names: str, places: list[int], wanted: str
) -> None:
    """Whatever follows it, and whichever names the title leaves out or has in brackets."""
    assert replace_names(title, names.split(), places, "new") == wanted
