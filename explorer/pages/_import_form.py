"""What an import is of: the problem file, its arguments, checkpoints; agreed to, and ordered."""

from dataclasses import dataclass

import streamlit as st

from explorer.codec import Json, json_of
from explorer.consent import agree, code_to_agree
from explorer.importing import following, sources
from explorer.jobs.engine.choice import nodes_text
from explorer.own_code import Code
from explorer.pages import _parts as parts
from explorer.pages._session import kept
from explorer.pages._text import as_message, as_text
from store import Catalog

FEW = 6  # files that are listed
JOB_KEY = "import"  # of the last import's job, in the session


@dataclass(frozen=True)
class WantedImport:
    """What the fields say, and the user's agreement to run the code."""

    code: Code  # of the problem file, that can be read
    arguments: Json
    checkpoint_sources: sources.Sources  # without errors
    name: str  # of the model; "" for that of its source
    part: str  # keys before the network's own names in each file
    direction: bool  # whether the file holds no weights but a direction


def complain(error: str) -> None:
    """One sentence about a field."""
    st.error(parts.sentence(ValueError(error)), icon=":material/error:")


def choose_problem() -> Code | None:
    """All code that the problem file loads, with its sources to read."""
    text = st.text_input(
        "Problem file",
        key="problem",
        placeholder="/home/me/project/my_problem.py",
        help="A Python file with a function problem() that says what model, data and loss are.",
    ).strip()
    if not text:
        return None
    try:
        code = code_to_agree(sources.problem_file(text)[0])
    except ValueError as error:
        complain(str(error))
        return None
    for file in code.files:
        with st.expander(f"Source of {as_text(file.name)}", icon=":material/code:"):
            st.code(file.content.decode(errors="replace"), language="python", line_numbers=True)
        st.caption(f"{as_message(file.path)}  \nsha256 {file.digest}")
    return code


def choose_arguments() -> Json | None:
    """The arguments of the problem's function."""
    text = st.text_input("Arguments", "{}", key="arguments", help='JSON, as in {"width": 128}')
    try:
        arguments = json_of(text.strip() or "{}", _refuse_word)
    except ValueError as error:
        complain(f"the arguments must be JSON, got {text} ({error}); write names in double quotes")
        return None
    if not isinstance(arguments, dict):
        complain(f"the arguments must be a JSON object, got {text}; write them between braces")
        return None
    return arguments


def _refuse_word(word: str) -> None:
    raise ValueError(f"{word} is no JSON value")


def choose_checkpoints() -> sources.Sources | None:
    """The checkpoints, listed as they were found."""
    text = st.text_area(
        "Checkpoints",
        key="checkpoints",
        placeholder="/home/me/project/ckpt/step_*.pt",
        help="One a line, the last being the final one: a file, a pattern, a Hugging Face or "
        "adapter folder; or the folder of one recorded run or of a Trainer.",
    )
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if not names:
        return None
    checkpoint_sources = sources.resolve(names)
    for error in checkpoint_sources.errors:
        complain(error)
    files = [str(checkpoint.file) for checkpoint in checkpoint_sources.checkpoints]
    if files:
        few = files if len(files) <= FEW else [*files[: FEW - 1], "…", files[-1]]
        what = "snapshots of a recorded run" if checkpoint_sources.recording else "checkpoints"
        several = f"{len(files):,} {what}, the last is the final one:"
        st.caption(several if len(files) > 1 else "1 checkpoint, the final one:")
        st.code("\n".join(few), language=None)
    if checkpoint_sources.recording and not files:
        st.caption("The run has no snapshot yet: follow it to import them as they come.")
    return None if checkpoint_sources.errors else checkpoint_sources


def choose_import(catalog: Catalog) -> None:
    """The fields, the agreement, and the button that orders the import."""
    code = choose_problem()
    arguments, checkpoint_sources = choose_arguments(), choose_checkpoints()
    left, right = st.columns(2)
    part = left.text_input(
        "Weights",
        key="part",
        placeholder="the usual ones",
        help="Keys before the network's own names in each file, as student, ema or a.b; empty "
        "where one network fits, or where the usual one stands beside its averages.",
    ).strip()
    usual = checkpoint_sources.name if checkpoint_sources else ""
    name = right.text_input("Name of the model", key="name", placeholder=usual).strip()
    agreed = code is not None and agree_to_run(catalog, code)
    begun = checkpoint_sources is None or bool(checkpoint_sources.checkpoints)
    follow = checkpoint_sources is not None and choose_to_follow(checkpoint_sources)
    direction = checkpoint_sources is not None and is_direction(checkpoint_sources)
    wanted = None
    if agreed and code and arguments is not None and checkpoint_sources and (begun or follow):
        wanted = WantedImport(code, arguments, checkpoint_sources, name, part, direction)
    pressed = st.button(
        "Import",
        type="primary",
        icon=":material/upload_file:",
        disabled=wanted is None,
        help="Needs a problem file, checkpoints, and your agreement to run the file.",
    )
    if pressed and wanted:  # not so where the file has changed since the page was drawn
        start_import(catalog, wanted, follow)


def agree_to_run(catalog: Catalog, code: Code) -> bool:
    """Whether the user agrees to run this code, as it is now; where else that is, is said."""
    count = len(code.files)
    agreed = st.checkbox(
        "Run this file in the worker" if count == 1 else f"Run these {count} files in the worker",
        key=f"agreed-{code.problem}-{code.hash}",  # a changed file asks again
        help="It is code, and can do whatever you can. It never runs in the app itself.",
    )
    if nodes := nodes_text(catalog.folder):
        st.caption(as_message(f"It then runs on {nodes}, which you have chosen on Jobs."))
    return agreed


def is_direction(checkpoint_sources: sources.Sources) -> bool:
    """Whether the user says that the one file is no checkpoint."""
    if checkpoint_sources.recording or len(checkpoint_sources.checkpoints) != 1:
        return False
    return st.checkbox(
        "The file holds a direction",
        key="direction",
        help="No weights, but a step for each parameter under the model's names, for the axes of "
        "lines and planes; parameters that it lacks do not move.",
    )


def choose_to_follow(checkpoint_sources: sources.Sources) -> bool:
    """Whether to import what a run that goes on will bring; at first so while it has nothing."""
    recording = checkpoint_sources.recording
    if recording is None or recording.ended:
        return False
    begun = bool(checkpoint_sources.checkpoints)
    return st.toggle(
        "Follow",
        value=not begun,
        key="follow" if begun else "follow-first",
        help="New snapshots are imported while the run goes on and this app runs, for as long as "
        "the problem file stays what you agreed to.",
    )


def start_import(catalog: Catalog, wanted: WantedImport, follow: bool) -> None:
    """Order what the fields say, also of what the run will bring."""
    code, checkpoint_sources = wanted.code, wanted.checkpoint_sources
    try:
        agree(code)
        if checkpoint_sources.checkpoints:
            kept()[JOB_KEY] = sources.order(
                catalog,
                checkpoint_sources,
                code.problem,
                wanted.arguments,
                name=wanted.name,
                part=wanted.part,
                direction=wanted.direction,
            )
    except ValueError as error:
        complain(str(error))
        return
    if follow and checkpoint_sources.recording:
        folder = checkpoint_sources.recording.folder
        run = following.FollowedRun(
            problem=code.problem,
            digest=code.hash,
            arguments=wanted.arguments,
            name=wanted.name,
            part=wanted.part,
        )
        following.follow(catalog, folder, run)
