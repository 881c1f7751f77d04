"""Parametric demand and the generative process: moments are those asked for, or fitted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from draingym.simulator import (
    Deterministic,
    NegativeBinomial,
    Normal,
    Poisson,
    ViewProcess,
    fit_views,
    sample_views,
)

DRAWS = 40000


@pytest.mark.parametrize(
    ("demand", "distribution"),
    [
        (Poisson(rate=5.0), stats.poisson(5)),
        (Poisson(rate=70.0), stats.poisson(70)),
        (NegativeBinomial(rate=4.0, dispersion=0.5), stats.nbinom(2, 2 / 6)),
    ],
    ids=["Poisson", "long table", "negative binomial"],
)
def test_discrete_laws_have_their_probabilities(demand, distribution):
    drawn = np.asarray(demand.sample(jax.random.key(0), (DRAWS, 1)))[:, 0]
    edges = distribution.ppf(np.linspace(0.1, 0.9, 8))
    for edge in edges:
        exact = distribution.cdf(edge)
        error = np.sqrt(exact * (1 - exact) / DRAWS)
        assert abs((drawn <= edge).mean() - exact) < 4 * error
    assert (drawn % 1 == 0).all()
    assert demand.mean[0] == pytest.approx(distribution.mean())


def test_normals_have_their_means_deviations_and_correlation():
    demand = Normal(means=(5.0, 9.0, 2.0), sds=(1.0, 2.0, 3.0), correlation=0.6, clip=False)
    drawn = np.asarray(demand.sample(jax.random.key(1), (DRAWS // 10, 3, 10)))
    flat = drawn.transpose(1, 0, 2).reshape(3, -1)
    np.testing.assert_allclose(flat.mean(axis=1), demand.means, atol=0.08)
    np.testing.assert_allclose(flat.std(axis=1), demand.sds, rtol=0.03)
    np.testing.assert_allclose(np.corrcoef(flat)[np.triu_indices(3, 1)], 0.6, atol=0.02)
    clipped = Normal(means=(1.0,), sds=(1.0,)).sample(jax.random.key(2), (DRAWS, 1))
    assert (np.asarray(clipped) == 0).mean() == pytest.approx(stats.norm.cdf(-1), abs=0.01)


def test_a_pattern_repeats():
    units = Deterministic(pattern=(1.0, 2.0, 4.0)).sample(jax.random.key(0), (5, 1, 2))
    np.testing.assert_array_equal(units[:, 0, 1], [1, 2, 4, 1, 2])


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (Poisson, {"rate": 0.0}, r"rate is 0.0, must be finite and in \(0.0, inf\)"),
        (Poisson, {"rate": np.nan}, "rate is nan, must be finite"),
        (Poisson, {"rate": 1e9}, r"rate of a Poisson needs a table of 1e\+09 entries, must need"),
        (NegativeBinomial, {"rate": 1.0, "dispersion": -1.0}, "dispersion is -1.0"),
        (NegativeBinomial, {"rate": np.inf, "dispersion": 1.0}, "rate is inf, must be finite"),
        (NegativeBinomial, {"rate": 1e5, "dispersion": 50.0}, "rate at dispersion 50.0 needs a"),
        (Normal, {"means": (1.0,), "sds": ()}, "sds has 0 entries"),
        (Normal, {"means": (1.0,), "sds": (-1.0,)}, r"sds\[0\] is -1.0, must be in"),
        (Normal, {"means": (1.0,), "sds": (np.nan,)}, r"sds\[0\] is nan, must be in"),
        (Normal, {"means": (np.nan,), "sds": (1.0,)}, r"means\[0\] is nan, must be in"),
        (Normal, {"means": (-5.0,), "sds": (1.0,)}, r"means\[0\] is -5.0, must be in \[0, 1e"),
        (Normal, {"means": (1.0,), "sds": (1.0,), "correlation": np.nan}, "correlation is nan"),
        (Normal, {"means": (1.0,), "sds": (1.0,), "correlation": 2.0}, "correlation is 2.0"),
        (Deterministic, {"pattern": ()}, r"pattern is \(\)"),
        (Deterministic, {"pattern": (1.0, np.nan)}, r"pattern\[1\] is nan, must be in"),
        (Deterministic, {"pattern": (1.0, -1.0)}, r"pattern\[1\] is -1.0, must be in"),
    ],
)
def test_bad_demand_is_refused(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


@pytest.mark.parametrize("dispersion", [pytest.param(0.0, marks=pytest.mark.slow), 0.4])
def test_a_fit_recovers_the_process_it_was_sampled_from(dispersion):
    rng = np.random.default_rng(0)
    truth = ViewProcess(
        level=jnp.asarray(rng.uniform(40, 160, 60), jnp.float32),
        share=jnp.asarray(rng.dirichlet([4, 4, 2, 1], 60), jnp.float32),
        season=jnp.array([0.8, 0.9, 1.0, 1.0, 1.1, 1.3, 0.9]),
        sd=jnp.float32(0.4),
        phi=jnp.float32(0.7),
        dispersion=jnp.float32(dispersion),
    )
    views = sample_views(truth, jax.random.key(0), 420)
    fitted = fit_views(views, 7)
    # Sixty products over sixty weeks: tolerances are about four standard errors.
    np.testing.assert_allclose(fitted.level, truth.level, rtol=0.2)
    assert float(fitted.level.mean()) == pytest.approx(float(truth.level.mean()), rel=0.02)
    np.testing.assert_allclose(fitted.share, truth.share, atol=0.03)
    np.testing.assert_allclose(fitted.season, truth.season, rtol=0.04)
    assert float(fitted.sd) == pytest.approx(0.4, abs=0.03)
    assert float(fitted.phi) == pytest.approx(0.7, abs=0.06)
    assert float(fitted.dispersion) == pytest.approx(dispersion, abs=0.04)


PROCESS = ViewProcess(
    level=jnp.array([1e4]), share=jnp.array([[0.5, 0.5]]), season=jnp.array([0.5, 1.5]),
    sd=jnp.float32(0.0), phi=jnp.float32(0.0), dispersion=jnp.float32(0.0),
)  # fmt: skip


def test_a_season_starts_where_it_is_told():
    totals = sample_views(PROCESS, jax.random.key(0), 3, first_phase=1).sum(axis=2)[0]
    np.testing.assert_allclose(totals, [15000, 5000, 15000], rtol=0.05)


@pytest.mark.parametrize(
    ("views", "season", "message"),
    [
        (np.ones((2, 8)), 1, r"views has shape \(2, 8\)"),
        (np.ones((2, 8, 2)), 7, r"season_length is 7, must be in \[1, 4\]"),
        (-np.ones((2, 8, 2)), 1, "negative or not finite"),
        (np.zeros((2, 8, 2)), 1, "all zero"),
    ],
)
def test_bad_panels_are_refused(views, season, message):
    with pytest.raises(ValueError, match=message):
        fit_views(views, season)
