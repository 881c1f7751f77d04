"""The pages' templates: what they share is in ``base.html.j2``."""

from __future__ import annotations

from typing import Any

import jinja2
from markupsafe import Markup

from draingym.report.style import css_variables


def template(name: str) -> jinja2.Template:
    """Return a page's template; what it does not know is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("draingym.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def theme() -> dict[str, Any]:
    """Return the palette, light and dark, as templates take it."""
    return {"light": Markup(css_variables(dark=False)), "dark": Markup(css_variables(dark=True))}
