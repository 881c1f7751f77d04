"""Learners and wrappers written for Gymnasium, Stable-Baselines3 and gymnax work with us."""

import runpy
from pathlib import Path

import gymnasium
import jax
import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


@pytest.mark.slow
def test_the_purejaxrl_style_script_lowers_the_cost():
    train = example("ppo_purejaxrl")["make_train"](updates=40, episodes=64, horizon=32)
    _, cost = jax.jit(train)(jax.random.key(0))
    assert np.isfinite(cost).all()
    assert float(cost[-5:].mean()) < 0.25 * float(cost[:5].mean())


@pytest.mark.clients
def test_the_cleanrl_style_script_lowers_the_cost():
    _, costs = example("ppo_cleanrl")["train"](updates=25, horizon=32)
    assert np.isfinite(costs).all()
    assert np.mean(costs[-3:]) < 0.5 * np.mean(costs[:3])


@pytest.mark.clients
def test_stable_baselines3_on_the_vector_environment():
    train = example("ppo_stable_baselines3")["train"]
    _, before = train(2048, num_envs=32, horizon=32)
    _, after = train(32_768, num_envs=32, horizon=32)
    assert after > before * 0.5  # both are costs
    assert np.isfinite(after)


@pytest.mark.clients
@pytest.mark.parametrize("observation", ["box", "dict"])
def test_stable_baselines3_on_a_single_environment(observation):
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_checker import check_env

    env = gymnasium.make(
        "draingym:draingym/SingleStore-v0",
        horizon=16,
        symmetric_actions=True,
        observation=observation,
    )
    check_env(env.unwrapped, skip_render_check=True)
    policy = "MlpPolicy" if observation == "box" else "MultiInputPolicy"
    model = PPO(policy, env, n_steps=64, batch_size=32, n_epochs=1, device="cpu").learn(128)
    seen, _ = env.reset(seed=0)
    action, _ = model.predict(seen, deterministic=True)
    assert np.isfinite(env.step(action)[1])


@pytest.mark.clients
def test_videos_are_recorded(tmp_path):
    env = gymnasium.wrappers.RecordVideo(
        gymnasium.make("draingym:draingym/SingleStore-v0", render_mode="rgb_array", horizon=4),
        str(tmp_path / "videos"),
    )
    env.reset(seed=0)
    for _ in range(4):
        env.step(env.action_space.sample())
    env.close()
    assert [
        path.suffix for path in (tmp_path / "videos").iterdir() if path.stat().st_size > 1000
    ] == [".mp4"]
