"""The command that asks a stored question, and the SQL that reads its answer."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from explorer.ask.stored_paths import bringer_of
from explorer.ask.subjects import named_points
from explorer.kinds import kind_named, settings_from_json
from explorer.kinds.setting import SettingField, setting_fields
from store import Catalog, records

PROGRAM = ("python", "-m", "explorer")
KEY_LETTERS = 12  # of a key or an id that name it


def program_words(catalog: Catalog) -> list[str]:
    """The beginning of a command about this catalog."""
    usual = catalog.folder == Path(__file__).parents[2] / ".catalog"  # whatever a shell says
    return [*PROGRAM, *([] if usual else ["--catalog", str(catalog.folder)])]


def compute_command(catalog: Catalog, question: records.Question) -> str:
    """The command that finds the answer to this question, or computes it; for a POSIX shell."""
    kind = kind_named(question.kind)
    settings = settings_from_json(kind.settings, question.settings)
    points = named_points(kind, settings, question.point_ids)
    words = [*program_words(catalog), "compute", kind.name]
    own = len(kind.subjects[: kind.runs_from])
    further = settings.further_subjects
    runs = len(question.model_ids) - own - len(further)
    options = [*["--model"] * own, *map(option_name, further), *["--model"] * runs]
    subjects = list(zip(options, question.model_ids, points, strict=True))
    if further and (sequence := settings.subject_sequence()):
        subjects = subjects[:own]
        bends = list(zip(question.model_ids[own:], points[own:], strict=True))
        key = bringer_of(catalog, bends)[:KEY_LETTERS]
        words.append(f"{option_name(sequence)}={key}")
    for option, model_id, point_id in subjects:
        words.append(f"{option}={_subject_text(catalog, model_id, point_id)}")
    if own + runs > len(kind.subjects) == 1:
        words.append("--together")
    for described in setting_fields(kind.settings):
        value = getattr(settings, described.name)
        usual = described.default
        if described.name == "batchnorm" and settings.usual_batchnorm() != usual:
            usual = ""  # that depends on the model: it is always said
        if value != usual and not described.setting.filled_in:
            words += _option_words(described, value)
    return shlex.join(words)


def values_query(question: records.Question) -> str:
    """The SQL of all rows of an answer."""
    table = kind_named(question.kind).table
    return f"SELECT * FROM {table} WHERE question_key = '{question.key}' ORDER BY unit"  # noqa: S608


def option_name(name: str) -> str:
    """The option of the command line that gives a setting."""
    return f"--{name.replace('_', '-')}"


def _option_words(described: SettingField, value: object) -> Iterator[str]:
    option = option_name(described.name)
    if described.type is bool:
        yield option if value else f"--no-{option.removeprefix('--')}"
        return
    for entry in value if isinstance(value, tuple) else (value,):
        yield from (option, str(entry))


def _subject_text(catalog: Catalog, model_id: str, point_id: str) -> str:
    """NAME, NAME@STEP, NAME@FILE or NAME@KEY:POINT; an id where the name says too little."""
    lists = catalog.models(), catalog.models(directions=True)
    names = [model.name for models in lists for model in models]
    model = catalog.model(model_id)
    plain = names.count(model.name) == 1 and "@" not in model.name
    name = model.name if plain else model.id[:KEY_LETTERS]
    if point_id == model.point_id:
        return name
    points = catalog.points(model_id)
    texts = {p.point_id: p.label if p.step is None else str(p.step) for p in points}
    text = texts.get(point_id, "@")
    if "@" not in text and list(texts.values()).count(text) == 1:
        return f"{name}@{text}"
    for brought in catalog.answer_points(model_id=model_id):
        if brought.point_id == point_id:
            return f"{name}@{brought.question_key[:KEY_LETTERS]}:{brought.name}"
    return f"{name}@{point_id[:KEY_LETTERS]}"
