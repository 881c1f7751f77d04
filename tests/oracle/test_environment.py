"""The oracle as an environment, and the log it writes."""

from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym.oracle import run, to_event_log
from draingym.simulator import MOST_UNITS, Dynamics, State, act
from draingym.world.eventlog import validate_log
from draingym.world.panel import build_panel
from draingym.world.panel_checks import check_conservation
from tests.oracle.policies import Refill

LEVEL = np.full(4, 12.0, np.float32)


def test_units_are_conserved_at_every_node(history, scenario):
    moves = history.trajectory.transitions
    before = np.concatenate(
        [np.asarray(scenario.initial.on_hand)[:, None], moves.on_hand[:, :-1]], axis=1
    )
    np.testing.assert_array_equal(
        moves.on_hand, before + moves.stowed - moves.transferred - moves.outbound
    )
    np.testing.assert_array_equal(moves.on_hand, moves.available - moves.outbound)
    assert (moves.on_hand >= 0).all()
    assert moves.outbound.sum() > 100


def test_drain_and_cost_are_those_of_the_recorded_outcomes(history):
    moves = history.trajectory.transitions
    outbound = np.stack([o.outbound for o in history.outcomes], axis=1)
    cost = np.stack([o.ship_cost for o in history.outcomes], axis=1)
    np.testing.assert_array_equal(moves.outbound, outbound)
    np.testing.assert_allclose(moves.ship_cost, cost, rtol=1e-6)
    expected = moves.observation.price * outbound.sum(axis=2)
    np.testing.assert_allclose(moves.revenue, expected, rtol=1e-5)


def test_lanes_of_a_run_are_those_of_its_log(small_world, history):
    panel = build_panel(to_event_log(small_world, history))
    for name, values in history.lanes().items():
        np.testing.assert_array_equal(values, panel[f"lane_{name}"])
    with pytest.raises(ValueError, match=r"run holds 0 outcomes, must hold \d+"):
        replace(history, outcomes=()).lanes()


def test_views_that_never_convert_can_be_left_out(
    small_world, true_systems, params, scenario, history
):
    views = small_world.views.candidates(small_world.rates)
    again = run(true_systems, views, params, Refill(), LEVEL, scenario, dynamics=Dynamics(), seed=5)
    assert again.outcomes == ()
    for one, other in zip(
        jax.tree.leaves(again.trajectory), jax.tree.leaves(history.trajectory), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_the_seed_moves_costs_and_nothing_else(
    small_world, true_systems, params, scenario, history
):
    other = run(
        true_systems,
        small_world.views,
        params,
        Refill(),
        LEVEL,
        scenario,
        dynamics=Dynamics(),
        seed=6,
    )
    one, two = history.trajectory.transitions, other.trajectory.transitions
    np.testing.assert_array_equal(one.outbound, two.outbound)
    assert not np.array_equal(one.ship_cost, two.ship_cost)


def test_a_run_may_start_late(small_world, true_systems, params, scenario):
    late = replace(scenario, series=jax.tree.map(lambda leaf: leaf[:, 4:9], scenario.series))
    seen = []
    result = run(
        true_systems,
        small_world.views,
        params,
        Refill(),
        LEVEL,
        late,
        dynamics=Dynamics(),
        progress=lambda done, total: seen.append((done, total)),
        record=True,
    )
    assert result.start == 4
    assert seen == [(k, 5) for k in range(1, 6)]
    assert result.outcomes[0].first_view == small_world.views.offsets[4]
    with pytest.raises(ValueError, match="must hold the 12 of the world"):
        to_event_log(small_world, result)


def test_periods_without_views_are_refused(small_world, true_systems, params, scenario):
    series = replace(scenario.series, period=scenario.series.period + 1)
    with pytest.raises(ValueError, match=r"covers \[1, 13\), must be within the views' \[0, 12\)"):
        run(
            true_systems,
            small_world.views,
            params,
            Refill(),
            LEVEL,
            replace(scenario, series=series),
            dynamics=Dynamics(),
        )


def test_stock_that_is_not_whole_is_refused(small_world, true_systems, params, scenario):
    initial = replace(scenario.initial, on_hand=scenario.initial.on_hand + 0.5)
    with pytest.raises(ValueError, match=r"available\[0, 0\] is \d+\.5, must be whole"):
        run(
            true_systems,
            small_world.views,
            params,
            Refill(),
            LEVEL,
            replace(scenario, initial=initial),
            dynamics=Dynamics(),
        )


def test_a_policy_that_asks_for_nonsense_is_refused(small_world, true_systems, params, scenario):
    start = int(np.asarray(scenario.series.period)[0, 0])
    for level, shown in ((np.nan, "nan"), (-np.inf, "-inf")):
        wrong = np.array([12.0, 12.0, level, 12.0], np.float32)
        with pytest.raises(
            ValueError, match=f"requests {shown} units for node 2 in period {start}"
        ):
            run(
                true_systems,
                small_world.views,
                params,
                Plain(),
                wrong,
                scenario,
                dynamics=Dynamics(),
            )


class Plain:
    """Asks for what its parameters say, whatever that is."""

    def init(self, key):
        return LEVEL

    def apply(self, params, observation, key):
        return params + 0.0 * observation.on_hand


def test_the_log_is_valid_and_aggregates_to_the_run(small_world, history):
    log = to_event_log(small_world, history)
    validate_log(log)
    panel = build_panel(log)
    check_conservation(panel)
    moves = history.trajectory.transitions
    for name in ("outbound", "on_hand", "stowed", "transferred", "available"):
        found = panel[name].transpose("product", "period", "node").to_numpy()
        np.testing.assert_array_equal(found, getattr(moves, name), err_msg=name)
    cost = panel["ship_cost"].transpose("product", "period", "node").to_numpy()
    exact = np.stack([o.ship_cost for o in history.outcomes], axis=1)
    np.testing.assert_array_equal(cost, exact)
    views = panel["glance_views"].transpose("product", "period", "region").to_numpy()
    np.testing.assert_array_equal(views, small_world.glance_views())


def test_the_log_holds_no_latent(small_world, history):
    log = to_event_log(small_world, history)
    hidden = np.sort(small_world.views.latent)
    columns = [
        (name, column) for name, table in log.tables.items() for column in table.column_names
    ]
    assert not [column for _, column in columns if "latent" in column]
    numbers = {where: log.array(*where) for where in columns}
    real = {where: values for where, values in numbers.items() if values.dtype.kind == "f"}
    assert ("glance_views", "time") in real
    told = [where for where, values in real.items() if np.isin(values[values > 0], hidden).any()]
    assert told == []


def test_equal_runs_write_equal_logs(small_world, true_systems, params, scenario, history):
    again = run(
        true_systems,
        small_world.views,
        params,
        Refill(),
        LEVEL,
        scenario,
        dynamics=Dynamics(),
        seed=5,
        record=True,
    )
    one, two = to_event_log(small_world, history), to_event_log(small_world, again)
    assert set(one.tables) == set(two.tables)
    for name in one.tables:
        assert one[name].equals(two[name]), name


def test_outcomes_hold_no_latent(history):
    assert "latent" not in {field.name for field in fields(history.outcomes[0])}


@pytest.mark.slow
@pytest.mark.parametrize(
    "dynamics",
    [Dynamics(hold_requests=True), Dynamics(ship_arrivals=True)],
    ids=["holds requests", "ships arrivals"],
)
def test_the_oracle_ships_by_the_dynamics_that_it_is_given(
    small_world, true_systems, params, scenario, history, dynamics
):
    class Asks:
        """Nodes near customers ask for more than upstream ever has."""

        def apply(self, params, observation, key):
            return jnp.where(observation.active, params, 0.0)

        def init(self, key):
            return LEVEL

    asked = np.array([90.0, 50.0, 40.0, 30.0], np.float32)
    ran = run(
        true_systems, small_world.views, params, Asks(), asked, scenario,
        dynamics=dynamics, seed=5, record=True,
    )  # fmt: skip
    # Step by step what the simulator's own rule ships, on the oracle's stock.
    moves = ran.trajectory.transitions
    series = replace(scenario.series, exogenous=None)
    for t in range(moves.shipped.shape[1]):
        state = State(
            on_hand=moves.observation.on_hand[:, t],
            pipeline=moves.observation.pipeline[:, t],
            waiting=np.zeros_like(moves.on_hand[:, t]),
            memory=None,
            owed=None if moves.owed is None else moves.observation.owed[:, t],
        )
        now = jax.tree.map(lambda leaf, t=t: leaf[:, t], series)
        one = jax.vmap(act, in_axes=(None, 0, 0, 0, None))
        acted = one(params, state, moves.action[:, t], now, dynamics)
        np.testing.assert_array_equal(moves.shipped[:, t], acted.shipped)
        np.testing.assert_array_equal(moves.available[:, t], acted.available)
    assert (moves.owed is not None) == dynamics.hold_requests
    if dynamics.hold_requests:
        assert moves.owed.max() > 50  # it adds up, period after period
    else:
        assert (moves.transferred > moves.observation.on_hand).any()
    log = to_event_log(small_world, replace(ran, start=0))
    validate_log(log)
    check_conservation(build_panel(log))


def test_what_the_oracle_cannot_do_is_refused(small_world, true_systems, params, scenario):
    def refused(message, scenario=scenario, dynamics=None):
        with pytest.raises(ValueError, match=message):
            run(
                true_systems, small_world.views, params, Refill(), LEVEL, scenario,
                dynamics=dynamics or Dynamics(),
            )  # fmt: skip

    refused("dynamics.whole_units is False, must be True", dynamics=Dynamics(whole_units=False))
    initial = scenario.initial
    waits = replace(initial.history, waiting=np.ones_like(initial.on_hand))
    refused(
        "initial.history.waiting is given, must be None",
        replace(scenario, initial=replace(initial, history=waits)),
    )
    full = initial.on_hand.copy()
    full[2, 1] = MOST_UNITS
    refused(
        r"initial holds \d+ units of product 2, must be at most 8388608",
        replace(scenario, initial=replace(initial, on_hand=full)),
    )
