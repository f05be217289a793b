"""The values of loss and metrics of all examples at many points, and their means and errors."""

import torch
from torch import Tensor

Where = tuple[int, int, int]  # number of the point, first example, the one after the last
Count = Tensor | float
Value = Tensor | tuple[Tensor, Count]  # per example (..., B); or sum (...) and count


class ExampleValues:
    """The values of `points` points over all examples, until they are reduced in float64."""

    def __init__(self, names: list[str], points: int, examples: int, like: Tensor) -> None:
        """Room on the device and in the precision of `like`."""
        self.points = points
        self._names = names
        self._examples = examples
        self._like = like
        self._rows: dict[int, Tensor] = {}
        self._sums: dict[int, tuple[Tensor, Tensor]] = {}

    def put(self, point: int | slice, start: int, stop: int, values: list[Value]) -> None:
        """Enter the values of the examples from start to stop, at one or more points."""
        for term, value in enumerate(values):
            self.enter(term, point, start, stop, value)

    def enter(self, term: int, point: int | slice, start: int, stop: int, value: Value) -> None:
        """Enter the values of one term."""
        if isinstance(value, tuple):
            self._add(term, point, start == 0, *value)
        elif value.shape[-1] != stop - start:  # one a token, say
            self._add(term, point, start == 0, value.sum(-1), value.shape[-1])
        else:
            self._row(term)[point, start:stop] = value

    def row(self, term: int, point: int | slice, start: int, stop: int) -> Tensor:
        """Where the values of one term go, (..., B)."""
        return self._row(term)[point, start:stop]

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors that hold what was entered."""
        return [*self._rows.values(), *(total for pair in self._sums.values() for total in pair)]

    def take(self, point: int, other: "ExampleValues") -> None:
        """Enter the one point of other values."""
        for term, row in other._rows.items():
            self._row(term)[point] = row[0]
        for term, (total, count) in other._sums.items():
            self._add(term, point, True, total[0], count[0])

    def _row(self, term: int) -> Tensor:
        if term not in self._rows:
            self._rows[term] = self._like.new_empty(self.points, self._examples)
        return self._rows[term]

    def _add(self, term: int, point: int | slice, first: bool, total: Tensor, count: Count) -> None:
        if term not in self._sums:
            sums = torch.zeros(
                2, self.points, dtype=torch.float64, device=_as_float64(self._like).device
            )
            self._sums[term] = (sums[0], sums[1])
        for kept, value in zip(self._sums[term], (total, count), strict=True):
            if first:
                kept[point] = 0.0
            kept[point] += _as_float64(value) if isinstance(value, Tensor) else value

    @torch.no_grad()
    def means_and_errors(self) -> dict[str, Tensor]:
        """Mean of each term; of a loss with one value per example two more; each (K,).

        "loss_se" is the standard error s / sqrt(n) of the mean, with s from squared deviations over
        n - 1; "loss_skewness" the third central moment over the second to the power 3/2.

        All rows are reduced, whatever they hold: the same shape gives the same order of additions.

        Raises:
            ValueError: a term gave as many values as there are examples in some batches alone.

        Source: Cochran 1977, Sampling Techniques, section 2.7; Fisher 1930, Proc. R. Soc. A 130, 16
        (skewness).
        """
        for term in self._rows.keys() & self._sums.keys():
            raise ValueError(
                f"{self._names[term]} gives one value per example in some batches and another "
                "number of values in others; return (their sum, how many they are)"
            )
        reductions = {}
        for term, name in enumerate(self._names):
            if term in self._sums:
                total, count = self._sums[term]
                reductions[name] = total / count
                continue
            rows = self._float64_rows(term)
            mean = rows.sum(dim=1) / self._examples
            reductions[name] = mean
            if name == "loss" and self._examples > 1:
                reductions |= _spread(rows.sub_(mean.unsqueeze(1)))
        return reductions

    def _float64_rows(self, term: int) -> Tensor:
        """A copy of the rows of a term in float64."""
        rows = self._rows[term]
        doubled = _as_float64(rows)
        return doubled.clone() if doubled is rows else doubled

    def losses(self) -> dict[str, Tensor]:
        """As "losses" the loss of each example, (K, N) float64.

        Raises:
            ValueError: the loss is not one value per example.
        """
        if 0 in self._sums:
            raise ValueError(
                "the loss must be one value per example to compare example by example, got sums"
            )
        return {"losses": _as_float64(self._rows[0])}


def mean_of(value: Value) -> float:
    """The mean of a term over its batch, in float64."""
    total, count = value if isinstance(value, tuple) else (_as_float64(value).sum(), value.numel())
    return float(_as_float64(torch.as_tensor(total)) / count)


def _spread(deviations: Tensor) -> dict[str, Tensor]:
    """Standard error and skewness of losses with these deviations (K, N) from their mean."""
    count = deviations.shape[1]
    powers = deviations.square()
    second = powers.sum(dim=1)
    third = powers.mul_(deviations).sum(dim=1)
    variance = second / count
    return {
        "loss_se": (second / (count - 1) / count).sqrt_(),
        # not pow: vectors and what is left over beside them round it differently
        "loss_skewness": third / count / (variance * variance.sqrt()),
    }


def _as_float64(value: Tensor) -> Tensor:
    """The value in float64; on the CPU where the device has none."""
    return (value.cpu() if value.device.type == "mps" else value).to(torch.float64)
