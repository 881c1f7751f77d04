"""Every library on every id: some steps of its own loop, with one line of ours at most.

The cells of the table in docs/gym.md; those of gymnax and rejax are in test_gymnax_client.py.
"""

import gymnasium
import numpy as np
import pytest

import draingym  # noqa: F401  (registers the environments)
from draingym.registration import IDS, ZOO
from tests.draingym.sizes import SMALL

# Those of the zoo take minutes together: `make test-clients ARGS="-m long"`.
EVERY = [
    pytest.param(id, marks=pytest.mark.long) if name in ZOO else id for name, id in IDS.items()
]
OPTIONS = {"symmetric_actions": True, "scaled": True}
# Spaces that hold more than learners count on, and what PettingZoo says of a missing `render`.
pytestmark = [pytest.mark.clients, pytest.mark.filterwarnings("ignore")]


def one(id, **options):
    return gymnasium.make(id, **SMALL.get(id, {"horizon": 8}), **OPTIONS, **options)


def many(id, **options):
    return gymnasium.make_vec(id, 3, **SMALL.get(id, {"horizon": 8}), **OPTIONS, **options)


def stable_baselines3(id, tmp_path):
    from stable_baselines3 import PPO

    from draingym.adapters import StableBaselinesVecEnv

    for env in (one(id), StableBaselinesVecEnv(many(id, autoreset_mode="SameStep"))):
        PPO("MlpPolicy", env, n_steps=10, batch_size=10, n_epochs=1, device="cpu").learn(20)


def cleanrl(id, tmp_path):
    """The wrappers of its PPO for continuous actions."""
    wrappers = gymnasium.wrappers

    def make():
        env = wrappers.RecordEpisodeStatistics(wrappers.FlattenObservation(one(id)))
        env = wrappers.NormalizeObservation(wrappers.ClipAction(env))
        env = wrappers.TransformObservation(env, lambda seen: np.clip(seen, -10, 10), None)
        return wrappers.NormalizeReward(env, gamma=0.99)

    loop(gymnasium.vector.SyncVectorEnv([make] * 2))
    loop(wrappers.vector.RecordEpisodeStatistics(many(id)))


def loop(envs):
    envs.reset(seed=0)
    for _ in range(10):
        seen, rewards, *_ = envs.step(envs.action_space.sample())
        assert np.isfinite(seen).all()
        assert np.isfinite(rewards).all()


def skrl(id, tmp_path):
    import torch
    from skrl.envs.wrappers.torch import wrap_env

    env = wrap_env(many(id))
    env.reset()
    for _ in range(10):
        actions = np.stack([env.action_space.sample() for _ in range(env.num_envs)])
        seen, reward, *_ = env.step(torch.as_tensor(actions, device=env.device))
        env.render()
    assert seen.isfinite().all()
    assert reward.isfinite().all()


def torchrl(id, tmp_path):
    from torchrl.envs import GymWrapper, check_env_specs

    env = GymWrapper(one(id))
    check_env_specs(env)
    assert env.rollout(20).batch_size == (8,)


def tianshou(id, tmp_path):
    from tianshou.env import DummyVectorEnv

    envs = DummyVectorEnv([lambda: one(id)] * 2)
    assert len(envs) == 2
    envs.reset()
    actions = np.stack([space.sample() for space in envs.action_space])
    seen, reward, *_ = envs.step(actions)
    assert np.isfinite(reward).all()
    assert np.isfinite(seen).all()


def pettingzoo(id, tmp_path):
    from pettingzoo.test import parallel_api_test

    from draingym.adapters import NodeAgents

    parallel_api_test(NodeAgents(one(id)), num_cycles=20)


def minari(id, tmp_path):
    from minari import DataCollector

    from draingym.adapters import collect, to_minari

    env = many(id, info=True)
    dataset = to_minari("draingym/vector-v0", collect(env, episodes=4), env)
    assert dataset.total_steps == 4 * 8
    collector = DataCollector(one(id), record_infos=True)
    collector.reset(seed=0)
    for _ in range(8):
        collector.step(collector.action_space.sample())
    assert collector.create_dataset("draingym/single-v0").total_steps == 8
    collector.close()


@pytest.mark.parametrize("id", EVERY)
@pytest.mark.parametrize(
    "library", [stable_baselines3, cleanrl, skrl, torchrl, tianshou, pettingzoo, minari]
)
def test_a_library_runs_on_an_id(library, id, tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    library(id, tmp_path)
