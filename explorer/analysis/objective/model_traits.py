"""What a model allows of the ways of evaluating it."""

from dataclasses import replace
from functools import cached_property

from explorer.analysis.objective import batchnorm, model_copies
from explorer.analysis.objective.examples import require_declared
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.reduced_precision import half_precision
from explorer.kinds.execution import Choice
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import Batch, Problem


class ModelTraits:
    """What must be respected where a model is evaluated, seen on a few examples."""

    def __init__(self, flat: FlatModel, problem: Problem, few: Batch) -> None:
        """Try the model on a few examples, which lie where it does."""
        self._flat, self._problem, self._few = flat, problem, few
        self.draws = model_copies.draws_random_numbers(flat, problem, few)

    @property
    def one_point_at_a_time(self) -> bool:
        """Whether points must be evaluated one at a time, by the model as it is written.

        So they must where it is the user's own object, or where random numbers are drawn.
        """
        return self.draws or not self._flat.is_copy

    @cached_property
    def copies_are_independent(self) -> bool:
        """Whether copies of the model at several points do not disturb each other."""
        if self.one_point_at_a_time:
            return False
        return model_copies.copies_are_independent(self._flat, self._problem, self._few)

    @cached_property
    def half_precision(self) -> str:
        """The half precision that something is computed in by itself, as "bfloat16"; else ""."""
        return half_precision(self._problem, self._flat, self._few)

    def check(self, settings: ObjectiveSettings, streams: bool) -> None:
        """Refuse settings that this model, or its problem, does not allow.

        Raises:
            ValueError: it draws random numbers over streamed data, which cannot be one batch
                though it must be; or has no BatchNorm to recompute statistics of.
        """
        if self.draws and streams:
            raise ValueError(
                "forward, loss or a metric draws random numbers from a seed that it sets, so that "
                f"values depend on the batch, and split {settings.split!r} is too large to be "
                "one: draw them once in problem(), or set max_examples"
            )
        policy, declared = settings.batchnorm, self._problem.batch_size
        batchnorm.check_policy(policy, self._flat)
        if policy != "frozen" and declared:
            require_declared("batchnorm_batch", settings.batchnorm_batch, declared)

    def allowed_choice(
        self, choice: Choice, *, examples: int, streams: bool, interpolates: bool
    ) -> Choice:
        """The choice without what this model, its problem or the data do not allow.

        Args:
            choice: a way of evaluating.
            examples: how many there are.
            streams: whether they are brought to the device anew at every pass.
            interpolates: whether buffers lie between those of two points.
        """
        if interpolates or streams:
            choice = replace(choice, stacked=1, superposed=False)
        if choice.compiled or choice.stacked > 1 or not choice.channels_last:
            choice = replace(choice, fused=False)
        if choice.folded or (choice.compiled and choice.stacked == 1):
            choice = replace(choice, superposed=False)
        if self.one_point_at_a_time:
            choice = Choice(batch=examples if self.draws else choice.batch)
        if choice.lanes > 1 and not self.copies_are_independent:
            choice = replace(choice, lanes=1)
        if streams:  # several models would each load the data
            choice = replace(choice, lanes=1, traced=False, compiled=False, graph=False)
        if declared := self._problem.batch_size:
            choice = replace(choice, batch=min(declared, examples))
        return replace(choice, streamed=streams)
