"""What a page asks about the loss: data, examples, precision, BatchNorm; also from the URL."""

from typing import Any

import streamlit as st

from explorer.contracts.facts import ProblemFacts
from explorer.kinds.settings import (
    BATCHNORM_POLICIES,
    CURVATURE_PRECISIONS,
    PRECISIONS,
    SUBSETS,
    ObjectiveSettings,
)
from explorer.pages._controls import check_address, choose_one_of, is_whole
from store import records

FROZEN = "frozen"  # the only policy under which a loss is differentiated twice


def choose_objective(
    problem: records.Problem,
    batchnorm: str = "frozen",
    *,
    curvature: bool = False,
    precision: str = PRECISIONS[0],
) -> dict[str, Any]:
    """Data, precision and BatchNorm policy, as settings.

    Args:
        problem: whose data they are.
        batchnorm: the default policy.
        curvature: whether it is differentiated twice, which no reduced precision and no moving
            statistics allow.
        precision: the default one.
    """
    facts = ProblemFacts.of(problem.facts)
    values = {"split": choose_one_of("Data", list(facts.splits), "split")}
    values |= _choose_subset(facts.splits[values["split"]].count)
    precisions = CURVATURE_PRECISIONS if curvature else PRECISIONS
    check_address("precision", f"one of {', '.join(precisions)}", precisions.__contains__)
    values["precision"] = st.selectbox(
        "Precision",
        precisions,
        precisions.index(precision),
        key="precision",
        bind="query-params",
        help="Of the loss and its derivatives; float64 is slower and rounds less."
        if curvature
        else "Of the forward pass. tf32 and bf16 are quicker on hardware that has them; their "
        "error against float32 is measured and shown.",
    )
    if curvature:
        check_address("batchnorm", "frozen where the loss is differentiated twice", FROZEN.__eq__)
        return values
    if facts.has_batchnorm:
        values |= _choose_batchnorm(batchnorm)
    return values


def _choose_subset(count: int) -> dict[str, Any]:
    """All examples, the first ones, or random ones, as settings."""
    subset = choose_one_of(
        "Examples",
        SUBSETS,
        "subset",
        f"all {count:,}; or fewer, for a quicker surface with a stated error: random ones give an "
        "unbiased estimate, the first ones do if the data lie in random order",
    )
    values: dict[str, Any] = {"subset": subset}
    if subset != "all":
        check_address("examples", "a whole number", is_whole)
        left, right = st.columns(2, gap="xsmall")
        usual = min(256, count)
        values["examples"] = left.number_input(
            "How many", value=usual, step=64, key="examples", bind="query-params"
        )
        if values["examples"] > count:
            st.error(f"The split has only {count:,} examples; choose fewer.")
            st.stop()
        if subset == "random":
            check_address("examples_seed", "a whole number", is_whole)
            values["examples_seed"] = right.number_input(
                "Seed", value=0, step=1, key="examples_seed", bind="query-params"
            )
    return values


def _choose_batchnorm(default: str) -> dict[str, Any]:
    """What normalises away from the trained point, as settings."""
    must = f"one of {', '.join(BATCHNORM_POLICIES)}"
    check_address("batchnorm", must, BATCHNORM_POLICIES.__contains__)
    policy = st.selectbox(
        "BatchNorm",
        BATCHNORM_POLICIES,
        index=BATCHNORM_POLICIES.index(default),
        key="batchnorm",
        bind="query-params",
        help="frozen: the model's running statistics; recalibrated: recomputed at every point; "
        "batch: each batch by its own statistics",
    )
    values: dict[str, Any] = {"batchnorm": policy}
    if policy != "frozen":
        defaults = ObjectiveSettings()
        left, right = st.columns(2, gap="xsmall")
        fields = [("batchnorm_batch", "Examples a batch", left)]
        if policy == "recalibrated":
            fields.append(("batchnorm_examples", "Examples in all", right))
        for name, label, column in fields:
            check_address(name, "a whole number", is_whole)
            values[name] = column.number_input(
                label, value=getattr(defaults, name), step=64, key=name, bind="query-params"
            )
    return values
