"""A greedy soup: ingredients are tried from the best on, and kept while it gets no worse."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from explorer.analysis.merging.averages import mean_vector
from explorer.analysis.merging.ingredients import Average, Ingredients

Means = dict[str, float]  # loss and metrics


@dataclass(frozen=True)
class Trial:
    """One ingredient more in the soup."""

    number: int  # of the ingredient
    kept: bool
    means: Means  # of the soup with it


@dataclass
class GreedySoup:
    """Which ingredients a greedy soup keeps; what was measured once is not measured again.

    Source: Wortsman et al. 2022, arXiv:2203.05482, recipe 1.
    """

    ingredients: Ingredients
    average: Average
    value: Callable[[Means], float]  # of measured means, the larger the better
    _alone: dict[int, Means] = field(default_factory=dict)
    _trials: list[Trial] = field(default_factory=list)

    def alone(self, number: int) -> Means:
        """Loss and metrics of an ingredient by itself, with its own statistics."""
        if number not in self._alone:
            objective = self.ingredients.objective
            objective.load(self.ingredients.points[number])
            self._alone[number] = objective.means()
        return self._alone[number]

    @property
    def order(self) -> list[int]:
        """The numbers of the ingredients, the best first; equal ones as they come."""

        def badness(number: int) -> float:
            value = self.value(self.alone(number))
            return math.inf if math.isnan(value) else -value

        return sorted(range(len(self.ingredients.points)), key=badness)

    def trial(self, number: int) -> Trial:
        """The trial of that number, from 0 on; those before it are made first."""
        order = self.order
        while len(self._trials) <= number:
            entered, candidate = self.entered(len(self._trials)), order[len(self._trials) + 1]
            best = next((t.means for t in reversed(self._trials) if t.kept), self.alone(order[0]))
            numbers = [*entered, candidate]
            self.average.stand(mean_vector(map(self.ingredients.vector, numbers)), numbers)
            means = self.ingredients.objective.means()
            kept = self.value(means) >= self.value(best)
            self._trials.append(Trial(candidate, kept, means))
        return self._trials[number]

    def entered(self, trials: int) -> list[int]:
        """The numbers of the ingredients that are in the soup after so many trials."""
        if trials:
            self.trial(trials - 1)
        return [self.order[0], *(t.number for t in self._trials[:trials] if t.kept)]
