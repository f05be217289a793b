"""Values as JSON has them."""

import math


def finite_json(value: object) -> object:
    """JSON values; NaN and the infinities, which JSON lacks, as the words NaN, inf and -inf."""
    if isinstance(value, dict):
        return {name: finite_json(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite_json(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else str(value)
    return value
