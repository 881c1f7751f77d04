"""PPO on an environment, whole on the device."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from draingym import simulator
from draingym.policies.training.env_ppo import EnvPPO, episode_cost, train_ppo


@pytest.mark.slow
def test_a_store_learns_to_order_and_what_is_learned_is_judged_on_other_episodes() -> None:
    env = simulator.make("draingym:draingym/SingleStore-v0", horizon=32)
    config = EnvPPO(envs=32, steps=16, episodes=64)
    found = train_ppo(env, 60 * 32 * 16, 0, config, judged=64)
    assert found.periods == 60 * 32 * 16
    assert len(found.curve) == 59
    nothing = jax.vmap(lambda key: episode_cost(env, lambda seen: jnp.zeros(1), key))(
        jax.random.split(jax.random.key(9), 64)
    )
    assert found.cost < 0.6 * float(jnp.mean(nothing))
    assert found.cost < 0.8 * np.mean(found.curve[:3])
    action = found.policy(jnp.zeros(env.observation_shape))
    assert action.shape == (1,)
    assert bool(jnp.all((action >= 0) & (action <= 1)))


@pytest.mark.slow
def test_the_page_says_how_in_fewer_periods() -> None:
    page = Path(__file__).parents[2] / "docs" / "gym.md"
    code = next(
        block
        for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        if "train_ppo(" in block
    )
    names: dict[str, object] = {}
    short = code.replace("1_000_000", "512").replace("envs=256", "envs=8")
    exec(compile(short, page.name, "exec"), names)
    assert np.shape(names["action"]) == (1,)


def test_bad_sizes_name_the_bound() -> None:
    with pytest.raises(ValueError, match="minibatches is 3, must divide 4 periods"):
        EnvPPO(envs=2, steps=2, minibatches=3)
    env = simulator.make("draingym:draingym/SingleStore-v0", horizon=4)
    with pytest.raises(ValueError, match="periods is 10, must be"):
        train_ppo(env, 10, 0)
    views = simulator.make("draingym:draingym/SingleStore-v0", horizon=4, observation="dict")
    with pytest.raises(ValueError, match="observation is 'dict', must be 'box'"):
        train_ppo(views, 100_000, 0)
