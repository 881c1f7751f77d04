"""Scenarios: everything exogenous that will happen to a product, sampled before the rollout."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array

from draingym.common.arrays import FloatArray
from draingym.simulator.bounds import require_numbers
from draingym.simulator.checks import check_stock
from draingym.simulator.precision import real
from draingym.simulator.scenarios.forecasts import Rule, forecast_of, smoothed
from draingym.simulator.scenarios.noise import checked_lead_time, sample_noise
from draingym.simulator.types import History, Initial, Market, Scenario
from draingym.world.views import attribute_matrix

# Periods of drain a learned kernel may look back on; longer than its receptive field.
HISTORY_LENGTH = 16


def make_market(
    *,
    glance_views: ArrayLike,
    forecast: ArrayLike,
    price: ArrayLike,
    unit_cost: ArrayLike,
    attributes: ArrayLike,
    calendar: ArrayLike,
) -> Market:
    """Build the market of a batch of products; ``sample_noise`` makes series of it.

    Args:
        glance_views: [P, T, Z] page views.
        forecast: [P, T, Z] units expected, known before each period: entry t may depend on periods
            before t alone, as in ``draingym.simulator.scenarios.forecasts``.
        price: [P] currency a unit, or [P, T] where prices change.
        unit_cost: [P] currency a unit.
        attributes: [P, F] product attributes.
        calendar: [T, E] calendar features.

    Returns:
        A market over all T periods, leaves [P, T, ...].

    Raises:
        ValueError: If views are not [P, T, Z], the forecast has another shape, or a view, forecast,
            price or cost is negative or not finite.
    """
    views = _views(glance_views, "P", "T", "Z")
    products, periods, _ = views.shape
    require_numbers("forecast", forecast, shape=views.shape)
    changes = np.ndim(price) == 2
    require_numbers("price", price, shape=(products, periods) if changes else (products,))
    require_numbers("unit_cost", unit_cost, shape=(products,))

    def over_time(values: ArrayLike) -> Array:
        column = real(values)
        return jnp.broadcast_to(column[:, None], (products, periods, *column.shape[1:]))

    dates = real(calendar)
    return Market(
        period=jnp.broadcast_to(jnp.arange(periods, dtype=jnp.int32), (products, periods)),
        glance_views=views,
        forecast=real(forecast),
        price=real(price) if changes else over_time(price),
        unit_cost=over_time(unit_cost),
        attributes=over_time(attributes),
        calendar=jnp.broadcast_to(dates, (products, *dates.shape)),
        last=jnp.zeros((products, periods), bool).at[:, -1].set(True),
    )


def _views(views: ArrayLike, *axes: str) -> Array:
    """Return glance views, checked as far as they are known."""
    if np.ndim(views) != len(axes) or 0 in np.shape(views):
        raise ValueError(
            f"glance_views has shape {np.shape(views)}, must be [{', '.join(axes)}], not empty"
        )
    require_numbers("glance_views", views)
    return real(views)


def market_from_panel(
    panel: Any, *, known_periods: int | None = None, half_life: float = 7.0
) -> Market:
    """Turn a panel's exogenous history into a market: the backtest of an exogenous process.

    The forecast is the exponentially smoothed views of each region times the units that a view of
    the product was worth.

    Args:
        panel: Labelled arrays as ``draingym.world.panel.build_panel`` makes them.
        known_periods: Periods that are known beforehand, at least 1: what a view is worth is
            estimated from these. Without it, from the periods before each one. Attributes are the
            panel's.
        half_life: Of the forecast's exponential smoothing, periods.

    Returns:
        A market over all periods of all products, leaves [P, T, ...]; see ``make_market``. Cut it
        with ``Windows``, so that encoders see the periods before a window too. What is observed in
        period t depends on periods before t, and on the known ones.

    Raises:
        ValueError: If ``known_periods`` is not in [1, T].
    """
    views = np.asarray(panel["glance_views"], dtype=np.float32)
    worth = units_a_view(panel, known_periods)[:, :, None]
    first: ArrayLike = 0.0 if known_periods is None else views[:, 0]
    return make_market(
        glance_views=views,
        forecast=smoothed(views, half_life, first) * worth,
        price=np.asarray(panel["price_path" if "price_path" in panel else "price"]),
        unit_cost=np.asarray(panel["unit_cost"]),
        attributes=attribute_matrix(panel),
        calendar=np.asarray(panel["calendar"]),
    )


def units_a_view(panel: Any, known_periods: int | None = None) -> FloatArray:
    """Return the units that a view of each product was worth before each period, [P, T].

    Args:
        panel: Labelled arrays as ``draingym.world.panel.build_panel`` makes them.
        known_periods: Periods that are known beforehand, at least 1: the same in all periods, from
            these. Without it, from the periods before each one, and 0 in the first.

    Raises:
        ValueError: If ``known_periods`` is not in [1, T].
    """
    outbound, views = (np.asarray(panel[name]) for name in ("outbound", "glance_views"))
    periods = views.shape[1]
    sold, seen = (
        np.cumsum(flow.sum(axis=2, dtype=np.float64), axis=1) for flow in (outbound, views)
    )
    worth = sold / np.maximum(seen, 1.0)
    if known_periods is None:
        return np.pad(worth[:, :-1], ((0, 0), (1, 0)))
    if not 1 <= known_periods <= periods:
        raise ValueError(f"known_periods is {known_periods}, must be in [1, {periods}]")
    return np.repeat(worth[:, known_periods - 1 : known_periods], periods, axis=1)


def initial_from_panel(panel: Any, start: int, pipeline: np.ndarray) -> Initial:
    """Return where all products stood when period ``start`` began, leaves [P, ...].

    Args:
        panel: Labelled arrays as ``draingym.world.panel.build_panel`` makes them.
        start: First period of the trajectory.
        pipeline: [P, L, N] units in transit; row k arrives k periods after ``start``.

    Raises:
        ValueError: If ``start`` is not in [1, periods), or a product has more than ``MOST_UNITS``.
    """
    on_hand = np.asarray(panel["on_hand"])
    if not 1 <= start < on_hand.shape[1]:
        raise ValueError(f"start is {start}, must be in [1, {on_hand.shape[1]})")
    check_stock(on_hand[:, start - 1], pipeline)

    def past(name: str) -> Array:
        values = np.asarray(panel[name], dtype=np.float32)[
            :, max(0, start - HISTORY_LENGTH) : start
        ]
        missing = HISTORY_LENGTH - values.shape[1]
        return real(np.pad(values, ((0, 0), (missing, 0), (0, 0))))

    return Initial(
        on_hand=real(on_hand[:, start - 1]),
        pipeline=real(pipeline),
        history=History(
            outbound=past("outbound"), ship_cost=past("ship_cost"), available=past("available")
        ),
    )


def scenario_from_views(
    views: ArrayLike,
    lead_time: ArrayLike,
    key: Array,
    *,
    forecast: Rule | ArrayLike = "running mean",
    num_uniforms: int = 0,
    on_hand: ArrayLike | None = None,
    waiting: ArrayLike | None = None,
    pipeline: ArrayLike | None = None,
    price: float = 0.0,
    unit_cost: float = 0.0,
) -> Scenario:
    """Make one product's scenario from its glance views (or demand, for local demand).

    Arrays may be traced, for scenarios that are drawn inside ``jit``; what is traced is not
    checked but for its shape.

    Args:
        views: [T, Z] glance views of every period.
        lead_time: [N, L+1] probability of k periods from the parent.
        key: Draws every uniform and lead time.
        forecast: Units a period that policies see, known before it: [Z] where the mean is known,
            [T, Z], or the name of a rule that knows earlier periods alone and counts a view as a
            unit: "running mean" or "last period", both of which expect nothing of the first.
        num_uniforms: What the kernel needs a period.
        on_hand: [N] units at the start; empty shelves when not given.
        waiting: [N] units owed to customers at the start (a negative net stock); none when not
            given. A simulator whose kernel has no backlog refuses it.
        pipeline: [L, N] units in transit at the start; row k arrives k periods after the first.
        price: Currency a unit.
        unit_cost: Currency a unit.

    Returns:
        A scenario with no history.

    Raises:
        ValueError: If a number is negative, not finite or above ``LARGEST``, an array has a wrong
            shape, a node's lead times do not sum to one, or there is no such rule.
    """
    pmf = checked_lead_time(lead_time)
    seen = _views(views, "T", "Z")
    periods, _ = seen.shape
    nodes, leads = pmf.shape
    for name, number in (("price", price), ("unit_cost", unit_cost)):
        require_numbers(name, number, shape=())
    market = Market(
        period=jnp.arange(periods, dtype=jnp.int32),
        glance_views=seen,
        forecast=forecast_of(forecast, seen),
        price=jnp.full(periods, real(price)),
        unit_cost=jnp.full(periods, real(unit_cost)),
        attributes=jnp.zeros((periods, 0)),
        calendar=jnp.zeros((periods, 0)),
        last=jnp.arange(periods) == periods - 1,
    )
    none = jnp.zeros((HISTORY_LENGTH, nodes))
    owed = None if waiting is None else _units("waiting", waiting, (nodes,))
    initial = Initial(
        on_hand=_units("on_hand", on_hand, (nodes,)),
        pipeline=_units("pipeline", pipeline, (leads - 1, nodes)),
        history=History(outbound=none, ship_cost=none, available=none, waiting=owed),
    )
    return Scenario(initial=initial, series=sample_noise(market, pmf, num_uniforms, key))


def _units(name: str, given: ArrayLike | None, shape: tuple[int, ...]) -> Array:
    """Return units at the start, none where not given."""
    if given is None:
        return jnp.zeros(shape)
    try:
        require_numbers(name, given, shape=shape)
    except ValueError as error:
        owes = name == "on_hand" and "must be in" in str(error) and np.min(given) < 0
        hint = " (what customers are owed at the start is `waiting`)" if owes else ""
        raise ValueError(f"{error}{hint}") from None
    return real(given)
