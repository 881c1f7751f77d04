"""How the report looks: colours that follow the reader's theme, and figures made of panels."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cycler import cycler
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas
from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

Where = Canvas | SubFigure

# Name: light and dark. Figures are drawn in the light colours; in the page each becomes a CSS
# variable. Models and policies: Okabe and Ito (2008); nodes: Tol's bright and muted schemes.
PALETTE: Mapping[str, tuple[str, str]] = {
    "ink": ("#1f2630", "#e8ebef"),
    "muted": ("#5d6875", "#a3adb9"),
    "grid": ("#e3e7ec", "#303844"),
    "surface": ("#ffffff", "#151a21"),
    "land": ("#f4f2ec", "#1e252e"),
    "coast": ("#cfcabd", "#414b57"),
    "learned": ("#009e73", "#2bc596"),
    "closest": ("#e69f00", "#f0b432"),
    "floor": ("#6b7785", "#9aa6b3"),
    "historical": ("#cc79a7", "#e39cc4"),
    "orderupto": ("#0072b2", "#4fa8e0"),
    "neural": ("#d55e00", "#ff8b45"),
    "upstream": ("#a9b1bb", "#6d7885"),
    "lost": ("#39424e", "#cfd6de"),
    "unmet": ("#c81e1e", "#ff6b6b"),
    "node0": ("#4477aa", "#6f9fd4"),
    "node1": ("#ee6677", "#ff8896"),
    "node2": ("#228833", "#4fb860"),
    "node3": ("#ccbb44", "#dccd63"),
    "node4": ("#66ccee", "#86d8f4"),
    "node5": ("#aa3377", "#d365a4"),
    "node6": ("#332288", "#8d7fe0"),
    "node7": ("#44aa98", "#63c9b7"),
    "node8": ("#882255", "#c75c93"),
    "node9": ("#999933", "#bcbc5a"),
}
NODE_COLOURS = 10
MODEL_COLOUR = {"learned": "learned", "closest node": "closest", "noise floor": "floor"}
POLICY_COLOUR = {"historical": "historical", "order up to": "orderupto", "neural": "neural"}

_RC: Any = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.color": PALETTE["ink"][0],
    "axes.edgecolor": PALETTE["coast"][0],
    "axes.labelcolor": PALETTE["muted"][0],
    "axes.titlecolor": PALETTE["ink"][0],
    "axes.titlelocation": "left",
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlepad": 8.0,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=[PALETTE["ink"][0]]),
    "text.parse_math": False,
    "grid.color": PALETTE["grid"][0],
    "grid.linewidth": 0.8,
    "xtick.color": PALETTE["coast"][0],
    "ytick.color": PALETTE["coast"][0],
    "xtick.labelcolor": PALETTE["muted"][0],
    "ytick.labelcolor": PALETTE["muted"][0],
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "none",
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
    "svg.fonttype": "none",
    "svg.hashsalt": "draingym",
    "path.simplify": True,
}


def colour(name: str) -> str:
    """Return a colour of the palette as drawn."""
    return PALETTE[name][0]


def node_colours(upstream: list[bool]) -> list[str]:
    """Return the palette's name for each node: grey for upstream ones, then one by one."""
    names, serving = [], 0
    for is_upstream in upstream:
        names.append("upstream" if is_upstream else f"node{serving % NODE_COLOURS}")
        serving += not is_upstream
    return names


def policy_colour(name: str) -> str:
    """Return the palette's name for a policy; those we do not know share one."""
    return POLICY_COLOUR.get(name, "floor")


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """One entry of a figure's legend."""

    label: str
    colour: str  # name in the palette
    kind: str = "line"  # or "dash", "fill"


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """A part of a figure that can stand alone, so that panels stack on a narrow screen."""

    draw: Callable[[Where], None]
    size: tuple[float, float]  # inches
    narrow: tuple[float, float] | None = None  # drawn anew at this size for narrow screens


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A figure: panels in a grid, a legend, and the numbers it was drawn from."""

    name: str
    title: str
    caption: str
    panels: tuple[Panel, ...]
    data: Mapping[str, Any]
    legend: tuple[Key, ...] = ()
    columns: int = 3

    def png(self, dpi: float = 160.0) -> bytes:
        """Draw all panels into one picture with title and legend, on white."""
        columns = min(self.columns, len(self.panels))
        rows = -(-len(self.panels) // columns)
        width = max(p.size[0] for p in self.panels)
        height = max(p.size[1] for p in self.panels)
        header = 0.62 if self.legend else 0.36
        with rc_context(_RC):
            canvas = Canvas(
                figsize=(columns * width, rows * height + header),
                layout="constrained",
                facecolor=colour("surface"),
                dpi=dpi,
            )
            FigureCanvasAgg(canvas)
            grid = canvas.add_gridspec(1 + rows, columns, height_ratios=[header, *[height] * rows])
            top = canvas.add_subfigure(grid[0, :])
            self._header(top, header, columns * width)
            for index, panel in enumerate(self.panels):
                panel.draw(canvas.add_subfigure(grid[1 + index // columns, index % columns]))
            buffer = io.BytesIO()
            canvas.savefig(buffer, format="png", metadata={"Software": "draingym"})
        return buffer.getvalue()

    def _header(self, top: Where, height: float, width: float) -> None:
        left = 0.1 / width
        top.text(left, 1 - 0.12 / height, self.title, va="top", fontsize=12, fontweight="bold")
        if self.legend:
            top.legend(
                handles=[_handle(key) for key in self.legend],
                loc="lower left",
                bbox_to_anchor=(left, 0.0),
                ncols=len(self.legend),
                borderaxespad=0.0,
                borderpad=0.0,
                columnspacing=1.6,
                handlelength=1.4,
                handletextpad=0.6,
            )

    def svgs(self) -> list[tuple[str, str]]:
        """Draw every panel for the page: (class, SVG), where the class is wide, narrow or empty."""
        drawn = []
        for index, panel in enumerate(self.panels):
            sizes = [("wide" if panel.narrow else "", panel.size)]
            sizes += [("narrow", panel.narrow)] if panel.narrow else []
            for kind, size in sizes:
                prefix = f"{self.name}-{index}{kind}"
                drawn.append((kind, inline_svg(panel.draw, size, prefix, self.title)))
        return drawn

    def for_page(self) -> dict[str, Any]:
        """Return what a page's template needs, all panels drawn."""
        return {
            "title": self.title,
            "caption": self.caption,
            "legend": self.legend,
            "panels": [(kind, Markup(svg)) for kind, svg in self.svgs()],
            "columns": min(self.columns, len(self.panels)),
        }


def _handle(key: Key) -> Line2D | Patch:
    if key.kind == "fill":
        return Patch(facecolor=colour(key.colour), label=key.label)
    return Line2D(
        [],
        [],
        color=colour(key.colour),
        label=key.label,
        linestyle="--" if key.kind == "dash" else "-",
    )


def inline_svg(
    draw: Callable[[Where], None], size: tuple[float, float], prefix: str, title: str
) -> str:
    """Draw a panel as an SVG element that follows the page's theme and width.

    Args:
        draw: Draws into a figure.
        size: Inches.
        prefix: Makes the ids of this element differ from those of others in the page.
        title: What a screen reader says.

    Returns:
        The element: no size of its own, no metadata, colours as CSS variables.
    """
    with rc_context(_RC):
        canvas = Canvas(figsize=size, layout="constrained")
        FigureCanvasSVG(canvas)
        draw(canvas)
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        canvas.savefig(buffer, format="svg", metadata=nothing)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<[^>]*>", _shorter, svg)
    svg = re.sub(r"font:[^;\"]*?(\d+(?:\.\d+)?)px[^;\"]*", _font, svg)
    for name, (light, _) in PALETTE.items():
        svg = svg.replace(light, f"var(--{name})")
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r'href="#', f'href="#{prefix}-', svg)
    svg = re.sub(r"url\(#", f"url(#{prefix}-", svg)
    box = re.search(r'viewBox="[^"]*"', svg)
    if box is None:
        raise ValueError(f"{prefix}: the drawing has no viewBox")
    label = title.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    head = f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" {box.group()} role="img"'
    return head + f' aria-label="{label}">' + svg[svg.index(">") + 1 :].strip()


def _shorter(tag: re.Match[str]) -> str:
    """Return a tag with two decimals in its numbers: a hundredth of a point is seen by nobody."""
    return re.sub(r"(\.\d\d)\d+", r"\1", tag.group())


def _font(match: re.Match[str]) -> str:
    weight = "bold " if "bold" in match.group() or "700" in match.group() else ""
    return f"font: {weight}{match.group(1)}px var(--font)"


def css_variables(dark: bool) -> str:
    """Return the palette as CSS declarations."""
    return " ".join(f"--{name}: {pair[dark]};" for name, pair in PALETTE.items())
