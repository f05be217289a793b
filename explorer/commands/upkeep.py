"""Looking for damage in a catalog, and a new database in the place of a lost one."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from explorer.ask import questions
from explorer.ask.question import ProblemIdentity, QuestionIdentity, sha256
from explorer.commands.analyses import all_questions
from explorer.commands.exit_statuses import FAILED
from explorer.commands.parameters import OpenCatalog
from explorer.commands.tables import print_table
from explorer.contracts.facts import ProblemFacts
from explorer.kinds import kind_named, settings_from_json, unreadable
from explorer.kinds.reading import check_numbers
from explorer.wording import counted, message
from store import Catalog, records


def check(*, seal: bool = False, catalog: OpenCatalog) -> int:
    """Say what is damaged; what cannot be told of is said too, and is no damage.

    Args:
        seal: hash what an older version stored, as it is now.
        catalog: that is looked through.
    """
    wrong = catalog.check_integrity(contents=True)
    wrong = wrong or [*key_mismatches(catalog), *unreadable_answers(catalog)]
    if not wrong and seal:
        print(f"{counted(catalog.seal(), 'entry was', 'entries were')} hashed as now stored")
    print("\n".join(map(message, wrong)) if wrong else "no damage found")
    if wrong:
        return FAILED
    if count := catalog.unsealed_count():
        print(
            f"{counted(count, 'entry is', 'entries are')} of an older version, without a hash by "
            "which a change could be seen: `check --seal` hashes what is there now"
        )
    if foreign := catalog.foreign_files():
        print(
            f"{counted(len(foreign), 'file is', 'files are')} of a database that was here before, "
            "kept, and found again when their models are imported"
        )
    return 0


def key_mismatches(catalog: Catalog) -> list[str]:
    """A sentence for each analysis or direction whose key is not that of what it says it is."""
    problems = {problem.id: problem for problem in catalog.problems()}
    sentences = []
    for question in all_questions(catalog):
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


def unreadable_answers(catalog: Catalog) -> list[str]:
    """A sentence for each analysis whose stored values or facts are no answer to it."""
    sentences = []
    for question in all_questions(catalog):
        if unreadable(question.kind, question.settings):
            continue  # another version's
        try:
            check_numbers(questions.result_of(catalog, question))
        except ValueError as error:
            sentences.append(f"analysis {question.key}: {error}")
    return sentences


def _recomputed_key(question: records.Question, problems: dict[str, records.Problem]) -> str:
    """The key of what an analysis says it is; empty where this version cannot tell."""
    if unreadable(question.kind, question.settings) or question.problem_id not in problems:
        return ""
    kind, problem = kind_named(question.kind), problems[question.problem_id]
    settings = settings_from_json(kind.settings, question.settings)
    if kind.version_of(settings) != question.version:
        return ""
    identity = ProblemIdentity.of(
        problem.source_hash, problem.arguments, ProblemFacts.of(problem.facts)
    )
    return QuestionIdentity(kind, settings, identity, question.point_ids).key


def rebuild(*, unchecked_catalog: OpenCatalog) -> int:
    """Begin a new database, and say what is in it.

    Args:
        unchecked_catalog: whose database may not be opened.
    """
    rebuilt = unchecked_catalog.rebuild()
    if rebuilt.aside is not None:
        incomplete_text = (
            f"; {counted(rebuilt.incomplete, 'table')} could not be read whole"
            if rebuilt.incomplete
            else ""
        )
        log_text = "; what its log had is not among them" if rebuilt.log_lost else ""
        print(
            f"{counted(rebuilt.rows, 'row was', 'rows were')} saved{incomplete_text}{log_text}; "
            f"the old database is kept as {rebuilt.aside}"
        )
    else:
        print("names, settings and answers were in the old database, and are lost with it")
    files = counted(rebuilt.files, "file is", "files are")
    print(f"{files} kept, and never removed by emptying the trash")
    checkpoints = list((unchecked_catalog.folder / "files").glob("*/*.safetensors"))
    if checkpoints and not rebuilt.rows:
        print(
            "import the models again, from their own checkpoints or from those kept: python -m "
            f"explorer --catalog {unchecked_catalog.folder} import PROBLEM.py {checkpoints[0]}"
        )
        print_table(records.Table(("checkpoint", "bytes", "stored"), _file_rows(checkpoints)))
    return 0


def _file_rows(files: Sequence[Path]) -> list[tuple[object, ...]]:
    file_rows = sorted((f.stat().st_mtime, f.name, f.stat().st_size) for f in files)
    return [
        (name, size, f"{datetime.fromtimestamp(at):%Y-%m-%d %H:%M}") for at, name, size in file_rows
    ]
