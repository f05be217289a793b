"""The report as one HTML file that fetches nothing: charts and 3-D views work from disk."""

import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import jinja2

from explorer.render.relief3d import viewer
from explorer.render.theme import theme_config
from explorer.report.contents import Report

_FOLDER = Path(__file__).parent
FONT = '"Source Sans 3", "Source Sans Pro", system-ui, sans-serif'


def report_page(report: Report) -> bytes:
    """The file; the same report gives the same bytes."""
    text = _template().render(
        report=report,
        figures=[figure for section in report.sections for figure in section.figures],
        style=_text_of("report.css") + viewer.CSS,
        viewer_html=viewer.HTML,
        viewer_script=viewer.script().replace("export default ", ""),
        vega_script=_vega(),
        script=_text_of("report.js"),
        themes={"light": _chart_config(dark=False), "dark": _chart_config(dark=True)},
    )
    return text.encode()


def _chart_config(dark: bool) -> dict[str, object]:
    """The theme with letters of the sizes that a page of the app gives them."""
    config = theme_config(dark)
    sizes = {"labelFontSize": 12, "titleFontSize": 13, "titleFontWeight": "normal"}
    lines = {"gridColor": "#35332f" if dark else "#e6e6e9", "domain": False, "ticks": False}
    return {
        **config,
        "axis": {**config["axis"], **sizes, **lines},
        "legend": {**config["legend"], **sizes},
        "view": {"stroke": None},
        "font": FONT,
    }


def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["json"] = _json
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    return environment.from_string(_text_of("report.html"))


def _json(value: object) -> str:
    """JSON that stands in a script's tags: it can neither end them nor begin a comment."""
    content = _with_null_for_nan(value)
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return jinja2.utils.markupsafe.Markup(text.replace("<", "\\u003c"))


def _with_null_for_nan(value: object) -> object:
    """JSON values with null, which is no mark to Vega, for NaN and the infinities."""
    if isinstance(value, Mapping):
        return {name: _with_null_for_nan(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_with_null_for_nan(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text_of(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


@cache
def _vega() -> str:
    """Vega, Vega-Lite and Vega-Embed as an installed package carries them."""
    import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")).replace(
        "</script", "<\\/script"
    )
