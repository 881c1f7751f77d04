"""Truncated beta-binomial splits against enumeration in double precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import gammaln

from draingym.drain_model.distributions.splits import Split, draw_split, split_log_prob

NUMBER = 512
UNIFORM = (jnp.arange(NUMBER) + 0.37) / NUMBER
ALPHAS = [(0.3, 0.7), (4.0, 9.0), (1e-4, 3.0), (1e4, 2e3)]
# Every total, own and later stock up to 5 for which the split exists.
CASES = np.array(
    [(t, a, s) for t in range(6) for a in range(5) for s in range(5) if t <= a + s], np.float32
)


def exact(t: float, a: float, s: float, alpha: float, beta: float) -> tuple:
    k = np.arange(max(0, t - s), min(t, a) + 1)
    weight = gammaln(k + alpha) - gammaln(k + 1) + gammaln(t - k + beta) - gammaln(t - k + 1)
    p = np.exp(weight - weight.max())
    return k, p / p.sum()


def mean(*case: float) -> float:
    k, p = exact(*case)
    return float(k @ p)


def spread(t: float, a: float, s: float, alpha: float, beta: float, number: int) -> Split:
    t, a, s, alpha, beta = (jnp.full(number, x, jnp.float32) for x in (t, a, s, alpha, beta))
    return Split(total=t, own=a, later=s, alpha=alpha, beta=beta)


LOG_PROB = jax.jit(split_log_prob)
DRAW = jax.jit(draw_split)
SLOPES = jax.jit(jax.grad(lambda split, units: split_log_prob(split, units).sum()))


@pytest.mark.parametrize(
    ("case", "tolerance"),
    [
        pytest.param((10, 7, 5, 0.3, 0.7), 1e-5, id="both-ends"),
        pytest.param((50, 60, 40, 3.0, 9.0), 1e-4, id="as-many-as-cells"),
        pytest.param((40, 3, 60, 1e4, 1e3), 1e-4, id="concentrated"),
        pytest.param((2000, 1500, 1900, 5.0, 7.0), 1e-2, id="wide"),
        pytest.param((2000, 1500, 1900, 5e3, 5e3), 1e-2, id="narrow"),
        pytest.param((2000, 3000, 1900, 0.3, 0.4), 2e-2, id="mass-at-the-ends"),
        pytest.param((2000, 100, 1990, 5e3, 5e3), 1e-4, id="at-the-stock"),
    ],
)
def test_probabilities_and_draws_are_the_enumerated_ones(case: tuple, tolerance: float) -> None:
    k, p = exact(*case)
    likely = p > 1e-6
    found = np.full(2048, -np.inf)
    units = jnp.minimum(jnp.arange(2048.0) + k[0], float(k[-1]))
    found = np.asarray(LOG_PROB(spread(*case, 2048), units))[: len(k)]
    np.testing.assert_allclose(found[likely], np.log(p[likely]), atol=tolerance)
    number = 4096
    drawn = np.asarray(DRAW(spread(*case, number), (jnp.arange(number) + 0.5) / number))
    assert drawn.min() >= k[0]
    assert drawn.max() <= k[-1]
    upto = np.searchsorted(np.sort(drawn), k, side="right") / number
    np.testing.assert_allclose(upto, p.cumsum(), atol=tolerance + 1 / number)


@pytest.mark.parametrize(
    ("case", "tolerance"),
    [
        pytest.param((10, 7, 5, 0.3, 0.7), 1e-3, id="both-ends"),
        pytest.param((50, 60, 40, 3.0, 9.0), 1e-3, id="as-many-as-cells"),
        pytest.param((2000, 1500, 1900, 5.0, 7.0), 2e-2, id="wide"),
        pytest.param((2000, 100, 1990, 50.0, 50.0), 1e-2, id="at-the-stock"),
    ],
)
def test_log_probabilities_have_the_slopes_of_the_enumerated_ones(
    case: tuple, tolerance: float
) -> None:
    *units, alpha, beta = case
    k, p = exact(*case)
    some = np.flatnonzero(p > 1e-4)
    some = some[:: max(1, len(some) // 16)][:16]
    at = jnp.resize(jnp.asarray(k[some], jnp.float32), 16)
    found = SLOPES(spread(*case, 16), at)
    for name, step in (("alpha", (1e-3 * alpha, 0.0)), ("beta", (0.0, 1e-3 * beta))):
        up, down = (exact(*units, alpha + s * step[0], beta + s * step[1])[1] for s in (1, -1))
        slope = (np.log(up) - np.log(down))[some] / (2 * sum(step))
        np.testing.assert_allclose(
            getattr(found, name)[: len(some)], slope, atol=tolerance * np.abs(slope).max()
        )


def test_nothing_outside_of_the_support() -> None:
    found = LOG_PROB(spread(5, 4, 3, 1.0, 2.0, 7), jnp.arange(-1.0, 6.0))
    np.testing.assert_array_equal(np.isfinite(found), [0, 0, 0, 1, 1, 1, 0])


@pytest.fixture(scope="module")
def slopes():
    t, a, s = (jnp.asarray(np.repeat(CASES[:, i], NUMBER)) for i in range(3))
    u = jnp.tile(UNIFORM, len(CASES))

    @jax.jit
    def of(alpha, beta):
        def total(*x):
            return jnp.sum(draw_split(Split(**dict(zip(NAMES, x, strict=True))), u))

        spread = tuple(jnp.broadcast_to(x, t.shape) for x in (alpha, beta))
        return jax.grad(total, (0, 1, 2, 3, 4))(t, a, s, *spread)

    return lambda alpha, beta: [
        np.asarray(x).reshape(len(CASES), NUMBER).mean(1)
        for x in of(jnp.float32(alpha), jnp.float32(beta))
    ]


NAMES = ("total", "own", "later", "alpha", "beta")


@pytest.mark.parametrize(
    "alphas", [ALPHAS[0], *(pytest.param(a, marks=pytest.mark.slow) for a in ALPHAS[1:])]
)
def test_derivatives_are_those_of_the_enumerated_mean(alphas: tuple, slopes) -> None:
    found = slopes(*alphas)
    # 512 equidistant uniforms: a jump of five units is placed to within 5/512.
    tolerance = 0.025
    for i, case in enumerate(CASES):
        t, a, s = case
        if t == a + s:  # nothing to spare: A less what is missing
            missing = a - mean(t - 1, a, s, *alphas) if t else None
            expected = (missing, 1 - missing, -missing) if t else None
        else:
            expected = []
            for j in range(3):
                more, less = case.copy(), case.copy()
                more[j], less[j] = more[j] + 1, less[j] - 1
                here = mean(*case, *alphas)
                up = mean(*more, *alphas)
                expected.append((up - mean(*less, *alphas)) / 2 if case[j] else up - here)
        if expected is not None:
            got = [found[j][i] for j in range(3)]
            np.testing.assert_allclose(got, expected, atol=tolerance, err_msg=str(case))
        if min(alphas) > 1e-2:
            for j in range(2):
                step = np.eye(2)[j] * 1e-4 * alphas[j]
                up, down = mean(*case, *(alphas + step)), mean(*case, *(alphas - step))
                slope = (up - down) / (2e-4 * alphas[j])
                assert found[3 + j][i] == pytest.approx(slope, abs=0.02 * abs(slope) + 5e-3)


@pytest.mark.slow
def test_derivatives_of_wide_splits() -> None:
    number, alphas = 2048, (5.0, 7.0)
    u = (jnp.arange(number) + 0.5) / number
    for case in [(900, 700, 800), (900, 300, 800)]:
        found = jax.grad(lambda x: jnp.sum(draw_split(x, u)))(spread(*case, *alphas, number))
        for j, (name, step) in enumerate(zip(NAMES, (20, 20, 20, 0.1, 0.1), strict=True)):
            more, less = [*case, *alphas], [*case, *alphas]
            more[j], less[j] = more[j] + step, less[j] - step
            expected = (mean(*more) - mean(*less)) / (2 * step)
            got = float(np.mean(getattr(found, name)))
            assert got == pytest.approx(expected, abs=0.03 * abs(expected) + 0.03), (case, name)
