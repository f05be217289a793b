"""The rules by which operations pass channels on: one for each name of an operation.

The operations are those of ATen, into which PyTorch takes every layer apart: a convolution, a
normalisation or attention is the same whoever wrote the module.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from explorer.analysis.symmetry.channels import Channels, Labels

Outcome: TypeAlias = Labels | list[Labels]
Shapes: TypeAlias = list[tuple[int, ...]]


@dataclass(frozen=True)
class Call:
    """An operation as it is called: `Labels` in the place of each tensor."""

    channels: Channels
    name: str
    arguments: Sequence[Any]
    named: dict[str, Any]
    shapes: Shapes  # of its outputs

    @property
    def tensors(self) -> list[Labels]:
        """All tensors among the arguments, in lists too."""
        entries = [*self.arguments, *self.named.values()]
        flat = [
            e for entry in entries for e in (entry if isinstance(entry, list | tuple) else [entry])
        ]
        return [entry for entry in flat if isinstance(entry, Labels)]

    def argument(self, place: int, name: str, default: object = None) -> Any:
        """An argument by its place or its name."""
        if place < len(self.arguments):
            return self.arguments[place]
        return self.named.get(name, default)


Rule: TypeAlias = Callable[[Call], Outcome]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register what operations of these names do."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def outcome(call: Call) -> Outcome:
    """What stands along the axes of an operation's outputs.

    An operation that is not known fixes every channel that meets it.
    """
    own_rule = RULES.get(call.name) or RULES.get(call.name.removesuffix("_"))
    if own_rule is not None:
        return own_rule(call)
    why = f"the operation {call.name}"
    for labels in call.tensors:
        call.channels.fix_all(labels, why)
    return [Labels.fixed(shape, why) for shape in call.shapes]
