"""Code outside of a kind's own files names no kind, and no setting that one kind alone has.

It is read off the source, so it sees what is written there: imports of a kind's modules, anywhere;
texts and attributes where a kind or a setting is looked up by them (`settings.name`,
`values["name"]`, `.get("name")`, `"name" in values`, `== "name"`, `for x in ("name", ...)`,
`kind="name"`, arguments of calls). It does not see a name that is put together, nor knowledge of a
kind that needs no name.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer.kinds import KINDS, Kind
from explorer.kinds.setting import setting_fields
from explorer.kinds.trajectory import OfRuns

ROOT = Path(__file__).parents[1]
ROOMS = ("kinds", "analysis", "render", "pages")
NAMES = {kind.name for kind in KINDS}
FIELDS = {kind.name: {field.name for field in setting_fields(kind.settings)} for kind in KINDS}
OWN_SETTINGS = {  # setting -> the one kind that has it
    name: kind
    for kind, fields in FIELDS.items()
    for name in fields
    if sum(name in others for others in FIELDS.values()) == 1
}
OWN_BY_ANOTHER_NAME = {  # files and folders of one kind that are not called like it
    "explorer/kinds/__init__.py": "KINDS",  # the one list
    "explorer/kinds/matrix.py": "spectrum",  # its settings
    "explorer/kinds/measures.py": "sharpness",
    "explorer/analysis/measures/": "sharpness",
    "explorer/analysis/curvature/stationary_points.py": "critical",
    "explorer/pages/_barriers.py": "interpolation",
    "explorer/analysis/paths/": "connection",
}
PLANE = "the values on a plane and their drawing, which surface, run and convexity share"
PATHS = "the paths over a surface: the page of the kind projection is that of surface"
WORD = "another thing of that name: a coordinate, a mark, a key of batches or of requests"
STORED = "a fact of points and answers, and a table, stored under that name"
ALLOWED = {  # file -> what it may name, and why
    "explorer/render/plane.py": ({"surface"}, PLANE),
    "explorer/render/overlay.py": ({"surface"}, PLANE),
    "explorer/pages/_overlays.py": ({"surface"}, PLANE),
    "explorer/render/marks/plane.py": ({"surface"}, PLANE),
    "explorer/render/marks/markers.py": ({"surface"}, PLANE),
    "explorer/render/marks/scale.py": ({"surface"}, PLANE),
    "explorer/render/export/thumbnail.py": ({"line"}, WORD),
    "explorer/render/marks/image.py": ({"surface"}, PLANE),
    "explorer/render/marks/contours.py": ({"surface"}, PLANE),
    "explorer/render/marks/hover.py": ({"surface"}, PLANE),
    "explorer/render/relief3d/relief.py": ({"surface"}, PLANE),
    "explorer/pages/_export.py": ({"surface"}, PLANE),
    "explorer/pages/_trajectories.py": ({"surface", "projection"}, PATHS),
    "explorer/pages/_trained_paths.py": ({"surface", "projection"}, PATHS),
    "store/catalog_tables.py": ({"directions"}, STORED),
    "store/questions.py": ({"directions"}, STORED),
    "store/records.py": ({"moments"}, STORED),
    "explorer/problem.py": ({"labels"}, WORD),
    "explorer/experiment.py": ({"line"}, WORD),
    "explorer/playground/optimisers.py": ({"momentum"}, WORD),
    "explorer/playground/race.py": ({"momentum"}, WORD),
    "explorer/pages/_playground_starts.py": ({"starts"}, WORD),
    "explorer/pages/_playground_race.py": ({"surface"}, PLANE),
    "explorer/render/playground/plane.py": ({"surface"}, PLANE),
    "explorer/analysis/objective/random_directions.py": ({"layer"}, WORD),
    "explorer/render/marks/gaps.py": ({"line"}, WORD),
    **{
        f"explorer/render/relief3d/{name}.py": ({"z"}, WORD)
        for name in ("frame", "height", "mesh", "scene")
    },
    "explorer/analysis/curvature/matrices.py": (
        {"matrix", "layer", "labels"},
        "makes the matrix that settings of kinds/matrix.py describe, whichever kind has them",
    ),
}
QUESTIONS = "explorer/phenomena/"  # whose entries are questions, as users ask them
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for top in ("explorer", "store", "sample_models")
    for path in (ROOT / top).rglob("*.py")
)


def kind_of(file: str) -> str:
    """The kind whose own file it is; "" where it is shared."""
    parts = file.removesuffix(".py").split("/")
    if len(parts) == 3 and parts[1] in ROOMS:
        stem = parts[2].lstrip("_")
        for name in NAMES:
            if stem == name or stem.startswith(f"{name}_"):
                return name
    return next((kind for name, kind in OWN_BY_ANOTHER_NAME.items() if file.startswith(name)), "")


def modules(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported, lazily too, or named in a text such as "module:function"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and str(node.value).startswith("explorer."):
            yield str(node.value).partition(":")[0]


def looked_up(tree: ast.AST) -> Iterator[str]:
    """Every text by which something is looked up or compared, and attributes of settings."""
    for node in ast.walk(tree):
        texts: list[ast.expr] = []
        if isinstance(node, ast.Subscript):
            texts = [node.slice]
        elif isinstance(node, ast.Compare):
            texts = [node.left, *node.comparators]
        elif isinstance(node, ast.Call):
            texts = [*node.args, *(word.value for word in node.keywords if word.arg == "kind")]
        elif isinstance(node, ast.For | ast.comprehension):
            texts = [node.iter]
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("settings"):
            yield node.attr
        for text in texts:
            inner = text.elts if isinstance(text, ast.Tuple | ast.List | ast.Set) else [text]
            for entry in inner:
                if isinstance(entry, ast.Constant) and isinstance(entry.value, str):
                    yield entry.value


def kind_of_module(module: str) -> str:
    """The kind after which a module is called; "" where it is shared, or called otherwise."""
    file = f"{module.replace('.', '/')}.py"
    return "" if file.startswith(tuple(OWN_BY_ANOTHER_NAME)) else kind_of(file)


def named_in(file: str) -> set[str]:
    """The kinds, and settings of one kind, that a file names."""
    tree = ast.parse((ROOT / file).read_text())
    imported = {kind_of_module(module) for module in modules(tree)} - {""}
    return imported | {text for text in looked_up(tree) if text in NAMES | OWN_SETTINGS.keys()}


@pytest.mark.parametrize(
    "file",
    [file for file in FILES if not kind_of(file) and not file.startswith(QUESTIONS)],
)
def test_shared_code_names_no_kind(file: str) -> None:
    """Law: nothing outside of a kind's own files names it or a setting that it alone has."""
    allowed, _ = ALLOWED.get(file, (set(), ""))
    assert named_in(file) - allowed == set()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_settings_of_whole_runs_have_their_lengths(kind: Kind) -> None:
    """What is asked about runs has settings that divide their snapshots, and nothing else has."""
    assert kind.whole_run == issubclass(kind.settings, OfRuns)


def test_every_exception_is_needed() -> None:
    """What the list allows is named there: an exception that nothing needs any more goes."""
    for file, (allowed, reason) in ALLOWED.items():
        assert allowed <= named_in(file) and reason, file


def test_the_law_sees_what_it_forbids(tmp_path: Path) -> None:
    """Each way to name a kind or its setting that the law claims to see is seen."""
    for code in (
        "from explorer.kinds.critical import CRITICAL",
        "from explorer.kinds.critical_settings import CriticalSettings",
        "def f():\n    import explorer.render.critical",
        "code = 'explorer.analysis.critical:answer'",
        "kind.name == 'critical'",
        "kind_named('critical')",
        "Next(kind='critical')",
        "settings.starts",
        "wish.settings.starts",
        "values['starts']",
        "values.get('starts')",
        "'starts' in values",
        "[n for n in ('starts', 'every')]",
    ):
        tree = ast.parse(code)
        named = {*map(kind_of_module, modules(tree)), *looked_up(tree)}
        assert {"critical", "starts"} & named, code
