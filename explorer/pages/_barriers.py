"""How high the loss rises between two points, by each definition, as badges."""

import streamlit as st

from explorer.kinds.facts import number
from explorer.kinds.interpolation import Interpolation
from explorer.pages._interpolation_table import VERDICT_WORDS, VERDICTS
from explorer.pages._terms import term_help
from store import records

LINEAR_RISE = 0.02  # of error: below, two models count as linearly connected (Frankle et al. 2020)
# Largest relative difference of the ends from the models by themselves that is rounding.
END_ROUNDING = {"float64": 1e-10, "float32": 1e-5, "tf32": 1e-2, "bf16": 5e-2}


def show_barrier_badges(question: records.Question, line: Interpolation) -> None:
    """The heights over the points computed so far, and whether the ends are the two models."""
    with st.container(horizontal=True, gap="small"):
        st.badge(
            f"barrier {line.barrier:.4g} above the chord",
            icon=":material/landscape:",
            color="green" if line.barrier <= 0 else "blue",
            help=term_help("barrier"),
        )
        st.badge(
            f"{line.rise_above_mean:.4g} above the mean of the ends",
            color="blue",
            help=term_help("rise_above_mean"),
        )
        st.badge(
            f"highest loss {line.saddle:.4g}",
            color="blue",
            help=term_help("saddle"),
        )
        _error_badge(line)
        _connected_badge(line)
        _monotone_badge(line)
        _ends_badge(question, line)


def _error_badge(line: Interpolation) -> None:
    rise = line.error_rise
    if rise is None:
        return
    st.badge(
        f"error rises by {rise:.1%}",
        color="green" if rise < LINEAR_RISE else "blue",
        help=term_help("error_rise"),
    )


def _connected_badge(line: Interpolation) -> None:
    """Whether both points count as connected by this path, by which criteria."""
    verdicts = line.connected
    met = [name for name, verdict in verdicts.items() if verdict]
    decided = [name for name, verdict in verdicts.items() if verdict is not None]
    words = ", ".join(f"{name}: {VERDICTS[verdict]}" for name, verdict in verdicts.items())
    if not decided:
        return
    st.badge(
        f"connected by {len(met)} of {len(decided)} criteria" if met else "not connected",
        icon=":material/link:" if met else ":material/link_off:",
        color="green" if len(met) == len(decided) else "blue",
        help=f"{words[:1].upper()}{words[1:]}. {VERDICT_WORDS}",
    )


def _monotone_badge(line: Interpolation) -> None:
    st.badge(
        "monotone" if line.monotone else f"climbs by {line.largest_rise:.4g}",
        icon=":material/trending_down:" if line.monotone else ":material/trending_up:",
        color="green" if line.monotone else "blue",
        help=term_help("monotone", "largest_rise"),
    )


def _ends_badge(question: records.Question, line: Interpolation) -> None:
    """Whether the line's ends are the two models by themselves."""
    own = [number(end, "loss") for end in line.facts.own]
    if len(own) != 2:
        return
    pairs = list(zip(line.ends(), own, strict=True))
    off = max(abs(end - alone) / max(abs(alone), 1e-300) for end, alone in pairs)
    end_losses = "; ".join(f"on the line {end!r}, by itself {alone!r}" for end, alone in pairs)
    if off <= END_ROUNDING[str(question.settings["precision"])] or all(a == b for a, b in pairs):
        st.badge("ends = both models", icon=":material/check:", color="green", help=end_losses)
    elif question.settings["batchnorm"] != "frozen":
        st.badge(
            f"other statistics change the ends by {off:.2g}",
            icon=":material/info:",
            color="blue",
            help="Relative to the models with their own running statistics (the rings): "
            f"{end_losses}.",
        )
    else:
        st.badge(
            "ends differ from the models", icon=":material/error:", color="red", help=end_losses
        )
