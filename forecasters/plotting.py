"""What all plots of forecasts share. They need the extra ``report``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOUR, OTHER, MUTED, INK = "#0072b2", "#d55e00", "#5d6875", "#1b1f24"


def new_figure(size: tuple[float, float]) -> Figure:
    """Return an empty figure, inches."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plots need the extra: pip install draingym[report]") from error
    return Figure(figsize=size, layout="constrained")


def plain(axes: Any) -> None:
    """Leave out the upper and the right edge."""
    axes.spines[["top", "right"]].set_visible(False)
