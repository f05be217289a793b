"""Moving what is stored to the trash, with what is being computed about it stopped first."""

from collections.abc import Callable

from explorer.ask import requests
from store import Catalog, records


def delete_model(catalog: Catalog, id: str) -> None:
    """Move a model and its analyses to the trash; the jobs that answer these are stopped.

    Raises:
        UnknownEntry: there is none of that id.
    """
    _cancel_jobs(catalog, lambda question: id in question.model_ids)
    catalog.delete_model(id)


def delete_analysis(catalog: Catalog, key: str) -> None:
    """Move an analysis to the trash; the job that answers it is stopped.

    Raises:
        UnknownEntry: there is none of that key.
    """
    _cancel_jobs(catalog, lambda question: question.key == key)
    catalog.delete_question(key)


def _cancel_jobs(catalog: Catalog, is_about_it: Callable[[records.Question], bool]) -> None:
    jobs = catalog.active_jobs()
    questions = catalog.questions_of(job.question_key for job in jobs if job.question_key)
    for job in jobs:
        question = questions.get(job.question_key or "")
        if question is not None and is_about_it(question):
            requests.cancel(catalog, job.id)
