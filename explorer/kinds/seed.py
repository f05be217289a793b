"""The seed of what is drawn at random."""

from typing import Annotated

from explorer.kinds.setting import Setting

MOST_SEED = 2**32 - 1  # that NumPy's generators take
Seed = Annotated[
    int,
    Setting("Seed", "Of everything that is drawn at random.", least=0, most=MOST_SEED, seed=True),
]
