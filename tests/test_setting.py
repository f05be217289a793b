"""Settings describe themselves: every one of every kind, read by checks, help, forms and links."""

import json
import re
from dataclasses import dataclass
from typing import Annotated

import pytest
import streamlit as st

from explorer.ask.command_text import option_name
from explorer.commands.app import main
from explorer.commands.options import help_text
from explorer.kinds import KINDS, Kind, settings_from_json
from explorer.kinds.setting import (
    Setting,
    SettingError,
    SettingField,
    Settings,
    setting_fields,
)
from explorer.pages._terms import cited
from tests.app_test import AppTest

DESCRIBED = [(kind, described) for kind in KINDS for described in setting_fields(kind.settings)]
every_setting = pytest.mark.parametrize(
    ("kind", "described"), DESCRIBED, ids=lambda one: one.name if hasattr(one, "name") else str(one)
)
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
CLOSED = [  # numbers with two ends that belong to the range
    (kind, f) for kind, f in DESCRIBED if f.setting.least is not None and f.setting.most is not None
]


@every_setting
def test_every_setting_has_a_label_and_help(kind: Kind, described: SettingField) -> None:
    """A label of few words that begins no other way than it is shown, and a whole sentence."""
    setting = described.setting
    assert setting.label == setting.label.strip() != ""
    assert len(setting.label) <= 36
    assert setting.help.endswith(".") or setting.label.endswith((" from", " to"))
    assert described.type in (bool, int, float, str)


@every_setting
def test_a_default_is_a_value_that_is_taken(kind: Kind, described: SettingField) -> None:
    """The default lies in its range or among its choices, unless it is of no use at first."""
    usual = {other.name: other.default for other in setting_fields(kind.settings)}
    if described.counts(usual):
        assert described.setting.refusal(described.default) == ""
    assert getattr(kind.settings(), described.name) == described.default


@every_setting
def test_a_seed_says_that_it_is_one(kind: Kind, described: SettingField) -> None:
    """By that, not by its range, a comparison knows that another one is no other question."""
    assert described.setting.seed == described.name.endswith("seed")


@every_setting
def test_what_a_setting_is_of_no_use_with_exists(kind: Kind, described: SettingField) -> None:
    """The words that make a setting useless are choices of another setting of the kind."""
    for name, unused in described.setting.unused_with.items():
        others = {other.name: other for other in setting_fields(kind.settings)}
        if name in others and (choices := others[name].setting.choices):
            assert set(unused) & set(choices)


@pytest.mark.parametrize(
    ("kind", "described"), CLOSED, ids=lambda one: one.name if hasattr(one, "name") else str(one)
)
def test_out_of_range_is_one_sentence_with_both_ends(kind: Kind, described: SettingField) -> None:
    """Beyond either end: refused in a sentence that names the setting, both ends and the value."""
    setting = described.setting
    assert setting.least is not None and setting.most is not None
    for value in (setting.least - 1 - abs(setting.least), 2 * setting.most + 1):
        wrong = (described.type(value),) if described.several else described.type(value)
        with pytest.raises(ValueError) as refused:
            settings_from_json(kind.settings, {described.name: wrong})
        said = str(refused.value)
        assert said.startswith(f"{described.name} must be from ") and "\n" not in said
        assert f"{setting.most:,.10g}" in said and f"{setting.least:,.10g}" in said


@dataclass(frozen=True, kw_only=True)
class Ranges(Settings):
    """A setting of each sort of range."""

    open: Annotated[float, Setting("Open", "In between.", above=0, below=1)] = 0.5
    half: Annotated[float, Setting("Half", "Not 0.", above=0, most=10)] = 1.0
    lowest: Annotated[int, Setting("Lowest", "Few.", least=2, open_ended=True)] = 2
    word: Annotated[str, Setting("Word", "One.", choices=("a", "b"))] = "a"
    many: Annotated[tuple[str, ...], Setting("Many", "Some.", choices=tuple("abcdefghijkl"))] = ()
    extra: Annotated[
        int, Setting("Extra", "Late.", least=1, most=9, unused_with={"word": ("a",)})
    ] = 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"open": 1.0}, "open must be between 0 and 1, got 1.0"),
        ({"open": float("nan")}, "open must be finite, got nan"),
        ({"half": 0.0}, "half must be above 0 and at most 10, got 0.0"),
        ({"lowest": 1}, "lowest must be at least 2, got 1"),
        ({"word": "c"}, "word must be one of a, b, got 'c'"),
        ({"many": ("a", "z")}, "many must be one of a, b, c and 9 more, got 'z'"),
        ({"word": "b", "extra": -1}, "extra must be from 1 to 9, got -1"),
        ({"extra": -1}, "extra must be from 1 to 9, got -1"),
    ],
)
def test_each_sort_of_range_has_its_sentence(given: dict, said: str) -> None:
    """Open, half open, one-sided, words: what must hold and what came; the name is told apart."""
    with pytest.raises(SettingError) as refused:
        Ranges(**given)
    assert str(refused.value) == said
    assert said == f"{refused.value.name} {refused.value.refusal}"


@every_kind
def test_every_number_says_its_range_or_that_it_has_none(kind: Kind) -> None:
    """Of settings and looks alike; what a control is given as the ends holds the default."""
    for described in (*setting_fields(kind.settings), *setting_fields(kind.look)):
        if described.type in (int, float):
            low, high = described.ends
            assert described.setting.open_ended or None not in (low, high), described.name
            assert all(end is None or type(end) is described.type for end in (low, high))
            if not described.several:
                assert low is None or low <= described.default
                assert high is None or described.default <= high


def test_a_setting_without_effect_takes_its_default() -> None:
    """Given where it is of no use it is dropped, so that it asks nothing new; else it stays."""
    assert Ranges(extra=5) == Ranges()
    assert Ranges(word="b", extra=5).extra == 5


def test_a_setting_without_description_default_or_range_is_refused() -> None:
    """Who adds a setting describes it: the class cannot be used otherwise."""

    @dataclass(frozen=True, kw_only=True)
    class Bare(Settings):
        number: int = 1

    @dataclass(frozen=True, kw_only=True)
    class Required(Settings):
        number: Annotated[int, Setting("Number")]

    @dataclass(frozen=True, kw_only=True)
    class Endless(Settings):
        number: Annotated[int, Setting("Number", least=1)] = 1

    with pytest.raises(TypeError, match="number must be Annotated with its Setting"):
        Bare()
    with pytest.raises(TypeError, match="number must have a default"):
        Required(number=1)
    with pytest.raises(TypeError, match="number must say its range, or that it is open-ended"):
        Endless()


def subjects_of(kind: Kind, name: str) -> list[str]:
    """How `--help` lists the option that names these subjects together; nothing if none does."""
    return [f"  {option_name(name)} KEY"] if name == kind.settings.subject_sequence() else []


@every_kind
def test_help_lists_every_setting(kind: Kind, capsys: pytest.CaptureFixture[str]) -> None:
    """Each that a user chooses is an option with label, help, range or choices, and default."""
    assert main(["compute", kind.name, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for described in setting_fields(kind.settings):
        option = option_name(described.name)
        own = [line for line in lines if re.match(rf"  {option}[ ,]", line)]
        if described.setting.filled_in:  # an option of this name may name the subjects themselves
            assert [line.split(":")[0] for line in own] == subjects_of(kind, described.name)
            continue
        (line,) = own
        setting = described.setting
        assert line.endswith(help_text(described, setting_fields(kind.settings)))
        for part in (setting.label, setting.help, setting.unit, *setting.choices):
            assert part in line
        assert setting.range_text[1:] in line
        assert ("[default: " in line) is not bool(setting.refusal(described.default))
        for other in setting_fields(kind.settings):  # what it names there is
            useless = re.search(rf"Of no use with {option_name(other.name)} ([^.]*)\.", line)
            if useless and other.setting.choices:
                assert set(useless[1].split(" or ")) <= set(other.setting.choices)


FREE_WORDS = ("split", "layer", "experiment", "held_out")  # which the problem or the model names
FORM = """
from explorer.kinds import kind_named
from explorer.kinds.setting import setting_fields
from explorer.pages import _forms as forms

for described in setting_fields(kind_named("{kind}").settings):
    if not described.setting.filled_in and described.name not in {free_words}:
        forms.choose(kind_named("{kind}").settings, described.name)
"""


@every_kind
def test_a_form_shows_what_the_description_says(kind: Kind) -> None:
    """A control for each setting: its label, help, default and range, and its name as the key."""
    app = AppTest.from_string(
        FORM.format(kind=kind.name, free_words=FREE_WORDS), default_timeout=60
    ).run()
    assert [error.value for error in app.exception] == []
    widgets = {
        widget.key: widget
        for sort in ("number_input", "button_group", "selectbox", "checkbox", "multiselect")
        for widget in app.get(sort)
    }
    for described in setting_fields(kind.settings):
        setting = described.setting
        if setting.filled_in or described.name in FREE_WORDS or len(setting.choices) == 1:
            continue
        widget = widgets[described.name]
        assert widget.label == setting.label
        assert (widget.help or "").startswith(cited(setting.help))
        default = list(described.default) if described.several else described.default
        assert widget.value == default
        if described.type in (int, float) and not described.several:
            assert (widget.min, widget.max) == described.ends


def test_a_refusal_on_a_page_has_the_label() -> None:
    """The sentence calls the setting what the form calls it."""

    def page() -> None:
        from explorer.kinds.surface import SurfaceSettings
        from explorer.pages import _forms as forms

        forms.checked_settings(SurfaceSettings, {"x_count": 1})
        st.write("not reached")

    app = AppTest.from_function(page, default_timeout=60).run()
    (error,) = app.error
    assert error.value == "Points along x must be from 2 to 2,001, got 1."
    assert not app.markdown


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, "error: name a command; --help lists them"),
        (["compute"], 2, "error: name a kind after compute; --help lists them"),
        (
            ["compute", "lin", "--model", "a"],
            2,
            "error: there is no kind 'lin'; there are surface, ",
        ),
        (["lists"], 2, "error: there is no command 'lists'; there are new-problem, "),
        (
            ["compute", "line", "--model", "a", "--colour", "red"],
            2,
            "error: unknown option: --colour; there are --model, --set, ",
        ),
        (["compute", "line"], 2, 'error: command "compute line" parameter --model requires'),
        (["sql", "x", "--csv", "--json"], 2, "error: give --json or --csv, not both"),
        (
            ["compute", "line", "--model", "a", "--x-count", "5", "--set", "x_count=6"],
            1,
            "error: x_count is given by --x-count and by --set; give it once",
        ),
        (
            ["compute", "line", "--model", "a", "--x-count", "many"],
            1,
            "error: x_count must be of type int, got 'many'",
        ),
        (
            ["compute", "line", "--model", "a", "--x-min", "-Infinity"],
            1,
            "error: x_min must be finite, got -inf",
        ),
    ],
    ids=str,
)
def test_a_wrong_command_line_is_one_sentence(
    arguments: list[str], status: int, said: str, tmp_path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong usage ends with 2 and says what there is, a refused value with 1; no traceback."""
    assert main(["--catalog", str(tmp_path / "catalog"), *arguments]) == status
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(said) and len(shown.err.splitlines()) == 1


def test_options_and_set_ask_the_same() -> None:
    """An option's text is read as --set reads it: numbers, words, switches, lists."""
    from explorer.commands.computing import chosen_settings
    from explorer.kinds import kind_named

    line, sharpness = kind_named("line"), kind_named("sharpness")
    options = {"x_count": "21", "x_min": "-2", "ignore_1d": False, "seed": None}
    texts = ("x_count=21", "x_min=-2.0", "ignore_1d=false")
    assert chosen_settings(line, options, ()) == chosen_settings(line, {}, texts)
    both = chosen_settings(sharpness, {"measures": ["sam", "trace"]}, ())
    assert both == chosen_settings(sharpness, {}, (f"measures={json.dumps(['sam', 'trace'])}",))
