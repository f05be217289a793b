"""Facts as a page words them: of models, data and analyses, durations and moments."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from explorer.contracts.facts import ModelFacts, SplitFacts
from explorer.kinds import kind_named, settings_from_json
from explorer.pages._text import as_text
from explorer.wording import counted
from store import records


def about_text(model: records.Model) -> str | None:
    """What a model's importer said of it, for a tooltip."""
    about = ModelFacts.of(model.facts).about
    return as_text(about, 500) if about else None


def facts_line(model: records.Model) -> str:
    """A model's measured facts in one line."""
    fact_texts = [counted(ModelFacts.of(model.facts).parameters or 0, "parameter")]
    for split, values in sorted(model.measurements.items(), reverse=True):
        measured = ", ".join(
            f"{as_text(name)} {value:.1%}" if name == "accuracy" else f"{as_text(name)} {value:.4g}"
            for name, value in sorted(values.items(), reverse=True)
        )
        fact_texts.append(f"{as_text(split)} {measured}")
    return " · ".join(fact_texts)


def distinguishing_words(question: records.Question) -> str:
    """The settings that tell one analysis from another."""
    kind = kind_named(question.kind)
    settings = settings_from_json(kind.settings, question.settings)
    words = list(settings.distinguishing_words)
    if kind.whole_run:
        single = len(kind.single_subjects(settings))
        words.append(counted(len(question.point_ids) - single, "snapshot"))
    return " · ".join(words)


def distinguishing_text(question: records.Question) -> str:
    """The same as text of a page, each kept on one line."""
    words = as_text(distinguishing_words(question), 200).split(" · ")
    return " · ".join(word.replace(" ", "\N{NO-BREAK SPACE}") for word in words)


def part_of_data(split: SplitFacts) -> str:
    """Which part of a larger data set a split is; empty for a whole one."""
    if split.of is None:
        return ""
    return f"{split.count:,} of {split.of:,} examples drawn with seed {split.seed}"


def seconds_text(seconds: float) -> str:
    """A duration for people."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def local_time(moment: datetime | None, form: str = "%Y-%m-%d %H:%M") -> str:
    """A moment in the time zone of the browser, which is named where it is not known."""
    if moment is None:
        return ""
    at = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return at.astimezone(ZoneInfo(st.context.timezone or "")).strftime(form)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return f"{at.astimezone(UTC):{form}} UTC"
