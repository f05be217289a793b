"""Ordering the import of shipped sample models: the first few by themselves, others on demand."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from explorer.ask import requests
from explorer.ask.question import sha256
from explorer.codec import Json
from explorer.contracts.checkpoint import Checkpoint
from explorer.contracts.facts import ModelFacts
from explorer.contracts.request import NextQuestion, stored_import
from explorer.importing.order import order_import
from explorer.kinds import KINDS
from explorer.own_code import code_of
from sample_models import Sample, sample_named, samples
from store import Catalog, records

# Samples whose pictures come first
_FIRST_NAMES = ("mlp_b", "deep_residual", "deep_plain", "cnn_bn")
_FACT = "sample_content"  # of a model: which sample it is, to the last bit of weights and code
_JOBS_LOOKED_AT = 100_000
_MEMORY = "samples"  # under which the catalog remembers whose import has been ordered


def order_first_samples(catalog: Catalog) -> None:
    """Have the samples of the first start imported once, each with first questions."""
    ordered_samples: list[str] = catalog.recall(_MEMORY, [])
    order = {name: place for place, name in enumerate(_FIRST_NAMES)}
    first_samples = [sample for sample in samples() if sample.first_start]
    for sample in sorted(first_samples, key=lambda s: (order.get(s.name, len(order)), s.name)):
        if sample_identity(sample) not in ordered_samples:
            _order(catalog, sample, first_questions(), requests.BACKGROUND_PRIORITY)


def decline_samples(catalog: Catalog) -> None:
    """Have no sample imported into this catalog by itself."""
    first_samples = [sample_identity(sample) for sample in samples() if sample.first_start]
    catalog.remember(_MEMORY, first_samples)


def order_sample(
    catalog: Catalog,
    name: str,
    then: Sequence[NextQuestion] = (),
    priority: int = requests.FOREGROUND_PRIORITY,
) -> None:
    """Have a sample imported, unless it is stored or on its way; samples need no agreement.

    Args:
        catalog: where the model goes.
        name: of the sample.
        then: asked about the model once it is there; not where it is there already.
        priority: lower is more urgent.

    Raises:
        KeyError: there is no such sample.
    """
    sample = sample_named(name)
    if sample_identity(sample) not in catalog.recall(_MEMORY, []) or not (
        stored_sample(catalog, name) or is_coming(catalog, name)
    ):
        _order(catalog, sample, then, priority)


def stored_sample(catalog: Catalog, name: str) -> records.Model | None:
    """The newest model that is this sample, by whatever name; None while there is none.

    Raises:
        KeyError: there is no such sample.
    """
    sample = sample_named(name)
    models = catalog.models(search=sample.title)
    return next((model for model in models if is_sample(catalog, model, sample)), None)


def is_sample(catalog: Catalog, model: records.Model, sample: Sample) -> bool:
    """Whether a model is this sample as it is shipped now: its weights, and the code it runs."""
    facts = ModelFacts.of(model.facts)
    if not facts.sample or facts.title != sample.title:
        return False
    imported = facts.others.get(_FACT)
    if imported is not None:
        return imported == _content(sample)
    # it came before that was noted: its code says whether it can still be asked about
    return catalog.problem(model.problem_id).source_hash == _code_hash(sample)


def sample_identity(sample: Sample) -> str:
    """What the catalog remembers of a sample whose import was ordered; new with each training."""
    return sha256([sample.name, sample.torch, sample.measured])


def _content(sample: Sample) -> str:
    """All of a sample that its answers hang on: another of it is another model."""
    return sha256([sample_identity(sample), _code_hash(sample)])


def _code_hash(sample: Sample) -> str:
    return _hash_of(sample.problem, sample.problem.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _hash_of(problem: Path, changed: int) -> str:
    """The hash of the code that a problem file loads, read once until the file changes."""
    return code_of(problem).hash


def is_coming(catalog: Catalog, name: str) -> bool:
    """Whether an import of the sample of that name waits or runs.

    Raises:
        KeyError: there is no such sample.
    """
    title = sample_named(name).title
    imports = [job for job in catalog.active_jobs() if job.task == "import"]
    return any(stored_import(job.request).facts.get("title") == title for job in imports)


def last_import(catalog: Catalog, name: str) -> records.Job | None:
    """The newest import that was ordered of the sample as it is shipped now; None: of another.

    Raises:
        KeyError: there is no such sample.
    """
    content = _content(sample_named(name))
    for job in catalog.jobs(limit=_JOBS_LOOKED_AT):
        if job.task == "import" and stored_import(job.request).facts.get(_FACT) == content:
            return job
    return None


def first_questions() -> list[NextQuestion]:
    """What is asked about each sample of the first start: what its kinds ask of samples."""
    return [
        NextQuestion(
            kind=kind.name,
            settings=kind.of_samples,
            priority=requests.BACKGROUND_PRIORITY - 1,
        )
        for kind in KINDS
        if kind.of_samples
    ]


def _order(catalog: Catalog, sample: Sample, then: Sequence[NextQuestion], priority: int) -> None:
    order_import(
        catalog,
        sample.problem,
        sample.arguments,
        [Checkpoint(file=c.path, step=c.step) for c in sample.checkpoints],
        sample.name,
        facts=_facts(sample),
        then=then,
        priority=priority,
    )
    identity = sample_identity(sample)
    nothing: list[str] = []
    catalog.change_remembered(_MEMORY, nothing, lambda ordered: sorted({*ordered, identity}))


def _facts(sample: Sample) -> Json:
    """What the catalog keeps of how a sample was trained."""
    training = sample.training
    numbers = {k: v for k, v in training.options.items() if isinstance(v, int | float)}
    facts: Json = {
        "title": sample.title,
        "about": sample.about,
        "optimiser": training.optimiser,
        "learning_rate": numbers.pop("lr", None),
        "batch_size": training.batch_size,
        **numbers,
        "seed": sample.seed,
        "steps": sample.steps,
        "sample": True,
        _FACT: _content(sample),
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}
