"""What the models and questions of a study are called, on pages and in reports."""

from collections.abc import Mapping

from explorer.ask.study import Study, StudyModel, StudyQuestion, study_model
from explorer.ask.subject_names import label_models
from explorer.ask.subjects import point_of, snapshot_text
from explorer.kinds import kind_named, settings_from_json, unreadable
from explorer.wording import printable
from store import Catalog, UnknownEntry


def model_labels(catalog: Catalog, study: Study) -> dict[str, StudyModel]:
    """By label: the models of a study in their order, then the others of the catalog."""
    labels = {model.id: label for label, model in label_models(catalog.models()).items()}
    by_label: dict[str, StudyModel] = {}
    for model in study.models:
        label = row_label(catalog, labels, model)
        by_label[label if label not in by_label else f"{label} ({model.id[:6]})"] = model
    own = {(model.id, model.point) for model in study.models}
    others = [study_model(m) for m in catalog.models() if (m.id, "") not in own]
    return by_label | {labels[model.id]: model for model in others}


def row_label(catalog: Catalog, labels: Mapping[str, str], model: StudyModel) -> str:
    """What a row is called: the model's label of today, and its snapshot."""
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
