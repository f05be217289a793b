"""Searches that are conditions: what they find, what they refuse, and that nothing is evaluated."""

import math

import pytest

from store import Catalog
from store.annotations import Annotation
from store.errors import CannotFilter
from store.filter_language import is_expression
from tests.stored import put_model, question

MODELS = {
    "m1": ("mlp_1", {"lr": 0.05, "optimiser": "SGD", "sample": True}),
    "m2": ("mlp_2", {"run": {"hyperparameters": {"lr": 0.2}, "trained_by": {"momentum": 0.9}}}),
    "m3": ("cnn", {}),
}
ANSWERS = {  # kind, models, settings, numbers
    "s1": ("surface", ("m1",), {"x_count": 31, "seed": 0, "orthogonal": True}, {"lowest": 0.1}),
    "s2": (
        "surface",
        ("m2",),
        {"x_count": 51, "seed": 1, "orthogonal": False},
        {"lowest": math.nan},
    ),
    "s3": ("surface", ("m3",), {"x_count": 51, "seed": 2}, {}),
    "p1": ("spectrum", ("m1",), {"probes": 10}, {"lambda_max": 12.0, "trace": 40.0}),
    "i1": ("interpolation", ("m1", "m3"), {"x_count": 61}, {"barrier": math.inf}),
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Three models and five answers with numbers."""
    catalog = Catalog(tmp_path_factory.mktemp("filtering"))
    catalog.check()
    for id, (name, facts) in MODELS.items():
        put_model(catalog, id, name, f"w{id}", facts=facts)
    for key, (kind, models, settings, numbers) in ANSWERS.items():
        own = {"split": "train", **settings}
        catalog.ask(question(key, kind=kind, title=key, model_ids=models, settings=own))
        ends = {name: (value, value, value) for name, value in numbers.items()}
        catalog.set_numbers(key, ends, 0)
    catalog.annotate(Annotation(what="analysis", id="s1", tags=("paper", "fig 2"), favourite=True))
    catalog.annotate(Annotation(what="analysis", id="p1", tags=("paper",), note="a *wide* gap"))
    return catalog


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ('kind == "surface"', "s1 s2 s3"),
        ('"surface" == kind', "s1 s2 s3"),
        ('kind != "surface"', "p1 i1"),
        ("x_count > 31", "s2 s3 i1"),
        ("31 < x_count <= 51", "s2 s3"),
        ("51 >= x_count", "s1 s2 s3"),
        ("x_count in [31, 61]", "s1 i1"),
        ("x_count not in (31, 61) and x_count > 0", "s2 s3"),
        ("lr < 0.1", "s1 p1 i1"),
        ("lr == 0.2 or momentum > 1", "s2"),
        ('not lr < 0.1 and kind == "surface"', "s2 s3"),
        ("settings.seed >= 1", "s2 s3"),
        ("orthogonal == true", "s1"),
        ("orthogonal and x_count > 0", "s1 s2"),
        ("sample and x_count > 0", "s1 i1"),
        ('name ~ "^mlp_\\d$"', "s1 s2 p1 i1"),
        ('model == "cnn"', "s3 i1"),
        ('"cnn" and seed == 2', "s3"),
        ("lambda_max > 10", "p1"),
        ('spectrum.lambda_max > 10 and kind == "surface"', "s1"),
        ("lowest > 0", "s1"),  # NaN is in no relation
        ("lowest < 1", "s1"),
        ("lowest != 0.1 and lowest", "s2"),
        ("barrier > 1e300", "i1"),  # infinity is in each
        ("barrier == None", "s1 s2 s3 p1"),
        ("x_count > 1e400", ""),
        ('x_count > "a"', ""),  # a word is greater than no number
        ("title == 'it\\'", ""),
        ('tag == "paper" and lr > 0', "s1 p1"),
        ('tag in ["fig 2", "fig 3"]', "s1"),
        ('note ~ "wide"', "p1"),
        ("favourite == true or barrier > 0", "s1 i1"),
        ('favourite and kind == "surface"', "s1"),
        ('lambda_max == "abc" or lambda_max ~ "z" or lambda_max in ["a"]', ""),
        (" lr == 0.2 or momentum > 1", "s2"),
        ('"S1"', "s1"),
    ],
)
def test_a_condition_finds_what_meets_it(catalog: Catalog, text: str, keys: str) -> None:
    """Comparisons of settings, facts, results and names; what lacks a value meets none of them."""
    listed, count = catalog.questions(text)
    assert sorted(q.key for q in listed) == sorted(keys.split())
    assert count == len(listed)
    rows = catalog.query(catalog.listing_query(text, order="x_count")).rows
    by_count, _ = catalog.questions(text, order="x_count")
    assert [row[0] for row in rows] == [q.key for q in by_count]  # its SQL says the same


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("kind ==", "cannot be read at its end"),
        ("x_count > 3 3", "cannot be read at character"),
        ("x_cuont > 3", "nothing has 'x_cuont' (character 1); there are x_count"),
        ("spectrum.lambda_m > 3", "nothing has 'spectrum.lambda_m' (character 1)"),
        ("x_count > 3 and λ < 1", "nothing has 'λ' (character 17)"),
        ("x_count > λ", "'λ' at character 11 is no value"),
        ("x_count == open", "put words in quotes"),
        ('name ~ "("', "'(' is no pattern"),
        ("name ~ 3", "must be a pattern in quotes"),
        ("x_count > 1 and seed in 3", "must be a list in brackets"),
        ('kind == "a" "b"', "must be one text in plain quotes"),
        ("x_count > [1]", "is no value"),
        ("(lambda: 1)() == 1", "is no name of a column"),
        ('__import__("os").system("true") == 0', "is no name of a column"),
        ("x_count.real.imag > 1", "is no name of a column"),
        ("x_count + 1 > 1", "is no name of a column"),
        ("x_count > 1 if 1 else 2", "is neither a comparison nor a word in quotes"),
        ("x_count > 1" + " and x_count > 1" * 200, "longer than 2,000 characters"),
        ("(" * 500 + "x_count > 1" + ")" * 500, "cannot be read"),
        ("x_count > 1\0", "cannot be read"),
    ],
)
def test_what_is_no_condition_is_one_sentence(catalog: Catalog, text: str, sentence: str) -> None:
    """It says what is wrong, where, and what there is instead; nothing of it is run."""
    with pytest.raises(CannotFilter) as refusal:
        catalog.questions(text)
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("resnet train", False),
        ("", False),
        ("ResNet-20 (seed 3)", False),
        ("it's", False),
        ("mlp in train", False),
        ("a = b", False),
        ("a == b", True),
        ("x < (", True),
        ('name ~ "x"', True),
        ("seed in [1, 2]", True),
    ],
)
def test_words_and_conditions_are_told_apart(text: str, expected: bool) -> None:
    """A condition compares something; a search for words stays what it was."""
    assert is_expression(text) is expected


def test_numbers_go_with_their_answer(catalog: Catalog) -> None:
    """NaN and infinity stay; those of an answer that has grown are asked for again."""
    numbers = catalog.numbers(["s2", "i1", "s3", "none"])
    assert math.isnan(numbers["s2"]["lowest"][0])
    assert numbers["i1"] == {"barrier": (math.inf,) * 3}
    assert numbers["s3"] == {}
    assert set(numbers) == {"s2", "i1", "s3"}


@pytest.mark.parametrize(
    ("order", "descending", "keys"),
    [
        ("lambda_max", True, "p1 i1 s1 s2 s3"),
        ("x_count", False, "s1 s2 s3 i1 p1"),
        ("x_count", True, "i1 s2 s3 s1 p1"),
        ("lr", True, "s2 i1 p1 s1 s3"),
        ("name", False, "s3 i1 p1 s1 s2"),
        ("title", True, "s3 s2 s1 p1 i1"),
        ("spectrum.lambda_max", True, "p1 i1 s1 s2 s3"),
        ("tag", False, "p1 s1 i1 s2 s3"),
        ("note", False, "s1 p1 i1 s2 s3"),
    ],
)
def test_lists_go_by_any_column(catalog: Catalog, order: str, descending: bool, keys: str) -> None:
    """By numbers as numbers, by words as words; what has no such value is last either way."""
    listed, _ = catalog.questions(order=order, descending=descending)
    assert [q.key for q in listed] == keys.split()


def test_facets_count_what_is_searched_for(catalog: Catalog) -> None:
    """Each kind, model, tag with how many there are, of the analyses that meet the condition."""
    facets = catalog.facets("x_count > 0")
    assert facets["kind"] == {"surface": 3, "interpolation": 1}
    assert facets["model"] == {"cnn": 2, "mlp_1": 2, "mlp_2": 1}
    assert facets["tag"] == {"fig 2": 1, "paper": 1}
    assert facets["split"] == {"train": 4}


def test_what_is_archived_is_listed_on_demand(catalog: Catalog) -> None:
    """It is left out of lists that say so, found by conditions, and comes back as it was."""
    catalog.annotate(Annotation(what="analysis", id="s3", archived=True))
    assert "s3" not in {q.key for q in catalog.questions(archived=False)[0]}
    assert catalog.facets(archived=False)["kind"]["surface"] == 2
    assert [q.key for q in catalog.questions("archived == true")[0]] == ["s3"]
    catalog.annotate(Annotation(what="analysis", id="s3"))
    assert "s3" in {q.key for q in catalog.questions()[0]}
