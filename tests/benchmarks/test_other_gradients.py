"""Score function and Gumbel relaxation of the learned drain's draw, on one period."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.comparators.other_gradients import GumbelDrain, ScoredDrain
from draingym.drain_model import LearnedDrain
from draingym.simulator import HISTORY_LENGTH, History
from tests.drain_model.conftest import make_process
from tests.drain_model.test_kernel import TINY, bind, perturbed, series_of

INDEPENDENT = replace(TINY, joint="independent", lane_heads=0)
DRAWS = 2000


@pytest.fixture(scope="module")
def process():
    return make_process()


@pytest.fixture(scope="module")
def drawn(process):
    """Units [S, N] of every kernel, and gradients [S, N] of their sum in the stock."""
    data = process.data.products(slice(0, 1))
    kernel, params = bind(perturbed(INDEPENDENT, data), data)
    nodes = kernel.num_nodes
    none = jnp.zeros((HISTORY_LENGTH, nodes))
    history = History(outbound=none, ship_cost=none, available=none)
    series = series_of(data, jnp.zeros((data.num_periods, kernel.num_uniforms)))
    stock = jnp.asarray(data.available[0, 8])

    @jax.jit
    def all_draws(key):
        now = jax.tree.map(lambda leaf: leaf[8], kernel.prepare(params, series))

        def units(kernel):
            memory = kernel.init(params, history)

            def surrogate(stock, u):
                kept, drain = kernel.drain(params, memory, stock, now, u)
                total = drain.outbound.sum()
                if not isinstance(kernel, ScoredDrain):
                    return total, (drain.outbound, jnp.zeros(()))
                scored = total + kept.log_prob * jax.lax.stop_gradient(total)
                return scored, (drain.outbound, kept.log_prob)

            def of(u):
                slope, (outbound, log_prob) = jax.grad(surrogate, has_aux=True)(stock, u)
                return outbound, slope, log_prob

            uniforms = jax.random.uniform(key, (DRAWS, kernel.num_uniforms))
            return jax.lax.map(of, uniforms, batch_size=500)

        return [
            units(k)
            for k in (
                kernel,
                ScoredDrain(kernel=kernel),
                GumbelDrain(kernel=kernel, temperature=0.5),
                GumbelDrain(kernel=kernel, hard=True),
            )
        ]

    return np.asarray(stock), jax.tree.map(np.asarray, all_draws(jax.random.key(0)))


@pytest.mark.slow
def test_the_scored_drain_draws_what_the_drain_draws(drawn):
    _, (plain, scored, _, _) = drawn
    np.testing.assert_array_equal(scored[0], plain[0])
    assert (scored[2] <= 0).all()


@pytest.mark.slow
def test_the_score_function_agrees_with_the_pathwise_gradient(drawn):
    _, (plain, scored, _, _) = drawn
    difference = scored[1] - plain[1]
    error = difference.std(axis=0) / np.sqrt(DRAWS)
    told = error > 0  # nodes that nothing depends on differ by nothing
    assert told.any()
    assert (np.abs(difference.mean(axis=0)[told]) < 3.5 * error[told]).all()
    # The comparison says something: the gradient is several errors from zero.
    assert np.abs(plain[1].mean(axis=0)[told] / error[told]).max() > 5
    assert scored[1].var(axis=0).sum() > plain[1].var(axis=0).sum()


@pytest.mark.slow
def test_hard_gumbel_draws_have_the_law_of_the_drain(drawn):
    stock, (plain, _, _, hard) = drawn
    np.testing.assert_array_equal(hard[0], np.rint(hard[0]))
    assert (hard[0] <= stock).all()
    assert (hard[0] >= 0).all()
    error = np.sqrt((plain[0].var(axis=0) + hard[0].var(axis=0)) / DRAWS) + 1e-9
    assert (np.abs(plain[0].mean(axis=0) - hard[0].mean(axis=0)) < 4 * error).all()
    for units in range(INDEPENDENT.num_atoms + 2):  # the first of the tail, too
        share = [(one[0] == units).mean(axis=0) for one in (plain, hard)]
        assert np.abs(share[0] - share[1]).max() < 4 * np.sqrt(0.5 / DRAWS)


@pytest.mark.slow
def test_relaxed_draws_are_feasible_real_and_have_a_derivative(drawn):
    stock, (_, _, soft, _) = drawn
    assert (soft[0] <= stock + 1e-5).all()
    assert (soft[0] >= 0).all()
    assert (soft[0] != np.rint(soft[0])).mean() > 0.1
    assert np.isfinite(soft[1]).all()
    assert np.abs(soft[1]).max() > 0


def test_other_joints_and_temperatures_are_refused(process):
    data = process.data.products(slice(0, 1))
    config = replace(TINY, joint="copula")
    copula = LearnedDrain(config=config, num_calendar=2, num_attributes=3, num_nodes=data.num_nodes)
    with pytest.raises(ValueError, match=r"config\.joint is 'copula'"):
        ScoredDrain(kernel=copula)
    with pytest.raises(ValueError, match="must be 'independent' and 'censored'"):
        GumbelDrain(kernel=copula)
    fine = replace(copula, config=INDEPENDENT)
    with pytest.raises(ValueError, match=r"temperature is 0\.0, must be above 0"):
        GumbelDrain(kernel=fine, temperature=0.0)
