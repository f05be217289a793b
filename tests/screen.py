"""Pages as Streamlit's `AppTest` shows them, and what stands on them."""

import json
import re
from pathlib import Path
from typing import Any

from explorer.importing.samples import sample_identity
from explorer.pages._text import JOINER
from sample_models import samples
from store import Catalog
from tests.app_test import AppTest
from tests.tiny import ROOT, until_stored

PAUSE = 0.02  # seconds per point of the model "slow": long enough to see it grow
CATALOG_PAGE, JOBS_PAGE = "explorer/pages/catalog.py", "explorer/pages/jobs.py"
IMPORT_PAGE = "explorer/pages/import.py"


def identities() -> list[str]:
    """What the app remembers of the samples that it has imported, as in `importing.samples`."""
    return sorted(map(sample_identity, samples()))


def opened(page: str = CATALOG_PAGE, **address: str | list[str]) -> AppTest:
    """The page as it looks under that address."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for name, value in address.items():
        app.query_params[name] = value
    return app.switch_page(page).run()


def texts(app: AppTest, *kinds: str) -> list[str]:
    """What elements of these kinds say."""
    return [str(element.value) for kind in kinds for element in app.get(kind)]


def fine(app: AppTest) -> AppTest:
    """The page, after checking that it neither raised nor complained."""
    assert [e.value for e in app.exception] == []
    assert [e.value for e in app.error] == []
    return app


def badges(app: AppTest) -> str:
    return " ".join(text for text in texts(app, "markdown") if "-badge[" in text)


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def pressed(app: AppTest, label: str) -> AppTest:
    """The page after the press of the one button of that label."""
    (button,) = [b for b in app.button if b.label == label]
    return button.click().run()


def asked_keys(folder: Path) -> set[str]:
    """Keys of all questions that were ever asked."""
    catalog = Catalog(folder)
    return {q.key for deleted in (False, True) for q in catalog.questions(deleted=deleted)[0]}


def answered(folder: Path) -> None:
    """Wait until no job is left; the catalog costs less to look at than a page."""
    catalog = Catalog(folder)
    until_stored(catalog, lambda: not catalog.active_jobs(1))


def one_sentence(app: AppTest) -> str:
    """What the page says instead of itself, as it reads: names in it are escaped Markdown."""
    assert [e.value for e in app.exception] == []
    (said,) = [e.value for e in app.error]
    assert "\n" not in said
    assert "Traceback" not in said
    return re.sub(r"\\([^A-Za-z0-9\s])", r"\1", said).replace(JOINER, "")


def shown_charts(app: AppTest) -> list[Any]:
    """All but the one that only has the browser load what draws charts."""
    return [c for c in app.get("vega_lite_chart") if json.loads(c.proto.spec).get("width") != 1]


def charts(app: AppTest) -> int:
    return len(shown_charts(app))


def computes(app: AppTest) -> list[str]:
    return [label for label in labels(app) if label.startswith("Compute")]
