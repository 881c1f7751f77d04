"""gymnax 1.0's own wrappers, and rejax, on our environments: `make test-gymnax`.

gymnax needs an older Gymnasium and JAX than the lock has, so it has an environment of its own.
"""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import draingym
from draingym.registration import IDS, ZOO
from tests.draingym.sizes import SMALL

ID = "draingym:draingym/SingleStore-v0"
KEY = jax.random.key(0)
# Those of the zoo, and all but one with rejax, take minutes: `make test-gymnax ARGS="-m long"`.
EVERY = [
    pytest.param(id, marks=pytest.mark.long) if name in ZOO else id for name, id in IDS.items()
]


def made(id=ID, **options):
    import gymnax  # noqa: F401  (spaces are its own where it is imported)

    size = {"horizon": 6} if id == ID else SMALL.get(id, {"horizon": 8})
    return draingym.make_gymnax(id, episodes=8, scaled=True, **size, **options)


@pytest.mark.clients
@pytest.mark.parametrize("number", [None, 3], ids=["single", "vector"])
def test_gymnaxs_gymnasium_wrappers(number):
    from gymnax.wrappers import GymnaxToGymWrapper, GymnaxToVectorGymWrapper

    env, params = made(step_values=6)
    if number is None:
        wrapped = GymnaxToGymWrapper(env, params)
        assert isinstance(wrapped.action_space, gymnasium.spaces.Box)
    else:
        wrapped = GymnaxToVectorGymWrapper(env, number, params)
    wrapped.reset(seed=0)
    for t in range(7):
        seen, _, terminated, truncated, info = wrapped.step(wrapped.action_space.sample())
        assert np.all(np.asarray(truncated) == (t == 5))
        assert not np.any(terminated)
        assert seen.shape == info["final_observation"].shape
    assert seen.shape == wrapped.observation_space.shape


@pytest.mark.clients
def test_gymnaxs_wrappers_of_jax():
    from gymnax.wrappers import FlattenObservationWrapper, LegacyStepAPIWrapper, LogWrapper

    env, params = made(step_values=6)
    logged = LogWrapper(FlattenObservationWrapper(env))
    _, state = logged.reset(KEY, params)
    total = 0.0
    for _ in range(6):
        _, state, reward, *_, info = logged.step(KEY, state, jnp.array([0.2]), params)
        total += float(reward)
    assert bool(info["returned_episode"])
    assert float(info["returned_episode_returns"]) == pytest.approx(total, rel=1e-5)
    old = LegacyStepAPIWrapper(env)
    _, state = old.reset(KEY, params)
    assert len(old.step(KEY, state, jnp.array([0.2]), params)) == 5


@pytest.mark.clients
def test_gymnaxs_rollouts():
    from gymnax.experimental import RolloutWrapper

    env, _ = made(step_values=6)
    rollouts = RolloutWrapper(env=env, num_env_steps=6)
    *_, done, total = rollouts.batch_rollout(jax.random.split(KEY, 3), None)
    assert done[:, -1].all()
    assert np.isfinite(total).all()


@pytest.mark.clients
@pytest.mark.parametrize("id", EVERY)
def test_gymnax_runs_on_an_id(id):
    from gymnax.wrappers import GymnaxToVectorGymWrapper

    env, params = made(id, step_values=6)
    envs = GymnaxToVectorGymWrapper(env, 2, params)
    envs.reset(seed=0)
    for _ in range(10):
        seen, rewards, *_ = envs.step(envs.action_space.sample())
        assert np.isfinite(seen).all()
        assert np.isfinite(rewards).all()


@pytest.mark.clients
@pytest.mark.filterwarnings("ignore")  # what its own distributions use is deprecated
@pytest.mark.parametrize(
    "id",
    [
        id if id.endswith("SingleStore-v0") else pytest.param(id, marks=pytest.mark.long)
        for id in IDS.values()
    ],
)
def test_rejax_runs_on_an_id(id):
    import rejax

    env, params = made(id, symmetric_actions=True)
    learner = rejax.get_algo("ppo").create(
        env=env,
        env_params=params,
        num_envs=2,
        num_steps=8,
        num_epochs=1,
        num_minibatches=2,
        total_timesteps=32,
        eval_freq=32,
    )
    with jax.legacy_prng_key("allow"):  # which its distributions make
        _, (_, returns) = jax.jit(learner.train)(KEY)
    assert np.isfinite(returns).all()
