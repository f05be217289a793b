"""What an answer is computed from: the problem and its points, checked to be those asked about."""

import json
from functools import lru_cache
from pathlib import Path

import safetensors
from torch import Tensor

from explorer.analysis.model import preconditioner
from explorer.analysis.model.checkpoints import CheckpointError, fitted_tensors
from explorer.analysis.model.problems import LoadedProblem, load_problem
from explorer.analysis.objective.named_tensors import content_hash
from explorer.analysis.objective.user_errors import ProblemError
from explorer.contracts.request import AnswerRequest
from explorer.jobs.worker.subject import CHANGED
from explorer.own_code import Code


def unchanged_problem(request: AnswerRequest, code: Code | None) -> LoadedProblem:
    """The problem of the request.

    Raises:
        ProblemError: it is no longer what the question was asked about.
    """
    path = request.problem
    try:
        changed = path.stat().st_mtime
    except FileNotFoundError:
        changed = 0.0  # said when it is loaded
    loaded = _load_problem(path, json.dumps(request.arguments, sort_keys=True), changed, code)
    if loaded.source_hash != request.source_hash:
        raise ProblemError(CHANGED.format(path=path))
    own = {str(request.settings["split"]): request.fingerprint}
    now = {name: split.fingerprint for name, split in loaded.splits.items()}
    if not {**request.further_fingerprints, **own}.items() <= now.items():
        raise ProblemError(
            f"the data of {path} have changed since the import; have the same where it is "
            "computed, or import its models again, and draw the data from a fixed seed if they "
            "are drawn"
        )
    return loaded


@lru_cache(maxsize=1)
def _load_problem(path: Path, arguments: str, changed: float, code: Code | None) -> LoadedProblem:
    """The problem as its file stands now."""
    return load_problem(path, json.loads(arguments), code=code)


def point_tensors(file: Path, point: str, loaded: LoadedProblem) -> dict[str, Tensor]:
    """The tensors of a point, checked against their content hash."""
    try:
        with safetensors.safe_open(file, framework="pt") as stored_tensors:
            names = [n for n in stored_tensors.keys() if not n.startswith(preconditioner.PREFIX)]  # noqa: SIM118
            tensors = {name: stored_tensors.get_tensor(name) for name in names}
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(
            f"the stored point {file} cannot be read; import its model again"
        ) from error
    if content_hash(tensors) != point:
        raise CheckpointError(f"the stored point {file} is damaged; import its model again")
    return fitted_tensors(tensors, loaded.problem.model, file)
