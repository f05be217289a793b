"""The table of phenomena: what was expected, what is measured here, and how the two agree."""

import dataclasses
import json
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from explorer.phenomena.phenomenon import WHOSE_EXPECTATION, Phenomenon, Proof, Verdict
from sample_models.answers import SampleAnswers


@dataclass(frozen=True)
class Row:
    """One phenomenon, measured."""

    phenomenon: str
    title: str
    verdict: str
    seconds: float
    proofs: tuple[Proof, ...]
    tried: str = ""


def verified(phenomenon: Phenomenon, answers: SampleAnswers) -> Row:
    """The phenomenon with its numbers, measured now; what others have asked is not asked again."""
    began = time.perf_counter()
    results = [answer.result for answer in answers.answers(phenomenon.questions)]
    proofs = tuple(phenomenon.prove(results))
    seconds = time.perf_counter() - began
    verdict = phenomenon.verdict(proofs)
    tried = phenomenon.tried if verdict is Verdict.OPEN else ""
    return Row(phenomenon.name, phenomenon.title, verdict.value, seconds, proofs, tried)


def verify(phenomena: Iterable[Phenomenon], file: Path | None = None) -> bool:
    """Whether all phenomena come out, but for those that are known not to; prints the table.

    Args:
        phenomena: to measure.
        file: a new one, for the rows as JSON.
    """
    answers = SampleAnswers()
    rows = []
    for phenomenon in phenomena:
        rows.append(verified(phenomenon, answers))
        print("\n".join(row_lines(rows[-1])), flush=True)
    print(WHOSE_EXPECTATION)
    print(summary(rows))
    if file is not None:
        text = json.dumps([dataclasses.asdict(row) for row in rows], indent=2)
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    return all(row.verdict != Verdict.DIFFERS.value for row in rows)


def row_lines(row: Row) -> list[str]:
    """The row as text: its name and verdict, then a line for each number."""
    head = f"{row.phenomenon}: {row.verdict} ({row.seconds:.1f} s)"
    lines = [
        f"    {'ok ' if proof.holds else 'OFF'} {proof.value:.4g}  {proof.words}; expected "
        f"{_range_text(proof)}{f' ({proof.expected})' if proof.expected else ''}"
        for proof in row.proofs
    ]
    return [head, *lines, *([f"    tried: {row.tried}"] if row.tried else [])]


def _range_text(proof: Proof) -> str:
    """Between what a number is expected."""
    low, high = math.isfinite(proof.low), math.isfinite(proof.high)
    if proof.low == proof.high:
        return f"{proof.low:.4g}"
    if low and high:
        return f"{proof.low:.4g} to {proof.high:.4g}"
    return f"at least {proof.low:.4g}" if low else f"at most {proof.high:.4g}"


def summary(rows: Sequence[Row]) -> str:
    """How many came out, in how long."""
    counts = {verdict: sum(row.verdict == verdict.value for row in rows) for verdict in Verdict}
    words = ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count)
    seconds = sum(row.seconds for row in rows)
    return f"{len(rows)} phenomena in {seconds:.0f} s: {words or 'none'}"
