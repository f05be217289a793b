"""Everything that an answer was computed from, and where, by whom and how long."""

from collections.abc import Mapping, Sequence

import streamlit as st

from explorer.ask.provenance import contributors, points_brought, shared_provenance
from explorer.codec import to_json
from explorer.contracts.facts import ProblemFacts, SplitFacts
from explorer.kinds import kind_named
from explorer.kinds.facts import AnswerFacts
from explorer.kinds.setting import setting_fields
from explorer.pages._facts import part_of_data, seconds_text
from explorer.pages._recent import note_recent
from explorer.pages._sharing import show_sharing
from explorer.pages._text import as_text
from store import Catalog, records

SHOWN_FACTS = ("examples", "parameters", "moved", "evaluated", "chosen", "taken_over")


def show_provenance(
    catalog: Catalog, question: records.Question, facts: AnswerFacts, name: str = ""
) -> None:
    """What can be noted and copied of the answer, and what it was computed from.

    Args:
        catalog: where it is.
        question: the question.
        facts: of its answer.
        name: tells it from others on the page.
    """
    note_recent(catalog, question.key)
    show_sharing(catalog, question, name)
    with st.expander(
        f"Provenance of {as_text(name)}" if name else "Provenance", icon=":material/fingerprint:"
    ):
        # Not side by side: a key of 64 characters must fit.
        question_tab, answer_tab = st.tabs(["The question", "The answer"])
        question_tab.caption("The key changes with any of these.")
        question_tab.table(_table_columns(_question_rows(catalog, question)))
        answer_tab.caption("These do not change the key.")
        answer_tab.table(_table_columns(_answer_rows(catalog, question, facts)))


def _question_rows(catalog: Catalog, question: records.Question) -> dict[str, object]:
    """What the key is made of."""
    problem = catalog.problem(question.problem_id)
    facts = ProblemFacts.of(problem.facts)
    return {
        "key": question.key,
        "kind": f"{question.kind}, version {question.version}",
        "point (parameters and buffers)": ", ".join(question.point_ids),
        "problem file": problem.source_hash,
        "arguments": dict(problem.arguments) or "none",
        "loss": facts.loss,
        **_data_rows(facts.splits[question.split]),
        **_setting_rows(question),
    }


def _answer_rows(
    catalog: Catalog, question: records.Question, facts: AnswerFacts
) -> dict[str, object]:
    """Where the answer is from, and what it says of itself."""
    brought, stored_facts = points_brought(catalog, question), to_json(facts)
    shares = contributors(catalog, question)
    completed = question.completed
    return {
        "model": ", ".join(question.model_names),
        **({"point": "; ".join(brought)} if brought else {}),
        "problem path": catalog.problem(question.problem_id).path,
        "asked": f"{question.created:%Y-%m-%d %H:%M} UTC",
        "complete": f"{completed:%Y-%m-%d %H:%M} UTC" if completed else "no",
        **({"shared catalog": question.origin} if question.origin else {}),
        "compute time": seconds_text(question.seconds),
        **{name: stored_facts[name] for name in SHOWN_FACTS if stored_facts.get(name)},
        **shared_provenance(question, shares),
        **_share_rows(shares),
    }


def _data_rows(split: SplitFacts) -> dict[str, str]:
    """What identifies the data, and which part of a larger set they are."""
    part = part_of_data(split)
    return {"data": split.fingerprint, **({"part of the data": part} if part else {})}


def _setting_rows(question: records.Question) -> dict[str, object]:
    """The settings of a stored question by their labels, with the names that files have."""
    return {
        f"{described.setting.label} ({described.name})": question.settings[described.name]
        for described in setting_fields(kind_named(question.kind).settings)
        if described.name in question.settings
    }


def _share_rows(shares: Sequence[records.Share]) -> dict[str, str]:
    """Who computed how much; nothing where all of it was computed in one place with one program."""
    if len(shares) < 2:
        return {}
    texts = [
        f"{share.units:,} units: {', '.join(map(str, share.provenance.values())) or 'unknown'}"
        for share in shares
    ]
    return {f"computed by, {place}": text for place, text in enumerate(texts, start=1)}


def _table_columns(values: Mapping[str, object]) -> dict[str, list[str]]:
    texts = [str(value) for value in values.values()]
    return {"": [as_text(n) for n in values], "value": [as_text(t, 64) for t in texts]}
