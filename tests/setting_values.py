"""Values of settings, made from what the settings say of themselves: no table names one."""

import contextlib
import dataclasses

from explorer.kinds import Kind
from explorer.kinds.settings import ObjectiveSettings

FEW = (5, 10)  # of whatever a setting counts: as few as it takes


def small_settings(kind: Kind) -> ObjectiveSettings:
    """Settings of a kind that ask for little: few points, probes, steps."""
    settings: ObjectiveSettings = kind.settings()
    for field in dataclasses.fields(kind.settings):
        if type(field.default) is int and field.default > FEW[0]:
            for count in reversed(FEW):
                with contextlib.suppress(ValueError):
                    settings = dataclasses.replace(settings, **{field.name: count})
    return settings
