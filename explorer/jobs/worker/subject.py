"""What jobs are about: a problem file with its arguments, and the code agreed to."""

import importlib
import json
from dataclasses import dataclass
from pathlib import Path

from explorer.analysis.model.problem_module import note_loaded_modules
from explorer.analysis.objective.user_errors import ProblemError
from explorer.consent import agreed_code
from explorer.contracts.request import AnswerRequest, Request
from explorer.kinds import kind_named
from explorer.own_code import Code

CHANGED = "{path} has changed since its models were imported; import them again"


@dataclass(frozen=True)
class JobSubject:
    """What a process answers about: jobs of the same one share it."""

    path: Path
    arguments: str  # JSON
    code: Code
    task: str

    @classmethod
    def of(cls, request: Request) -> "JobSubject":
        """The subject of a request.

        Raises:
            ConsentError: the user has not agreed to run this code.
            ProblemError: it is no longer what the question was asked about.
        """
        path = request.problem
        asked_about = request.source_hash if isinstance(request, AnswerRequest) else ""
        code = agreed_code(path, asked_about)
        if asked_about and asked_about != code.hash:
            raise ProblemError(CHANGED.format(path=path))
        _import_answer_module(request)
        note_loaded_modules()
        arguments = json.dumps(request.arguments, sort_keys=True)
        return cls(path, arguments, code, request.task)


def _import_answer_module(request: Request) -> None:
    """Import what answers the request: once, before processes are forked."""
    if isinstance(request, AnswerRequest):
        importlib.import_module(kind_named(request.kind).answer.partition(":")[0])
