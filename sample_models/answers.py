"""Answers to questions about samples, computed in this process: no catalog, no worker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file

from explorer.analysis.model.problem_trial import ready_problem
from explorer.analysis.model.problems import LoadedProblem, load_problem
from explorer.analysis.objective.named_tensors import Tensors, content_hash
from explorer.analysis.objective.plane import NO_CHOICES
from explorer.jobs.worker.answering import Answer
from explorer.kinds.kind import named_code
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.progress import SILENT
from explorer.kinds.reading import read_result
from explorer.kinds.result import Result
from explorer.kinds.trajectory import OfRuns, RunSnapshots
from explorer.phenomena.phenomenon import SampleQuestion, SampleSubject
from sample_models import Sample, sample_named


@dataclass(frozen=True)
class SampleAnswer:
    """An answer with the points that it brought, by the names that it gives them."""

    result: Result
    points: Mapping[str, Tensors]


@dataclass
class SampleAnswers:
    """Answers so far; what is asked twice is computed once."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    _kept: dict[object, SampleAnswer] = field(default_factory=dict)
    _problems: dict[Path, dict[str, LoadedProblem]] = field(default_factory=dict)

    def answers(self, questions: Sequence[SampleQuestion]) -> list[SampleAnswer]:
        """The answers to the questions of one phenomenon, in their order."""
        answers: list[SampleAnswer] = []
        for question in questions:
            key = (question.kind.name, question.settings, self._subject_keys(question, questions))
            if key not in self._kept:
                self._kept[key] = self._answer(question, answers)
            answers.append(self._kept[key])
        return answers

    def _subject_keys(
        self, question: SampleQuestion, questions: Sequence[SampleQuestion]
    ) -> object:
        """What names the subjects beyond this phenomenon."""
        keys = []
        for subject in question.subjects:
            before = None if subject.question is None else questions[subject.question]
            keys.append((subject.sample, subject.step, subject.point, before))
        return tuple(keys)

    def _answer(self, question: SampleQuestion, earlier: Sequence[SampleAnswer]) -> SampleAnswer:
        """The answer, by the code that a worker runs."""
        settings = question.settings
        if settings.subject_sequence():
            settings = settings.with_further(len(question.subjects) - len(question.kind.subjects))
        settings, points = self._points(question, settings, earlier)
        loaded = self._problem(sample_named(question.subjects[0].sample))
        ready = ready_problem(
            loaded, points[0], settings.split, self.device, settings.precision
        ).problem
        answer = cast(Answer, named_code(question.kind.answer))
        pieces = list(answer(ready, points, settings, frozenset(), self.device, NO_CHOICES, SILENT))
        brought = {
            point.name: {name: torch.from_numpy(v.copy()) for name, v in point.tensors.items()}
            for piece in pieces
            for point in piece.points
        }
        return SampleAnswer(read_result(question.kind, settings, pieces), brought)

    def _points(
        self,
        question: SampleQuestion,
        settings: ObjectiveSettings,
        earlier: Sequence[SampleAnswer],
    ) -> tuple[ObjectiveSettings, list[Tensors]]:
        """The tensors of all points, and the settings with what is filled in from runs."""
        single = len(question.kind.single_subjects(settings))
        points = [_point(subject, earlier) for subject in question.subjects[:single]]
        if not isinstance(settings, OfRuns):
            return settings, points
        runs, snapshots = [], []
        for subject in question.subjects[single:]:
            by_id = _snapshots(subject, earlier)
            wanted = settings.wanted_of(
                RunSnapshots(subject.sample, tuple(by_id), ("",) * len(by_id))
            )
            runs.append(wanted)
            snapshots += [by_id[id] for id in wanted.points]
        return settings.about(runs), points + snapshots

    def _problem(self, sample: Sample) -> LoadedProblem:
        """The sample's problem, as a worker loads it."""
        loaded = self._problems.setdefault(sample.problem, {})
        key = repr(sorted(sample.arguments.items()))
        if key not in loaded:
            loaded[key] = load_problem(sample.problem, sample.arguments)
        return loaded[key]


def _point(subject: SampleSubject, earlier: Sequence[SampleAnswer]) -> Tensors:
    """The tensors of a subject that is one point."""
    if subject.question is not None:
        return earlier[subject.question].points[subject.point]
    sample = sample_named(subject.sample)
    if subject.step is None:
        return load_file(sample.weights)
    paths = {checkpoint.step: checkpoint.path for checkpoint in sample.checkpoints}
    return load_file(paths[subject.step])


def _snapshots(subject: SampleSubject, earlier: Sequence[SampleAnswer]) -> dict[str, Tensors]:
    """The snapshots of a subject that stands for a run by their hashes, the final one last."""
    final = _point(subject, earlier)
    alone = subject.step is not None or subject.question is not None
    checkpoints = () if alone else sample_named(subject.sample).checkpoints
    before = [load_file(checkpoint.path) for checkpoint in checkpoints]
    by_id = {content_hash(tensors): tensors for tensors in before}
    last = content_hash(final)
    return {**{id: tensors for id, tensors in by_id.items() if id != last}, last: final}
