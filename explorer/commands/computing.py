"""Asking a question of any kind: each setting is an option, described by what it says of itself."""

import inspect
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from cyclopts import App

from explorer.ask import questions
from explorer.ask.command_text import option_name
from explorer.ask.subjects import Subject, training_start
from explorer.commands.estimates import print_estimates
from explorer.commands.options import further_names, parameters_of
from explorer.commands.progress import wait_for_jobs
from explorer.commands.subjects import further_subjects, path_named, subject_named
from explorer.commands.values import named_values, value_of
from explorer.contracts.devices import check_devices, device_of
from explorer.contracts.facts import ProblemFacts
from explorer.kinds import KINDS, Kind, settings_from_json
from explorer.kinds.members import OfMembers
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.wording import message
from store import Catalog, records


def answer(
    kind: Kind,
    settings: ObjectiveSettings,
    *,
    model: list[str],
    given: Mapping[str, str] | None = None,
    together: bool = False,
    device: str = "auto",
    engine: str = "",
    dry_run: bool = False,
    chosen: Collection[str] = (),
    catalog: Catalog,
) -> int:
    """Ask, and wait with the progress on the terminal; prints the key of each question.

    Args:
        kind: of the question.
        settings: of the kind.
        model: its subjects.
        given: further subjects that the settings ask for, by their names.
        together: whether all models are runs of one question.
        device: that answers.
        engine: address of a Ray cluster that answers instead, or elsewhere; "" for none.
        dry_run: whether nothing is asked, but told what is stored and how long the rest takes.
        chosen: names of the settings that somebody has chosen.
        catalog: where the answers go.

    Raises:
        ValueError: a setting or subject is refused, or a job failed.
    """
    device = device_of(engine, check_devices(device))
    subjects = [subject_named(catalog, text) for text in model]
    if together and not kind.whole_run:
        raise ValueError(f"--together is for kinds about whole runs, got {kind.name}")
    if isinstance(settings, OfMembers) and not together:
        _check_members(settings, len(subjects))
    if "batchnorm" not in chosen:
        settings = _with_usual_statistics(catalog, settings, subjects[0][0])
    further = _further_subjects(catalog, settings, subjects, given or {})
    own = len(kind.subjects[: kind.runs_from])
    asks = [
        [*each[:own], *(subject or each[0] for subject in further), *each[own:]]
        for each in _subjects_of_each(catalog, kind, subjects, together)
    ]
    if dry_run:
        print_estimates(catalog, kind, settings, asks)
        return 0
    keys = [
        questions.ask(catalog, kind, first, settings, point=point, others=others)
        for (first, point), *others in asks
    ]
    _tell_origins(catalog, keys)
    jobs = [job.id for key in keys if (job := catalog.active_job_for(key))]
    wait_for_jobs(catalog, jobs, device)
    for key in keys:
        print(key)
    return 0


def _further_subjects(
    catalog: Catalog,
    settings: ObjectiveSettings,
    subjects: Sequence[Subject],
    names: Mapping[str, str],
) -> list[Subject | None]:
    """The subjects that the settings ask for beside the kind's own; None stands for the first."""
    if key := names.get(settings.subject_sequence()):
        return [*path_named(catalog, key, subjects[0], subjects[-1])]
    return further_subjects(catalog, settings, names)


def _tell_origins(catalog: Catalog, keys: Sequence[str]) -> None:
    """Say of the answers that others have computed whose they are."""
    for question in catalog.questions_of(keys).values():
        if question.origin and question.status == "complete":
            print(f"already computed in {message(question.origin)}", file=sys.stderr)


def _check_members(settings: OfMembers, models: int) -> None:
    """Refuse models of which each would be a question about too few points.

    Raises:
        ValueError: they are such.
    """
    if models > 1 and settings.last < settings.fewest_members:
        raise ValueError(
            f"each model is a question of its own, about {settings.last} of its snapshots: give "
            "--together for one about all models"
        )


def _with_usual_statistics(
    catalog: Catalog, settings: ObjectiveSettings, model: records.Model
) -> ObjectiveSettings:
    """The settings with the policy that suits their kind, of a model with BatchNorm."""
    problem = ProblemFacts.of(catalog.problem(model.problem_id).facts)
    usual = settings.usual_batchnorm()
    return replace(settings, batchnorm=usual) if problem.has_batchnorm else settings


def _subjects_of_each(
    catalog: Catalog, kind: Kind, subjects: list[Subject], together: bool
) -> list[list[Subject]]:
    """The subjects of each question that is asked."""
    if kind.own_second and (len(subjects) == 1 or len({model.id for model, _ in subjects}) > 1):
        return [[subject, training_start(catalog, subject)] for subject in subjects]
    apart = len(kind.subjects) == 1 and not together
    return [[subject] for subject in subjects] if apart else [subjects]


def chosen_settings(
    kind: Kind, options: Mapping[str, object], texts: tuple[str, ...]
) -> ObjectiveSettings:
    """The settings that options and NAME=VALUE say.

    Args:
        kind: of the question.
        options: by the settings' names; None where it was not given.
        texts: as NAME=VALUE.

    Raises:
        ValueError: a value is refused, or given both ways.
    """
    values: dict[str, object] = {**named_values(texts)}
    for name, option in options.items():
        if option is None:
            continue
        if name in values:
            raise ValueError(f"{name} is given by {option_name(name)} and by --set; give it once")
        values[name] = value_of(option) if isinstance(option, str) else option
    return settings_from_json(kind.settings, values)


def command_of(kind: Kind) -> Callable[..., int]:
    """The command that asks a question of a kind: what all have, and an option for each setting."""

    def command(
        *,
        model: list[str],
        together: bool = False,
        set_values: tuple[str, ...] = (),
        device: str = "auto",
        engine: str = "",
        dry_run: bool = False,
        catalog: Catalog,
        **options: object,
    ) -> int:
        given = {name: str(options.pop(name, None) or "") for name in further_names(kind)}
        return answer(
            kind,
            chosen_settings(kind, options, set_values),
            model=model,
            given={name: text for name, text in given.items() if text},
            together=together,
            device=device,
            engine=engine,
            dry_run=dry_run,
            chosen={*named_values(set_values), *(n for n, v in options.items() if v is not None)},
            catalog=catalog,
        )

    command.__signature__ = inspect.Signature(parameters_of(kind))  # type: ignore[attr-defined]
    command.__annotations__ = {}
    return command


compute = App("compute")
for _kind in KINDS:
    compute.command(command_of(_kind), name=_kind.name, help=f"{_kind.title}.")
