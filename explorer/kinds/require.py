"""Refusals of settings that do not fit together, in one sentence each."""

from explorer.kinds.setting import SettingError


def require(holds: bool, must: str, got: object) -> None:
    """Refuse a setting in one sentence.

    Raises:
        ValueError: when `holds` is false: "`must`, got `got`".
    """
    if not holds:
        raise ValueError(f"{must}, got {got}")


def one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is not among the choices.

    Raises:
        SettingError: the message lists the choices.
    """
    if value not in choices:
        raise SettingError(name, f"must be one of {', '.join(choices)}, got {value!r}")
