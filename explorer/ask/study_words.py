"""What the models and questions of a study are called, on pages and in reports."""

from collections.abc import Container, Mapping
from itertools import chain, count

from explorer.ask.study import Study, StudyModel, StudyQuestion, study_model
from explorer.ask.subject_names import label_models
from explorer.ask.subjects import point_of, snapshot_text
from explorer.kinds import kind_named, settings_from_json, unreadable
from explorer.wording import printable
from store import Catalog, UnknownEntry


def row_labels(catalog: Catalog, study: Study) -> list[str]:
    """What the rows of a study are called, each in its own way."""
    return list(models_by_label(catalog, study))[: len(study.models)]


def models_by_label(catalog: Catalog, study: Study) -> dict[str, StudyModel]:
    """By label: the models of a study in their order, then the others of the catalog."""
    models = catalog.models()
    labels = {model.id: label for label, model in label_models(models).items()}
    own = {(model.id, model.point) for model in study.models}
    others = [study_model(model) for model in models if (model.id, "") not in own]
    by_label: dict[str, StudyModel] = {}
    for model in (*study.models, *others):
        by_label[_free_label(_label(catalog, labels, model), model, by_label)] = model
    return by_label


def _free_label(label: str, model: StudyModel, taken: Container[str]) -> str:
    """The label, or with more words: a model that the catalog has not may be called like one."""
    suffixes = chain([""], (f", {number}" for number in count(2)))
    longer = (f"{label} ({model.id[:6]}{suffix})" for suffix in suffixes)
    return next(words for words in chain([label], longer) if words not in taken)


def _label(catalog: Catalog, labels: Mapping[str, str], model: StudyModel) -> str:
    """What a model is called: by its label of today, and its snapshot."""
    label = labels.get(model.id, printable(model.name))
    if not model.point:
        return label
    try:
        return f"{label} at {printable(snapshot_text(point_of(catalog, model.id, model.point)))}"
    except UnknownEntry:
        return f"{label} at {model.point[:6]}"


def question_words(question: StudyQuestion) -> tuple[str, str]:
    """Title and settings of a column; of one that cannot be read its kind's name."""
    why = unreadable(question.kind, {"split": "", **question.settings})
    if why:
        return printable(question.kind), ""
    kind = kind_named(question.kind)
    settings = settings_from_json(kind.settings, question.settings)
    others = [s.name for s in question.subjects if isinstance(s, StudyModel)]
    words = [*settings.distinguishing_words, *(f"with {name}" for name in others)]
    return kind.title, " · ".join(printable(word) for word in words)
