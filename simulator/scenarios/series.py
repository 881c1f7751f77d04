"""Scenarios: everything exogenous that will happen to a product, sampled before the rollout."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from draingym.simulator.checks import check_stock
from draingym.simulator.types import History, Initial, Scenario, Series
from draingym.world.views import attribute_matrix

# Periods of drain a learned kernel may look back on; longer than its receptive field.
HISTORY_LENGTH = 16


def checked_lead_time(lead_time: ArrayLike) -> np.ndarray:
    """Return [N, L+1] probabilities as they are.

    Raises:
        ValueError: If one is negative, or a node's do not sum to one.
    """
    pmf = np.asarray(lead_time, dtype=np.float64)
    if (pmf < 0).any() or not np.allclose(pmf.sum(axis=-1), 1.0, atol=1e-6):
        raise ValueError(f"lead_time rows sum to {pmf.sum(axis=-1)}, must be 1, without negatives")
    return pmf


def sample_lead_share(
    key: Array, lead_time: Float[Array, "N lead"], shape: tuple[int, ...]
) -> Float[Array, "*shape N lead"]:
    """Draw whole-order lead times: one-hot shares, so that whole units stay whole.

    Args:
        key: Random key.
        lead_time: [N, L+1] probability of k periods.
        shape: Leading shape, such as (P, T).

    Returns:
        [*shape, N, L+1] of 0 and 1.
    """
    uniform = jax.random.uniform(key, (*shape, lead_time.shape[0]))
    cumulated = jnp.cumsum(jnp.asarray(lead_time), axis=1)
    periods = jnp.sum(
        uniform[..., None]
        >= jnp.broadcast_to(cumulated[:, :-1], (*uniform.shape, cumulated.shape[1] - 1)),
        axis=-1,
    )
    return jax.nn.one_hot(periods, lead_time.shape[1])


def sample_noise(series: Series, lead_time: Float[Array, "N lead"] | None, key: Array) -> Series:
    """Return the series with every random draw of the simulator drawn anew.

    Glance views, prices, forecasts and fill rates stay, and lead times that are not given: two
    calls with one key give common random numbers.
    """
    key_lead, key_round, key_drain = jax.random.split(key, 3)
    share = series.lead_share
    if lead_time is not None:
        share = sample_lead_share(key_lead, lead_time, series.price.shape)
    split = series.split_uniform
    if split is not None:
        split = jax.random.uniform(jax.random.fold_in(key_lead, 1), split.shape)
    return replace(
        series,
        lead_share=share,
        round_uniform=jax.random.uniform(key_round, series.round_uniform.shape),
        drain_uniform=jax.random.uniform(key_drain, series.drain_uniform.shape),
        split_uniform=split,
    )


def sample_supply(
    series: Series,
    lead_time: ArrayLike,
    key: Array,
    *,
    concentration: float | None = None,
    fill_mean: float = 1.0,
    fill_concentration: float = 10.0,
) -> Series:
    """Return the series with a supplier that splits shipments over periods and ships short.

    ``lead_share ~ Dirichlet(concentration * lead_time)``: whole shipments as the concentration
    goes to zero, fixed shares as it goes to infinity. ``fill_rate ~ Beta`` with the given mean and
    ``fill_concentration`` as the sum of its parameters. Whole units stay whole: shipments are split
    by systematic rounding (``draingym.simulator.draws.split_shipments``).

    Args:
        series: Of one product or many; leaves [T, ...] or [P, T, ...].
        lead_time: [N, L+1] mean share that arrives after k periods.
        key: Two calls with one key draw the same.
        concentration: Above 0; None draws whole shipments.
        fill_mean: Mean share of an order that the vendor ships, in (0, 1]; 1 ships all.
        fill_concentration: Above 0; large is certain.

    Returns:
        Series with ``lead_share``, ``split_uniform`` and ``fill_rate`` drawn.

    Raises:
        ValueError: If lead times do not sum to one, or a number is out of its range.
    """
    pmf = checked_lead_time(lead_time)
    if not 0 < fill_mean <= 1:
        raise ValueError(f"fill_mean is {fill_mean}, must be in (0, 1]")
    for name, value in (
        ("concentration", concentration),
        ("fill_concentration", fill_concentration),
    ):
        if value is not None and not value > 0:
            raise ValueError(f"{name} is {value}, must be above 0")
    key_share, key_split, key_fill = jax.random.split(key, 3)
    shape = (*series.price.shape, pmf.shape[0])
    if concentration is None:
        share = sample_lead_share(key_share, jnp.asarray(pmf, jnp.float32), series.price.shape)
    else:
        weight = jnp.broadcast_to(jnp.asarray(concentration * pmf), (*shape, pmf.shape[1]))
        drawn = jax.random.loggamma(key_share, jnp.where(weight > 0, weight, 1.0))
        share = jax.nn.softmax(jnp.where(weight > 0, drawn, -jnp.inf), axis=-1)
    fill = None
    if fill_mean < 1:
        a, b = fill_mean * fill_concentration, (1 - fill_mean) * fill_concentration
        fill = jax.random.beta(key_fill, a, b, shape)
    return replace(
        series,
        lead_share=share,
        split_uniform=jax.random.uniform(key_split, shape),
        fill_rate=fill,
    )


def smooth_views(views: np.ndarray, half_life: float) -> np.ndarray:
    """Return the exponentially weighted mean of all earlier periods along axis 1.

    ``m_t = d * m_{t-1} + (1 - d) * x_{t-1}`` with ``d = 2**(-1 / half_life)``; the first period
    has seen nothing and starts from its own product's first value.

    Args:
        views: [P, T, Z].
        half_life: Periods after which a value counts half, above 0.

    Returns:
        [P, T, Z]; entry t depends on periods before t only (t = 0: on itself).

    Raises:
        ValueError: If ``half_life`` is not positive.
    """
    if not half_life > 0:
        raise ValueError(f"half_life is {half_life}, must be above 0 periods")
    decay = 2.0 ** (-1.0 / half_life)
    smoothed = np.empty_like(views, dtype=np.float64)
    level = views[:, 0].astype(np.float64)
    for t in range(views.shape[1]):
        smoothed[:, t] = level
        level = decay * level + (1.0 - decay) * views[:, t]
    return smoothed


def make_series(
    *,
    glance_views: ArrayLike,
    forecast: ArrayLike,
    price: ArrayLike,
    unit_cost: ArrayLike,
    attributes: ArrayLike,
    calendar: ArrayLike,
    lead_time: ArrayLike,
    num_uniforms: int,
    key: Array,
) -> Series:
    """Build the series of a batch of products, every draw included.

    Args:
        glance_views: [P, T, Z] page views.
        forecast: [P, T, Z] units expected, known before each period.
        price: [P] currency a unit.
        unit_cost: [P] currency a unit.
        attributes: [P, F] product attributes.
        calendar: [T, E] calendar features.
        lead_time: [N, L+1] probability of k periods from the parent.
        num_uniforms: What the kernel needs a period.
        key: Draws every uniform and lead time.

    Returns:
        Series over all T periods, leaves [P, T, ...]. Cut it with ``Windows`` after
        ``Simulator.prepare``, so that encoders see the periods before a window too.

    Raises:
        ValueError: If a node's lead times do not sum to one.
    """
    views = jnp.asarray(glance_views, jnp.float32)
    leads = jnp.asarray(checked_lead_time(lead_time), jnp.float32)
    products, periods, _ = views.shape
    nodes = leads.shape[0]

    def over_time(values: ArrayLike) -> Array:
        column = jnp.asarray(values, jnp.float32)
        return jnp.broadcast_to(column[:, None], (products, periods, *column.shape[1:]))

    dates = jnp.asarray(calendar, jnp.float32)
    blank = Series(
        period=jnp.broadcast_to(jnp.arange(periods, dtype=jnp.int32), (products, periods)),
        glance_views=views,
        forecast=jnp.asarray(forecast, jnp.float32),
        price=over_time(price),
        unit_cost=over_time(unit_cost),
        attributes=over_time(attributes),
        calendar=jnp.broadcast_to(dates, (products, *dates.shape)),
        lead_share=jnp.zeros((products, periods, *leads.shape)),
        last=jnp.zeros((products, periods), bool).at[:, -1].set(True),
        round_uniform=jnp.zeros((products, periods, nodes)),
        drain_uniform=jnp.zeros((products, periods, num_uniforms)),
    )
    return sample_noise(blank, leads, key)


def series_from_panel(
    panel: Any,
    lead_time: ArrayLike,
    num_uniforms: int,
    key: Array,
    *,
    known_periods: int,
    half_life: float = 7.0,
) -> Series:
    """Turn a panel's exogenous history into series: the backtest of an exogenous process.

    The forecast is the exponentially smoothed views of each region times the units that a view of
    the product was worth over the first ``known_periods``.

    Args:
        panel: Labelled arrays as ``draingym.world.panel.build_panel`` makes them.
        lead_time: [N, L+1] probability of k periods from the parent.
        num_uniforms: What the kernel needs a period.
        key: Draws every uniform and lead time.
        known_periods: Periods from which the units a view is worth are estimated.
        half_life: Of the forecast's exponential smoothing, periods.

    Returns:
        Series over all periods of all products, leaves [P, T, ...]; see ``make_series``.
    """
    views = np.asarray(panel["glance_views"], dtype=np.float32)
    sold = np.asarray(panel["outbound"])[:, :known_periods].sum(axis=(1, 2))
    seen = np.maximum(views[:, :known_periods].sum(axis=(1, 2)), 1.0)
    return make_series(
        glance_views=views,
        forecast=smooth_views(views, half_life) * (sold / seen)[:, None, None],
        price=np.asarray(panel["price"]),
        unit_cost=np.asarray(panel["unit_cost"]),
        attributes=attribute_matrix(panel),
        calendar=np.asarray(panel["calendar"]),
        lead_time=lead_time,
        num_uniforms=num_uniforms,
        key=key,
    )


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
        return jnp.asarray(np.pad(values, ((0, 0), (missing, 0), (0, 0))))

    return Initial(
        on_hand=jnp.asarray(on_hand[:, start - 1], jnp.float32),
        pipeline=jnp.asarray(pipeline, jnp.float32),
        history=History(
            outbound=past("outbound"), ship_cost=past("ship_cost"), available=past("available")
        ),
    )


def scenario_from_views(
    views: ArrayLike,
    lead_time: ArrayLike,
    key: Array,
    *,
    num_uniforms: int = 0,
    on_hand: ArrayLike | None = None,
    waiting: ArrayLike | None = None,
    pipeline: ArrayLike | None = None,
    price: float = 0.0,
    unit_cost: float = 0.0,
) -> Scenario:
    """Make one product's scenario from its glance views (or demand, for local demand).

    Args:
        views: [T, Z] glance views of every period.
        lead_time: [N, L+1] probability of k periods from the parent.
        key: Draws every uniform and lead time.
        num_uniforms: What the kernel needs a period.
        on_hand: [N] units at the start; empty shelves when not given.
        waiting: [N] units owed to customers at the start (a negative net stock); none when not
            given. A simulator whose kernel has no backlog refuses it.
        pipeline: [L, N] units in transit at the start; row k arrives k periods after the first.
        price: Currency a unit.
        unit_cost: Currency a unit.

    Returns:
        A scenario with no history. Its forecast is the mean of the views.

    Raises:
        ValueError: If a probability or a number of units is negative, of a wrong shape, or a
            node's lead times do not sum to one.
    """
    pmf = checked_lead_time(lead_time)
    views = jnp.asarray(views, jnp.float32)
    periods, regions = views.shape
    nodes, leads = pmf.shape
    blank = Series(
        period=jnp.arange(periods, dtype=jnp.int32),
        glance_views=views,
        forecast=jnp.broadcast_to(views.mean(axis=0), (periods, regions)),
        price=jnp.full(periods, price),
        unit_cost=jnp.full(periods, unit_cost),
        attributes=jnp.zeros((periods, 0)),
        calendar=jnp.zeros((periods, 0)),
        lead_share=jnp.zeros((periods, nodes, leads)),
        last=jnp.arange(periods) == periods - 1,
        round_uniform=jnp.zeros((periods, nodes)),
        drain_uniform=jnp.zeros((periods, num_uniforms)),
    )

    def units(name: str, given: ArrayLike | None, shape: tuple[int, ...]) -> Array:
        values = np.zeros(shape) if given is None else np.asarray(given, dtype=np.float32)
        if values.shape != shape or not (values >= 0).all():
            raise ValueError(
                f"{name} is {values}, must hold {' x '.join(map(str, shape))} entries of at "
                "least 0 units"
            )
        return jnp.asarray(values, jnp.float32)

    none = jnp.zeros((HISTORY_LENGTH, nodes))
    owed = None if waiting is None else units("waiting", waiting, (nodes,))
    initial = Initial(
        on_hand=units("on_hand", on_hand, (nodes,)),
        pipeline=units("pipeline", pipeline, (leads - 1, nodes)),
        history=History(outbound=none, ship_cost=none, available=none, waiting=owed),
    )
    if ((pmf == 0) | (pmf == 1)).all():
        # Lead times that are certain need no draw, and are the same in every scenario of a batch.
        certain = jnp.broadcast_to(jnp.asarray(pmf, jnp.float32)[None], (periods, nodes, leads))
        drawn = sample_noise(blank, None, key)
        return Scenario(initial=initial, series=replace(drawn, lead_share=certain))
    return Scenario(initial=initial, series=sample_noise(blank, jnp.asarray(pmf, jnp.float32), key))
