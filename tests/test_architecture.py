"""The laws of the house that can be read off the source, and off a running process."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ANALYSIS = (
    "explorer/analysis/",
    "explorer/problem.py",
    "explorer/experiment.py",
    "explorer/game.py",
    "explorer/jobs/worker/",
)
# The recorder's side runs in the user's training script, where torch is anyway. What both it and
# the mathematics know of a module's extra state is a file of its own: neither loads the other.
RECORDER = ("explorer/recorder.py", "explorer/optimizer_state.py", "explorer/extra_state.py")
SCENES = tuple(
    f"explorer/render/relief3d/{name}.py" for name in ("scene", "still", "mesh", "process")
)

# Who may import what from outside: package -> rooms.
OUTSIDE = {
    "torch": (
        *ANALYSIS,
        *RECORDER,
        "explorer/problem_template.py",  # runs in the user's hands, as the problem file it becomes
        "explorer/function_problem.py",
        "sample_models/",
    ),
    "ray": ("explorer/jobs/engine/cluster.py",),  # an extra that may be missing
    "starlette": ("explorer/access.py", "explorer/pages/_serving.py"),
    "lightning": ("explorer/callbacks/lightning.py",),
    "pytorch_lightning": ("explorer/callbacks/lightning.py",),
    "transformers": ("explorer/callbacks/huggingface.py",),
    "streamlit": ("app.py", "explorer/pages/"),
    "duckdb": ("store/",),
    "cyclopts": ("explorer/commands/",),
    "symengine": ("explorer/playground/",),
    "rich": ("explorer/commands/",),
    "altair": ("explorer/render/",),
    "pyvista": SCENES,
    "vtk": SCENES,
    "vtkmodules": SCENES,
}
ANYWHERE = (
    "explorer.PROGRAM",
    "explorer.VERSION",
    "explorer.codec",
    "explorer.contracts",
    "explorer.csv_text",
    "explorer.private_folder",
    "explorer.wording",
)
BELOW = (
    "explorer.kinds",
    "explorer.problem",
    "explorer.experiment",
    "explorer.game",
)  # what all mathematics may stand on
# Who may import what of ours: room -> rooms. The longest prefix counts.
INSIDE = {
    "store/": ("store",),
    "sample_models/": (
        "sample_models",
        "explorer.experiment",
        "explorer.function_problem",
        "explorer.game",
        "explorer.problem",
        "explorer.phenomena",
        "explorer.kinds",
        "explorer.analysis",
        "explorer.jobs.worker.answering",
    ),
    "explorer/phenomena/": ("explorer.phenomena", "explorer.kinds"),
    "explorer/problem.py": ("explorer.experiment", "explorer.game"),
    "explorer/game.py": (),
    "explorer/experiment.py": ("explorer.problem",),
    "explorer/csv_text.py": (),
    "explorer/wording.py": (),
    "explorer/codec.py": (),
    "explorer/contracts/": ("explorer.contracts", "explorer.kinds.execution"),
    "explorer/extra_state.py": (),
    "explorer/import_statements.py": (),
    "explorer/module_files.py": (),
    "explorer/own_code.py": ("explorer.import_statements", "explorer.module_files"),
    "explorer/consent.py": ("explorer.own_code",),
    "explorer/admission.py": ("explorer.own_code",),
    "explorer/recording.py": (),
    "explorer/trainer_folder.py": ("explorer.recording",),
    "explorer/run_folder.py": ("explorer.recording",),
    "explorer/optimizer_state.py": (),
    "explorer/recorder.py": (
        "explorer.recording",
        "explorer.extra_state",
        "explorer.optimizer_state",
        "explorer.run_folder",
    ),
    "explorer/callbacks/": ("explorer.callbacks", "explorer.recorder"),
    "explorer/playground/": ("explorer.playground", "explorer.kinds"),
    "explorer/topology/": ("explorer.topology",),
    "explorer/kinds/": ("explorer.kinds", "explorer.topology"),
    "explorer/analysis/objective/": (
        *BELOW,
        "explorer.extra_state",
        "explorer.own_code",
        "explorer.analysis.objective",
    ),
    "explorer/analysis/curvature/": (
        *BELOW,
        "explorer.analysis.objective",
        "explorer.analysis.curvature",
    ),
    "explorer/analysis/directions/": (
        *BELOW,
        "explorer.analysis.objective",
        "explorer.analysis.curvature",
        "explorer.analysis.directions",
    ),
    "explorer/analysis/measures/": (
        *BELOW,
        "explorer.analysis.objective",
        "explorer.analysis.curvature",
        "explorer.analysis.measures",
    ),
    "explorer/analysis/model/": (
        *BELOW,
        "explorer.extra_state",
        "explorer.own_code",
        "explorer.analysis.objective",
        "explorer.analysis.curvature",
        "explorer.analysis.model",
    ),
    "explorer/analysis/symmetry/": (
        *BELOW,
        "explorer.analysis.objective",
        "explorer.analysis.symmetry",
    ),
    "explorer/analysis/": (*BELOW, "explorer.analysis"),
    "explorer/render/marks/": ("explorer.render.marks", "explorer.kinds"),
    "explorer/render/relief3d/": (
        "explorer.render.relief3d",
        "explorer.render.marks",
        "explorer.kinds",
    ),
    "explorer/render/playground/": (
        "explorer.render",
        "explorer.kinds",
        "explorer.playground",
    ),
    "explorer/render/": ("explorer.render", "explorer.kinds", "explorer.topology"),
    "explorer/recorded_runs.py": ("explorer.recording", "explorer.trainer_folder", "store"),
    "explorer/ask/": (
        "explorer.ask",
        "explorer.jobs.spool",
        "explorer.kinds",
        "explorer.recorded_runs",
        "store",
    ),
    "explorer/importing/": (
        "explorer.importing",
        "explorer.ask",
        "explorer.jobs.json_files",
        "explorer.jobs.piece_files",
        "explorer.jobs.spool",
        "explorer.consent",
        "explorer.own_code",
        "explorer.kinds",
        "explorer.recorded_runs",
        "explorer.recording",
        "sample_models",
        "store",
    ),
    "explorer/jobs/": ("explorer.jobs", "explorer.kinds"),
    "explorer/jobs/engine/": (
        "explorer.consent",
        "explorer.jobs",
        "explorer.kinds",
        "explorer.own_code",
    ),
    "explorer/jobs/vetting.py": ("explorer.ask", "explorer.jobs", "store"),
    "explorer/jobs/worker/": (
        "explorer.admission",
        "explorer.consent",
        "explorer.jobs.isolation",
        "explorer.jobs.partner",
        "explorer.jobs.job_folder",
        "explorer.jobs.process",
        "explorer.jobs.provenance",
        "explorer.jobs.spool",
        "explorer.jobs.unit_state",
        "explorer.jobs.worker",
        "explorer.kinds",
        "explorer.analysis",
        "explorer.own_code",
        "explorer.problem",
    ),
    "explorer/gallery/": (
        "explorer.gallery",
        "explorer.ask",
        "explorer.importing",
        "explorer.jobs.json_files",
        "explorer.jobs.spool",
        "explorer.kinds",
        "explorer.phenomena",
        "sample_models",
        "store",
    ),
    "explorer/supervisor/": (
        "explorer.ask",
        "explorer.gallery",
        "explorer.importing",
        "explorer.jobs",
        "explorer.kinds",
        "explorer.supervisor",
        "store",
    ),
    "explorer/job_progress.py": ("explorer.supervisor", "explorer.jobs", "store"),
    "explorer/private_folder.py": (),
    "explorer/access.py": ("explorer.private_folder",),
    "explorer/problem_template.py": ("explorer.problem",),
    "explorer/function_problem.py": ("explorer.problem",),
    "explorer/figures/": (
        "explorer.figures",
        "explorer.kinds",
        "explorer.ask",
        "explorer.render",
        "store",
    ),
    "explorer/report/": (
        "explorer.report",
        "explorer.figures",
        "explorer.kinds",
        "explorer.ask",
        "explorer.render",
        "store",
    ),
    "explorer/pages/": (
        "explorer.pages",
        "explorer.playground",
        "explorer.figures",
        "explorer.gallery",
        "explorer.phenomena",
        "explorer.report",
        "explorer.access",
        "explorer.consent",
        "explorer.own_code",
        "explorer.kinds",
        "explorer.ask",
        "explorer.importing",
        "explorer.jobs",
        "explorer.recorded_runs",
        "explorer.supervisor",
        "explorer.render",
        "explorer.topology",
        "store",
        "sample_models",
    ),
    "explorer/__main__.py": ("explorer.commands",),
    "explorer/commands/": (
        "explorer.commands",
        "explorer.figures",
        "explorer.gallery",
        "explorer.phenomena",
        "explorer.report",
        "explorer.access",
        "explorer.consent",
        "explorer.own_code",
        "explorer.kinds",
        "explorer.ask",
        "explorer.importing",
        "explorer.jobs",
        "explorer.job_progress",
        "explorer.recorded_runs",
        "explorer.supervisor",
        "explorer.render",
        "store",
    ),
    "app.py": ("explorer.pages",),
}
WORKER_ONLY = (
    "explorer.jobs.engine.cluster",  # an extra that may be missing
    "explorer.analysis",
    "explorer.problem",
    "explorer.problem_template",
    "explorer.function_problem",
    "explorer.jobs.worker",
    "explorer.recorder",
    "explorer.optimizer_state",
    "explorer.extra_state",
    "explorer.callbacks",
)
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for top in ("app.py", "explorer", "store", "sample_models")
    for path in ([ROOT / top] if top.endswith(".py") else (ROOT / top).rglob("*.py"))
)


def imports(file: str) -> Iterator[str]:
    """Every module that the file names in an import, lazy ones included."""
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def allowed_inside(file: str) -> tuple[str, ...]:
    room = max((r for r in INSIDE if file.startswith(r)), key=len, default=None)
    assert room is not None or file == "explorer/__init__.py", f"{file} belongs to no room"
    return INSIDE[room] if room else ()


@pytest.mark.parametrize("file", FILES)
def test_imports_run_one_way(file: str) -> None:
    """Law: each room imports only the rooms and the packages that DESIGN gives it."""
    mine = allowed_inside(file)
    for module in imports(file):
        top = module.split(".")[0]
        if top in OUTSIDE:
            assert file.startswith(OUTSIDE[top]), f"{file} imports {module}"
        elif top in ("explorer", "store", "sample_models") and "." in module:
            anywhere = () if file.startswith("store/") else ANYWHERE
            if file.startswith("explorer/kinds/"):  # contracts stand on it
                anywhere = tuple(room for room in ANYWHERE if room != "explorer.contracts")
            assert module.startswith((*mine, *anywhere)), f"{file} imports {module}"


def loaded_after(code: str) -> set[str]:
    """Top-level packages in a fresh process after running the code."""
    script = f"{code}\nimport sys\nprint(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_app_process_loads_no_torch_and_no_vtk() -> None:
    """Law: nothing that the app process imports, directly or through others, loads torch or VTK."""
    modules = [f[:-3].replace("/", ".") for f in FILES if f.startswith(("explorer/", "store/"))]
    modules = [
        m.removesuffix(".__init__")
        for m in modules
        if not m.startswith(WORKER_ONLY)
        and f"{m.replace('.', '/')}.py" not in SCENES
        and (not m.startswith("explorer.pages") or m.split(".")[-1].startswith("_"))
    ]
    code = "\n".join(f"import {module}" for module in [*modules, "sample_models"])
    loaded = loaded_after(code)
    assert {"streamlit", "duckdb", "altair"} <= loaded
    assert not loaded & {"torch", "pyvista", "vtk", "vtkmodules"}


def test_mathematics_loads_no_app() -> None:
    """Law: the worker's side loads neither streamlit nor duckdb nor a drawing library."""
    loaded = loaded_after("import explorer.jobs.worker.__main__, explorer.analysis.surface")
    assert "torch" in loaded
    assert not loaded & {"streamlit", "duckdb", "altair", "pyvista", "vtkmodules", "matplotlib"}


WHOLE_SURFACE = """
import numpy as np
from explorer.kinds.surface import SURFACE, Surface
from explorer.render.surface import draw
axis = np.linspace(-1.0, 1.0, 9)
loss = np.add.outer(axis**2, axis**2)
drawn = draw(Surface(axis, axis, {"loss": loss}, np.ones(loss.shape, dtype=bool)), SURFACE.look())
assert drawn.to_dict(validate=False)["layer"]
"""


def test_a_whole_surface_is_drawn_without_scipy() -> None:
    """Law: the first chart of a stored surface does not wait for SciPy, half a second."""
    loaded = loaded_after(WHOLE_SURFACE)
    assert {"altair", "contourpy"} <= loaded
    assert "scipy" not in loaded


def test_every_kind_has_its_files() -> None:
    """Law: a kind has a file of its name in kinds, analysis and render; a page, or another's."""
    from explorer.kinds import KINDS

    assert len({kind.name for kind in KINDS}) == len(KINDS)
    for kind in KINDS:
        assert (ROOT / kind.page).is_file()
        for room in ("kinds", "analysis", "render", *(["pages"] if kind.own_page else [])):
            assert (ROOT / "explorer" / room / f"{kind.name}.py").is_file(), (kind.name, room)
        for entry in (kind.answer, kind.draw):
            module, _, function = entry.partition(":")
            source = (ROOT / f"{module.replace('.', '/')}.py").read_text()
            assert f"def {function}(" in source, entry


def test_top_level_is_the_card_s() -> None:
    """The visible top level is exactly what the user fixed."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    top = {name.split("/")[0] for name in listed if name and not name.startswith(".")}
    wanted = "app.py README.md explorer store tests sample_models requirements.txt"
    assert top <= set(wanted.split())


def test_which_jobs_have_not_ended_is_said_once() -> None:
    """The statuses stand together in the store's records; all others ask those."""
    together = re.compile(r"""["'](queued|running)["'],\s*["'](queued|running)["']""")
    files = [file for top in ("explorer", "store") for file in (ROOT / top).rglob("*.py")]
    literal = [str(f.relative_to(ROOT)) for f in files if together.search(f.read_text())]
    assert literal == ["store/records.py"]
