"""Writing the values of an analysis to a file, with its provenance."""

from pathlib import Path

from explorer.ask import questions
from explorer.ask.provenance import provenance_of
from explorer.commands.analyses import question_by_key
from explorer.commands.output_file import check_output_file
from explorer.commands.parameters import OpenCatalog
from store import check_target, write_new

FORMATS = (".csv", ".parquet")


def export(key: str, file: Path, /, *, catalog: OpenCatalog) -> int:
    """Write a table with its provenance.

    Args:
        key: of the analysis, or its beginning.
        file: ends in .csv (its provenance goes to FILE.json) or .parquet; never overwritten.
        catalog: where the analysis is.

    Raises:
        ValueError: no such ending, or no such analysis.
        FileExistsError: a file of that name is there.
    """
    from explorer.render.export.table import export_files

    check_output_file(file, FORMATS)
    question = question_by_key(catalog, key)
    contents = export_files(
        questions.result_of(catalog, question), provenance_of(catalog, question), file.name
    )
    for name in contents:  # all before the first is written
        check_target(file.parent / name)
    for name, content in contents.items():
        write_new(file.parent / name, content)
    return 0
