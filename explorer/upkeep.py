"""Commands that look after a catalog: rename, delete, restore, sql, check, rebuild."""

import argparse
import csv
import json
import math
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from explorer.ask import requests
from explorer.ask.question import ProblemIdentity, QuestionIdentity, sha256
from explorer.contracts.facts import ProblemFacts
from explorer.kinds import kind_named, settings_from_json, unreadable
from explorer.wording import MESSAGE_LENGTH, message, printable
from store import Catalog, records

MAX_QUESTIONS = 1_000_000  # questions that are looked at together
Command = Callable[..., argparse.ArgumentParser]


def add_commands(command: Command) -> None:
    """Tell the command line's parser of these commands.

    Args:
        command: gives the parser of a new command of a name, a function and a description.
    """
    renaming = command("rename", rename, "Give a model another name.")
    renaming.add_argument("model", help="its name, or the beginning of its id")
    renaming.add_argument("new", help="the name that it has from now on")

    deleting = command("delete", delete, "Move a model and its analyses to the trash.")
    deleting.add_argument("model", help="its name, or the beginning of its id")
    deleting.add_argument("--yes", action="store_true", help="do not ask")

    restoring = command("restore", restore, "Take a model and its analyses out of the trash.")
    restoring.add_argument("model", help="its name, or the beginning of its id")

    asking = command("sql", sql, "Ask the catalog's database; it can only be read, at any time.")
    asking.add_argument("statement", help="such as 'SELECT * FROM analyses'; or 'SHOW TABLES'")
    form = asking.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="a list of objects")
    form.add_argument("--csv", action="store_true", help="NULL is empty, NaN is NaN")

    checking = command("check", check, "Look for damage in the catalog.")
    checking.add_argument(
        "--seal", action="store_true", help="hash what an older version stored, as it is now"
    )
    command("rebuild", rebuild, "Put a new database in the place of a lost or damaged one.")


def rename(catalog: Catalog, given: argparse.Namespace) -> int:
    """Give a model another name."""
    model = model_named(catalog.models(), given.model)
    catalog.rename_model(model.id, given.new)
    print(message(f"{model.name} is now {catalog.model(model.id).name}"))
    return 0


def delete(catalog: Catalog, given: argparse.Namespace) -> int:
    """Move a model to the trash, after a question; what is computed about it is stopped."""
    model = model_named(catalog.models(), given.model)
    what = f"{model.name} with {model.analyses:,} analyses"
    if not given.yes and not _confirm(f"Move {what} to the trash?"):
        print("nothing was deleted", file=sys.stderr)
        return 1
    for job in catalog.jobs(status=("queued", "running"), limit=MAX_QUESTIONS):
        question = catalog.question(job.question_key) if job.question_key else None
        if question is not None and model.id in question.model_ids:
            requests.cancel(catalog, job.id)
    catalog.delete_model(model.id)
    print(f"{message(what)} is in the trash; `restore {model.id[:12]}` takes it out again")
    return 0


def restore(catalog: Catalog, given: argparse.Namespace) -> int:
    """Take a model out of the trash."""
    deleted = [m for m in catalog.models(include_deleted=True) if m.deleted is not None]
    model = model_named(deleted, given.model)
    catalog.restore_model(model.id)
    print(f"{message(model.name)} is back, with {catalog.model(model.id).analyses:,} analyses")
    return 0


def sql(catalog: Catalog, given: argparse.Namespace) -> int:
    """Print what a query gives."""
    table = catalog.query(given.statement)
    if given.json:
        rows = [dict(zip(table.columns, map(_json, row), strict=True)) for row in table.rows]
        print(json.dumps(rows, ensure_ascii=False, allow_nan=False, indent=1))
    elif given.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows(["" if v is None else _text(v) for v in row] for row in table.rows)
    else:
        _print_table(table)
    return 0


def check(catalog: Catalog, given: argparse.Namespace) -> int:
    """Say what is damaged; what cannot be told of is said too, and is no damage."""
    wrong = catalog.check_integrity(contents=True)
    wrong = wrong or key_mismatches(catalog)
    if not wrong and given.seal:
        print(f"{catalog.seal():,} entries were hashed as they are now")
    print("\n".join(map(message, wrong)) if wrong else "no damage found")
    if wrong:
        return 1
    if count := catalog.unsealed_count():
        print(
            f"{count:,} entries are of an older version, without a hash by which a change of them "
            "could be seen: `check --seal` hashes them as they are now"
        )
    if foreign := catalog.foreign_files():
        print(
            f"{len(foreign):,} files are of a database that was here before; they are kept, and "
            "found again when their models are imported"
        )
    return 0


def key_mismatches(catalog: Catalog) -> list[str]:
    """A sentence for each analysis or direction whose key is not that of what it says it is."""
    problems = {problem.id: problem for problem in catalog.problems()}
    sentences = []
    for question in catalog.questions(limit=MAX_QUESTIONS)[0]:
        if _recomputed_key(question, problems) not in ("", question.key):
            sentences.append(
                f"analysis {question.key}: its settings or subjects are not those of its key"
            )
        for direction in catalog.directions(question.key):
            if sha256(direction.recipe) != direction.id:
                sentences.append(
                    f"analysis {question.key}: its direction {direction.axis} is another one"
                )
    return sentences


def _recomputed_key(question: records.Question, problems: dict[str, records.Problem]) -> str:
    """The key of what an analysis says it is; empty where this version cannot tell."""
    if unreadable(question.kind, question.settings) or question.problem_id not in problems:
        return ""
    kind, problem = kind_named(question.kind), problems[question.problem_id]
    if kind.version != question.version:
        return ""
    identity = ProblemIdentity.of(
        problem.source_hash, problem.arguments, ProblemFacts.of(problem.facts)
    )
    settings = settings_from_json(kind.settings, question.settings)
    return QuestionIdentity(kind, settings, identity, question.point_ids).key


def rebuild(catalog: Catalog, given: argparse.Namespace) -> int:
    """Begin a new database, and say what is in it."""
    rebuilt = catalog.rebuild()
    if rebuilt.aside is not None:
        incomplete_text = (
            f"; {rebuilt.incomplete:,} tables could not be read whole" if rebuilt.incomplete else ""
        )
        print(
            f"{rebuilt.rows:,} rows were saved{incomplete_text}; the old database is kept "
            f"as {rebuilt.aside}"
        )
    else:
        print("names, settings and answers were in the old database, and are lost with it")
    print(f"{rebuilt.files:,} files are kept, and never removed by emptying the trash")
    checkpoints = list((catalog.folder / "files").glob("*/*.safetensors"))
    if checkpoints and not rebuilt.rows:
        print(
            "import the models again, from their own checkpoints or from those kept: "
            f"python -m explorer --catalog {catalog.folder} import PROBLEM.py {checkpoints[0]}"
        )
        _print_table(records.Table(("checkpoint", "bytes", "stored"), _file_rows(checkpoints)))
    return 0


def _file_rows(files: Sequence[Path]) -> list[tuple[Any, ...]]:
    file_rows = sorted((f.stat().st_mtime, f.name, f.stat().st_size) for f in files)
    return [
        (name, size, f"{datetime.fromtimestamp(at):%Y-%m-%d %H:%M}") for at, name, size in file_rows
    ]


def model_named(models: Sequence[records.Model], name: str) -> records.Model:
    """The one of these models that has that name, or whose id begins so.

    Raises:
        ValueError: there is none, or there are several.
    """
    named = [m for m in models if m.name == name or (len(name) >= 6 and m.id.startswith(name))]
    if len(named) == 1:
        return named[0]
    names = ", ".join(sorted(m.name for m in models)) or "none"
    if not named:
        raise ValueError(f"{name!r} is no model; there are {names}")
    ids = ", ".join(m.id[:12] for m in named)
    raise ValueError(f"{name!r} names {len(named)} models; give the id's beginning: {ids}")


def _confirm(prompt: str) -> bool:
    try:
        return input(f"{prompt} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:  # nobody is there to ask
        return False


def _json(value: Any) -> Any:
    """A value as JSON has it; NaN and the infinities, which it lacks, as words."""
    if isinstance(value, float) and not math.isfinite(value):
        return _text(value)
    if isinstance(value, dict):
        return {str(name): _json(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_json(entry) for entry in value]
    return value if value is None or isinstance(value, bool | int | float | str) else _text(value)


def _text(value: Any) -> str:
    """A value as text: NULL and NaN by their names."""
    if value is None:
        return "NULL"
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def _print_table(table: records.Table) -> None:
    """Columns side by side, numbers to the right."""
    texts = [[printable(_text(value), MESSAGE_LENGTH) for value in row] for row in table.rows]
    widths = [max(map(len, column)) for column in zip(table.columns, *texts, strict=True)]
    number = [
        all(row[place] is None or isinstance(row[place], int | float) for row in table.rows)
        for place in range(len(widths))
    ]
    print("  ".join(name.ljust(w) for name, w in zip(table.columns, widths, strict=True)).rstrip())
    for row in texts:
        cells = zip(row, widths, number, strict=True)
        print("  ".join(c.rjust(w) if right else c.ljust(w) for c, w, right in cells).rstrip())
    print(f"{len(texts):,} rows")
