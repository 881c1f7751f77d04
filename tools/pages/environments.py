"""A page an environment: what it is, in the words of the code and in numbers of the environment."""

from __future__ import annotations

import importlib
import inspect
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields
from functools import cache
from typing import Any

import numpy as np

from draingym.envs.make import make_env, make_problem
from draingym.registration import ENVIRONMENTS, IDS
from draingym.simulator import FunctionalEnv, Observation, Params

PERIODS = 12  # before the picture is taken
SHARE = 0.15  # of the largest request, in each of them: somewhat more than mean demand
# What a registration says in words, in the order of the page; what else it holds follows.
_WORDS = {
    "nodes": "Nodes",
    "actions": "Actions",
    "demand": "Demand",
    "unmet": "Unmet demand",
}
_HIDDEN = {"make"}


def name_of(problem: str) -> str:
    """Return the id without its namespace: ``Placement-v0``."""
    return IDS[problem].removeprefix("draingym/")


def pages() -> dict[str, str]:
    """Return the page of every environment, and the one that lists them."""
    found = {f"environments/{name_of(problem)}.md": page(problem) for problem in ENVIRONMENTS}
    return {"environments/index.md": index(), **found}


def navigation() -> list[str]:
    """Return the pages in the order of the registry."""
    names = (f"environments/{name_of(problem)}.md" for problem in ENVIRONMENTS)
    return ["environments/index.md", *names]


def pictures() -> dict[str, bytes]:
    """Return a picture of every environment after some periods, as PNG."""
    return {f"environments/{name_of(problem)}.png": picture(problem) for problem in ENVIRONMENTS}


def picture(problem: str) -> bytes:
    """Return an environment as it renders itself after some periods of steady orders."""
    import matplotlib.image

    env: Any = make_env(problem, render_mode="rgb_array", info=False)
    space = env.action_space
    env.reset(seed=3)
    for _ in range(PERIODS):
        env.step(space.low + np.float32(SHARE) * (space.high - space.low))
    image = io.BytesIO()
    matplotlib.image.imsave(image, env.render(), format="png")
    env.close()
    return image.getvalue()


def index() -> str:
    """Return the page that shows all environments."""
    cards = "".join(
        f"-   [![{name_of(p)}]({name_of(p)}.png)]({name_of(p)}.md)\n\n"
        f"    **[{name_of(p)}]({name_of(p)}.md)**: {_first(make_of(p))}\n\n"
        for p in ENVIRONMENTS
    )
    return (
        "# Environments\n\nEach is registered with Gymnasium when `draingym` is imported, and is a "
        "set of pure functions for JAX. What they share (actions, observations, order of events) "
        f'is in [The gym](../gym.md).\n\n<div class="grid cards" markdown>\n\n{cards}</div>\n'
    )


def page(problem: str) -> str:
    """Return the page of an environment."""
    env, made = make_problem(problem), make_of(problem)
    name = name_of(problem)
    parts = [
        f"# {name}",
        _first(made),
        f"![{name} after {PERIODS} periods]({name}.png)",
        _code(name),
        "## At a glance",
        _table(("", ""), _glance(problem, env)),
        "## What happens in a period",
        "\n".join(f"{i}. {line}" for i, line in enumerate(events(env), 1)),
        "## What it costs",
        "The reward is revenue and salvage less every cost, in currency, computed once a period. "
        "What is not in this table is 0, or drawn with the scenario (prices and unit costs).",
        _table(("field of `Params`", "value", "meaning"), costs(env)),
        "## What is observed",
        _table(("field", "entries", "meaning"), observed(env)),
        "## Arguments and source",
        "Keywords of `gymnasium.make`, `gymnasium.make_vec` and `draingym.make`:",
        f"::: {made.__module__}.{made.__name__}\n    options:\n      show_root_heading: false\n"
        "      show_root_toc_entry: false\n      show_source: true\n",
    ]
    if "product" in inspect.signature(made).parameters:
        parts.append(
            "### `Product`\n\n" + _table(("keyword", "default", "meaning"), _product(made))
        )
    return "\n\n".join(parts) + "\n"


def make_of(problem: str) -> Any:
    """Return the function that makes an environment."""
    module, _, name = ENVIRONMENTS[problem].make.partition(":")
    return getattr(importlib.import_module(module), name)


def events(env: FunctionalEnv) -> Iterator[str]:
    """Yield the order of events of a period."""
    dynamics = env.simulator.dynamics
    backlog = getattr(env.simulator.kernel, "backlog", None)
    stowed = "What is due arrives and is stowed, orders with a lead time of zero included."
    requests = "whole units" if dynamics.whole_units else "real numbers"
    yield "The policy observes stock, what is in transit, and what is known before the period."
    short = "serves its arcs in order" if dynamics.by_rank else "shares what it has in proportion"
    owed = "owes the rest" if dynamics.hold_requests else "forgets the rest"
    yield f"It requests units ({requests}). A source that is short {short} and {owed}."
    if dynamics.ship_arrivals:
        yield "Sources ship, upstream first; what arrives in the period is shipped on at once."
    if not dynamics.late_arrivals:
        yield stowed
    waits = np.any(np.asarray(backlog)) if backlog is not None else False
    yield f"Customers take units; demand that finds no stock {'waits' if waits else 'is lost'}."
    if dynamics.late_arrivals:
        yield stowed.replace(
            "arrives and is", "arrives, too late for this period's customers, and is"
        )
    yield "Costs are charged on what is left, and the reward is paid."


def costs(env: FunctionalEnv) -> Iterator[tuple[str, str, str]]:
    """Yield the parameters that are no structure and not 0: field, values, meaning."""
    meaning = comments(Params)
    for field in fields(Params):
        value = getattr(env.params, field.name)
        words = meaning.get(field.name, "")
        if "currency" not in words and "share" not in words:
            continue
        if value is not None and hasattr(value, "shape") and np.any(np.asarray(value)):
            yield f"`{field.name}`", _values(np.asarray(value, float)), words


def observed(env: FunctionalEnv) -> Iterator[tuple[str, str, str]]:
    """Yield the fields of the flat observation: name, how many entries, meaning."""
    meaning = comments(Observation)
    counted: dict[str, int] = {}
    for entry in env.observation_names:
        field = re.split(r"[\[(]", entry)[0]
        counted[field] = counted.get(field, 0) + 1
    for field, count in counted.items():
        yield f"`{field}`", str(count), meaning.get(field, "")


@cache
def comments(kind: type) -> dict[str, str]:
    """Return the words beside, or above, each field of a dataclass."""
    found, above = {}, ""
    for line in inspect.getsource(kind).splitlines():
        match = re.match(r"    (\w+): [^#]*?(?:#\s*(.*))?$", line)
        if match:
            found[match[1]] = (match[2] or above).replace("``", "`").replace("|", "\\|")
            above = ""
        elif line.strip().startswith("#"):
            above = f"{above} {line.strip('# ')}".strip()
        else:
            above = ""
    return found


def _glance(problem: str, env: FunctionalEnv) -> Iterator[tuple[str, str]]:
    words = ENVIRONMENTS[problem]
    known = {field.name: getattr(words, field.name) for field in fields(words)}
    yield "id", f"`{IDS[problem]}`"
    for field, title in _WORDS.items():
        yield title, str(known[field])
    low = "-1, 1" if env.symmetric_actions else "0, 1"
    yield (
        "Action space",
        f"`Box` of {env.num_actions} in [{low}]; 1 requests {_values(env.max_action)} units",
    )
    yield "Observation space", f"`Box` of {len(env.observation_names)}, float32"
    yield "Units", "whole" if env.simulator.dynamics.whole_units else "real"
    yield "Episode", f"{env.horizon} periods, then truncated; nothing terminates"
    for field, value in known.items():
        if field not in _WORDS and field not in _HIDDEN and value not in (None, "", ()):
            yield field.replace("_", " ").capitalize(), str(value)


def _product(made: Any) -> Iterator[tuple[str, str, str]]:
    product = importlib.import_module(made.__module__).Product
    words = comments(product)
    for field in fields(product):
        yield f"`{field.name}`", f"{field.default:g}", words.get(field.name, "")


def _code(name: str) -> str:
    return (
        "```python\nimport gymnasium\n\n"
        f'env = gymnasium.make("draingym:draingym/{name}", render_mode="rgb_array")\n'
        "observation, info = env.reset(seed=0)\n"
        "observation, reward, terminated, truncated, info = env.step(env.action_space.sample())\n"
        "image = env.render()\n```"
    )


def _first(made: Any) -> str:
    return (inspect.getdoc(made) or "").partition("\n")[0].replace("``", "`")


def _values(values: Any) -> str:
    flat = np.ravel(values)
    if len(set(flat.tolist())) == 1:
        return f"{flat[0]:.4g}"
    if flat.size <= 8:
        return ", ".join(f"{value:.4g}" for value in flat)
    return f"{flat.min():.4g} to {flat.max():.4g}"


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(header)
    lines = [f"| {' | '.join(names)} |", "|" + " --- |" * len(names)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
