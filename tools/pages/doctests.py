"""What Griffe calls when it has read a module: doctests of docstrings become blocks of code."""

from __future__ import annotations

from typing import Any

import griffe

from tools.pages.reference import fenced


class Doctests(griffe.Extension):  # type: ignore[misc]
    """Fences the doctests of every object."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Change an object's docstring."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)
