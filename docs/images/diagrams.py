"""Draws the diagrams of the pages as SVG, for light and dark: `python docs/images/diagrams.py`."""

from pathlib import Path
from xml.sax.saxutils import escape

FOLDER = Path(__file__).parent
STYLE = """
text{font:14px system-ui,sans-serif;fill:#1c2b2a;text-anchor:middle}
.small{font-size:12px;fill:#55706c}
rect{fill:#eef6f4;stroke:#0b7a6f;stroke-width:1.5}
.truth rect{fill:#fdf1ea;stroke:#c4561d}
path,line{stroke:#55706c;stroke-width:1.5;fill:none}
.dashed{stroke-dasharray:5 4}
marker path{fill:#55706c;stroke:none}
@media (prefers-color-scheme:dark){text{fill:#e4efed}.small{fill:#a9c2be}
rect{fill:#12302c;stroke:#4db6a7}.truth rect{fill:#3a2013;stroke:#f09a66}
path,line{stroke:#a9c2be}marker path{fill:#a9c2be}}
"""
HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -12 {w} {h}" role="img" '
    'aria-label="{label}"><style>{style}</style><defs><marker id="a" viewBox="0 0 10 10" refX="9" '
    'refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse">'
    '<path d="M0 0 10 5 0 10z"/></marker></defs>'
)


def box(x, y, title, words, *, width=170, kind=""):
    """Return a box with a title and a line of words, its middle at x, y."""
    return (
        f'<g class="{kind}"><rect x="{x - width / 2:g}" y="{y - 28}" width="{width}" height="56" '
        f'rx="8"/><text x="{x}" y="{y - 4}">{escape(title)}</text>'
        f'<text class="small" x="{x}" y="{y + 15}">{escape(words)}</text></g>'
    )


def arrow(d, words="", at=(0, 0), *, dashed=False):
    """Return an arrow along a path, with words at a place."""
    line = f'<path class="{"dashed" if dashed else ""}" d="{d}" marker-end="url(#a)"/>'
    if words:
        line += f'<text class="small" x="{at[0]}" y="{at[1]}">{escape(words)}</text>'
    return line


def save(name, width, height, label, parts):
    """Write a diagram."""
    head = HEAD.format(w=width, h=height, label=escape(label), style=" ".join(STYLE.split("\n")))
    (FOLDER / name).write_text(f"{head}{''.join(parts)}</svg>\n", encoding="utf-8")


def loop():
    """From a log to a policy that can be trusted."""
    parts = [
        box(110, 60, "event log", "views, orders, boxes, stock"),
        box(370, 60, "drain model", "p(outbound, cost | stock)"),
        box(630, 60, "simulator", "differentiable rollouts"),
        box(630, 220, "policy", "what to buy, where to place", width=190),
        box(370, 220, "oracle", "replays every customer"),
        box(110, 220, "verdict", "values? ranking? neither?"),
        box(370, 330, "truth", "in worlds that are made here", kind="truth", width=200),
        arrow("M195 60H280", "learn", (238, 52)),
        arrow("M455 60H540", "transition", (498, 52)),
        arrow("M600 88V187", "gradients", (565, 142)),
        arrow("M660 192V93", "rollouts", (694, 142)),
        arrow("M535 220H460", "stock", (502, 212)),
        arrow("M285 220H200", "compare", (242, 212)),
        arrow("M370 192V93", "labels, where it errs", (438, 142), dashed=True),
        arrow("M140 88C180 150 240 170 290 193", "its systems, estimated", (112, 150)),
        arrow("M370 302V253"),
    ]
    save(
        "loop.svg",
        740,
        375,
        "The loop of draingym: a log becomes a model, a policy, a verdict",
        parts,
    )


def events():
    """The order of events in a period."""
    steps = [
        ("observe", "stock, forecast"),
        ("act", "request units"),
        ("ship", "short: rationed"),
        ("arrive", "stowed"),
        ("drain", "customers take"),
        ("cost", "and reward"),
    ]
    parts = []
    for i, (title, words) in enumerate(steps):
        x = 75 + 140 * i
        parts.append(box(x, 60, title, words, width=112))
        if i:
            parts.append(arrow(f"M{x - 84} 60H{x - 60}"))
    parts += [
        arrow("M775 88C775 140 75 140 75 93", "the next period", (425, 143)),
        arrow("M495 32C495 8 355 8 355 27", "arrivals before shipping", (425, 1), dashed=True),
        arrow("M635 32C635 8 500 8 500 27", "at the end", (568, 1), dashed=True),
    ]
    save("order_of_events.svg", 850, 172, "The order of events in a period", parts)


def timeline():
    """A view on its way through the oracle."""
    steps = [
        ("glance view", "product and place, in time order"),
        ("promise", "earliest over open nodes with stock"),
        ("conversion", "latent against the rates: order, or none"),
        ("fulfilment", "units reserved at once; may plan again"),
        ("ship cost", "when the box leaves: units and cost count"),
    ]
    labels = ["", "looked at", "1d, 2d, 3d+ or out of stock", "an order line", "boxes"]
    parts = []
    for i, (title, words) in enumerate(steps):
        y = 45 + 92 * i
        parts.append(box(230, y, title, words, width=300))
        if i:
            parts.append(arrow(f"M230 {y - 62}V{y - 33}", labels[i], (320, y - 42)))
    parts += [
        arrow(
            "M380 321C450 321 450 137 385 137", "reserved units are gone", (520, 220), dashed=True
        ),
        '<text class="small" x="520" y="236">for the next promise</text>',
    ]
    save("oracle_timeline.svg", 600, 460, "A view on its way through the oracle", parts)


if __name__ == "__main__":
    loop()
    events()
    timeline()
