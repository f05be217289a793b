"""Values at several points: a pass over the data for each, or one pass for all."""

from collections.abc import Callable

from torch import Tensor

from explorer.analysis.objective.example_values import ExampleValues
from explorer.analysis.objective.objective import Objective

Place = Callable[[Tensor, Tensor], None]  # of parameters (D,) at a step (m,)


def enter_points(
    objective: Objective, place: Place, example_values: ExampleValues, steps: Tensor
) -> None:
    """Enter the values at steps (K, m), one after the other.

    Each has a stretch of its own: what a model in place made of its weights, and kept, ends there.
    """
    for point, step in enumerate(steps.unbind()):
        place(objective.flat.theta, step)
        with objective.flat.at_theta():
            objective.follow_parameters(step)
            objective.write(example_values, point)


def enter_points_in_one_pass(
    objective: Objective, place: Place, example_values: ExampleValues, steps: Tensor
) -> None:
    """Enter the values at steps (K, m), each batch serving all of them: loading it costs most.

    Statistics that are recomputed or interpolated at a point are so once, and kept for the pass.
    """
    statistics: list[list[Tensor]] = []
    for start, stop, batch in objective.batches:
        few = None
        for point, step in enumerate(steps.unbind()):
            place(objective.flat.theta, step)
            if point == len(statistics):
                objective.follow_parameters(step)
                statistics.append(objective.moving_buffers.copies())
            else:
                objective.moving_buffers.put_back(statistics[point])
            with objective.flat.at_theta():
                few = objective.enter(example_values, (point, start, stop), batch, few)
