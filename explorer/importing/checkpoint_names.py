"""What the checkpoints of an import are called, and at which training step each is."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

# Words after which a number counts steps or passes, and not seeds, folds or ranks.
_STEP_WORD = re.compile(
    r"(.*[^a-z])?(global_?step|step|epoch|ep|iteration|iter|it|batch|update|checkpoint|ckpt|model"
    r"|weights|snapshot)s?",
    re.IGNORECASE | re.DOTALL,
)
_NUMBER = re.compile(r"([0-9]+)")


def natural_key(text: str) -> tuple[list[object], str]:
    """A key by which numbers inside texts are ordered as numbers."""
    parts = _NUMBER.split(text)
    return [int(part) if n % 2 else part for n, part in enumerate(parts)], text


def checkpoint_labels(files: Sequence[Path]) -> list[str]:
    """A name for each file: its own without the suffix, or else what tells its path from others.

    `epoch_1/model.pt` and `epoch_2/model.pt` are `epoch_1` and `epoch_2`.
    """
    own = [_own(file) for file in files]
    same = Counter(own)
    file_labels = list(own)
    for name in (name for name, count in same.items() if count > 1):
        places = [n for n, other in enumerate(own) if other == name]
        for place, label in zip(places, _distinct_parts([files[n] for n in places]), strict=True):
            file_labels[place] = label
    if len(set(file_labels)) < len(set(files)):  # a folder has the name of another one's file
        return _distinct_parts(files)
    return file_labels


def _own(file: Path) -> str:
    return file.name if file.is_dir() else file.stem


def _distinct_parts(files: Sequence[Path]) -> list[str]:
    """The parts of the paths that are not the same in all of them."""
    split = [(*file.parent.parts, _own(file)) for file in files]
    if len(set(split)) < len(split):  # model.pt beside model.safetensors
        split = [file.parts for file in files]
    while all(len(p) > 1 and p[0] == split[0][0] for p in split):
        split = [p[1:] for p in split]
    while all(len(p) > 1 and p[-1] == split[0][-1] for p in split):
        split = [p[:-1] for p in split]
    return ["/".join(part) for part in split]


def label_steps(labels: Sequence[str]) -> list[int | None]:
    """The number in each label where the labels differ by that alone and it counts steps."""
    split = [_NUMBER.split(label) for label in labels]
    none: list[int | None] = [None] * len(labels)
    if len(split) < 2 or len({len(parts) for parts in split}) > 1:
        return none
    different = [n for n, parts in enumerate(zip(*split, strict=True)) if len(set(parts)) > 1]
    if len(different) != 1 or not different[0] % 2:
        return none
    (place,) = different
    before = "".join(split[0][:place]).rstrip("-_=. ")
    numbers = [int(parts[place]) for parts in split]
    if (before and not _STEP_WORD.fullmatch(before)) or max(numbers) > 10**15:
        return none
    return list(numbers) if len(set(numbers)) == len(numbers) else none


def ordered_files(files: Sequence[Path]) -> list[Path]:
    """The files as they were named; in natural order where they came as a shell lists them.

    A shell puts `epoch_10` before `epoch_2`.
    """
    file_steps = label_steps(checkpoint_labels(files))
    as_shell = [str(file) for file in files] == sorted(str(file) for file in files)
    if as_shell and None not in file_steps:
        return sorted(files, key=lambda file: natural_key(str(file)))
    return list(files)
