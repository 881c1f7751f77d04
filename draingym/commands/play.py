"""``draingym play``: an episode of an environment or of a network, as a page to click through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from rich.console import Console

from draingym.commands.progress import say, steps_bar
from draingym.common.arrays import require_seed, require_whole, short
from draingym.common.atomic import require_writable
from draingym.envs.rendering import GraphPicture, MapPicture
from draingym.networks.network import Network
from draingym.networks.picture import NetworkPicture
from draingym.networks.policy import base_stock
from draingym.policies.acting import require_acts
from draingym.policies.episodes import task_of
from draingym.policies.rules.base_stock import OrderUpTo
from draingym.policies.rules.suite import serial_suite, store_suite
from draingym.policies.store import load_policy
from draingym.policies.task import seen
from draingym.policies.training.tune import TuneConfig, tune
from draingym.policies.tree import tree_of
from draingym.registration import IDS
from draingym.report.live import Place, episodes_of, moves_of, open_page, write_episodes
from draingym.simulator import FunctionalEnv, Observation, Policy, PyTree, Trajectory, make
from draingym.simulator.adapters.functional import episode_key, root_of

RULE, RANDOM = "rule", "random"
MOST_PERIODS = 1000

Policies = dict[str, tuple[Policy, PyTree]]


@dataclass(frozen=True)
class _Random:
    """Requests anything up to the most that an action can request, on every arc."""

    most: tuple[float, ...]

    def init(self, key: Array) -> tuple[()]:
        """Return nothing: it has no parameters."""
        del key
        return ()

    def apply(self, params: Any, observation: Observation, key: Array) -> Float[Array, " A"]:
        """Return uniform requests."""
        del params, observation
        units: Array = jax.random.uniform(key, (len(self.most),)) * jnp.asarray(self.most)
        return units


@dataclass(frozen=True)
class _Acting:
    """A policy as an environment lets it act: within bounds, and without a discount."""

    policy: Policy
    env: FunctionalEnv

    def init(self, key: Array) -> PyTree:
        """Return the policy's own."""
        return self.policy.init(key)

    def apply(self, params: PyTree, observation: Observation, key: Array) -> Float[Array, " A"]:
        """Return what the environment makes of the policy's requests."""
        request = self.policy.apply(params, observation, key)
        missing = self.env.num_actions - request.shape[0]
        full = jnp.concatenate([request, jnp.zeros(missing, request.dtype)])
        return self.env.scale(self.env.unscale(full))


def find(source: str, horizon: int | None) -> FunctionalEnv:
    """Return the environment that an id or a file names.

    Args:
        source: File of a ``Network``; or an id such as ``draingym/Placement-v0``, which may be
            shortened to ``Placement``.
        horizon: Periods of an episode; the environment's own when None, 100 of a file.

    Raises:
        ValueError: If it is neither.
    """
    if Path(source).suffix.lower() in (".json", ".yaml", ".yml"):
        return Network.load(source).environment(horizon=100 if horizon is None else horizon)
    name = source.removesuffix("-v0").removeprefix("draingym/")
    options = {} if horizon is None else {"horizon": horizon}
    try:
        return make(IDS.get(name, source), **options)
    except (gymnasium.error.Error, ImportError, TypeError) as error:
        raise ValueError(
            f"{source!r} is no file of a network (.json, .yaml) and no environment: must be one of "
            f"{', '.join(IDS)}, or an id of your own, module:id ({error})"
        ) from error


def rule_of(env: FunctionalEnv, console: Console) -> tuple[str, Policy, PyTree]:
    """Return what a rule of the field does in an environment: its name, policy and parameters.

    A network of arcs has a base stock that covers the lead time, one on a map an order-up-to of
    two weeks' buying cover and one week's placement cover; any other an (echelon) base stock that
    is tuned on it.
    """
    picture = None if env.painter is None else env.painter()
    if isinstance(picture, NetworkPicture):
        stock = base_stock(picture.plan)
        return "base stock", stock, stock.init(jax.random.key(0))
    if isinstance(picture, MapPicture):
        rule = OrderUpTo(tree=tree_of(picture.network))
        return "order up to", rule, rule.init(jax.random.key(0))
    parent = tuple(np.asarray(env.params.parent).tolist())
    most = 4.0 * env.max_action
    alone = len(parent) == 1
    found = store_suite(most=float(most[0])) if alone else serial_suite(parent, most=most)
    name, (policy, box) = next(iter(found.items()))
    config = TuneConfig(population=4, generations=6)
    with steps_bar(console) as bar:
        task = bar.add_task(f"Tuning {name}", total=None)
        tuned = tune(
            task_of(env, evaluation_batch=64),
            policy,
            box,
            config,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    return f"{name}, tuned", policy, tuned.params


def episode(
    env: FunctionalEnv, policy: Policy, params: PyTree, seed: int
) -> tuple[Trajectory, Any]:
    """Play the first episode of a seed, as ``reset(seed=...)`` and ``step`` do.

    Returns:
        What happened, leaves [T, ...] on the host, and [T, Z] views.
    """
    acting = _Acting(policy, env)
    key = episode_key(root_of(seed), np.int32(0))

    @jax.jit
    def play(params: PyTree) -> tuple[Trajectory, Array]:
        scenario = env.sample(key)
        path = env.simulator.rollout(env.params, acting, params, scenario, jax.random.key(seed))
        return path, scenario.series.glance_views

    played: tuple[Trajectory, Any] = jax.device_get(play(params))
    return played


def place_of(env: FunctionalEnv) -> Place:
    """Return where an environment's nodes are drawn.

    Raises:
        ValueError: If it has no picture.
    """
    picture = None if env.painter is None else env.painter()
    if not isinstance(picture, MapPicture | GraphPicture):
        raise ValueError(
            f"painter is {short(picture)}, must make a MapPicture or a GraphPicture to be shown"
        )
    return picture.place()


def chosen(
    env: FunctionalEnv, named: str, console: Console, *, transfer: bool = False
) -> tuple[str, Policy, PyTree]:
    """Return the policy of a name: a rule, at random, or a file's.

    Raises:
        ValueError: If the file cannot be read, was saved for another environment (unless
            ``transfer``), or its policy does not act in this one.
    """
    if named == RULE:
        return rule_of(env, console)
    if named == RANDOM:
        return RANDOM, _Random(tuple(env.max_action.tolist())), ()
    policy, params = load_policy(Path(named), env=env, transfer=transfer)
    shown = seen(task_of(env))
    require_acts(f"policy {named}", _Acting(policy, env), params, shown)
    return Path(named).stem, policy, params


def play(
    source: str,
    *,
    policy: str,
    compare: str | None,
    out: Path,
    horizon: int | None,
    seed: int,
    console: Console,
    show: bool,
    transfer: bool = False,
) -> dict[str, Any]:
    """Play an episode, write its page, and open it where there is a screen.

    Args:
        source: See ``find``.
        policy: ``"rule"``, ``"random"`` or the file of a policy.
        compare: Another one, beside it; none when None.
        out: HTML page, or a picture by its suffix (of the first policy).
        horizon: Periods; the environment's own when None.
        seed: Of the episode, as of ``reset(seed=...)``.
        console: Where progress goes.
        show: Whether to open the page.
        transfer: Take files of policies that were saved for another environment.

    Returns:
        What each policy earned, sold and left unmet, by name, and ``page``.

    Raises:
        ValueError: If a value is out of its bounds, or a file cannot be read or written.
    """
    require_seed(seed)
    if horizon is not None:
        require_whole("horizon", horizon, low=1, high=MOST_PERIODS)
    require_writable(out, "file")
    env = find(source, horizon)
    place = place_of(env)
    played: dict[str, tuple[Trajectory, Any]] = {}
    for named in [policy] if compare is None else [compare, policy]:
        name, acts, params = chosen(env, named, console, transfer=transfer)
        name = name if name not in played else f"{name} ({named})"
        say(console, f"Playing {env.horizon} periods: {name}")
        played[name] = episode(env, acts, params, seed)
    views = next(iter(played.values()))[1]
    moves = {
        name: moves_of(path.transitions, np.asarray(path.final.pipeline).sum(axis=0))
        for name, (path, _) in played.items()
    }
    period = "day" if place.is_map else "period"
    episodes = episodes_of(
        [moves],
        [f"{source}, seed {seed}"],
        place,
        labels=[f"{period} {t + 1}" for t in range(env.horizon)],
        period=period,
        currency="currency",
        views=[views] if len(place.regions) == views.shape[-1] else None,
    )
    title = f"{source}: an episode"
    lead = f"{env.horizon} periods of {source}, seed {seed}: {' and '.join(played)}."
    write_episodes(episodes, out, title=title, lead=lead)
    figures: dict[str, Any] = {"page": str(out), "policies": {}}
    for name, (path, _) in played.items():
        found = totals(path)
        figures["policies"][name] = found
        say(
            console,
            f"{name}: reward {found['reward']:,.1f}, {found['sold']:,.0f} units sold, "
            f"{found['lost']:,.0f} lost",
        )
    figures["opened"] = show and open_page(out)
    return figures


def totals(path: Trajectory) -> Mapping[str, float]:
    """Return reward, and units sold and lost, of an episode."""
    moves = path.transitions
    return {
        "reward": float(np.sum(moves.reward)),
        "sold": float(np.sum(moves.outbound)),
        "lost": float(np.sum(moves.lost)),
    }
