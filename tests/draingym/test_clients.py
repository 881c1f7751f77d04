"""Learners and wrappers written for Gymnasium, Stable-Baselines3 and gymnax work with us."""

import runpy
from pathlib import Path

import gymnasium
import jax
import numpy as np
import pytest

import draingym  # noqa: F401  (registers the environments)
from draingym.registration import IDS
from tests.draingym.sizes import SMALL

EXAMPLES = Path(__file__).parents[2] / "examples"
ID = "draingym/SingleStore-v0"


def example(name):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


@pytest.mark.slow
def test_the_purejaxrl_style_script_lowers_the_cost():
    train = example("ppo_purejaxrl")["make_train"](updates=40, episodes=64, horizon=32)
    _, cost = jax.jit(train)(jax.random.key(0))
    assert np.isfinite(cost).all()
    assert float(cost[-5:].mean()) < 0.25 * float(cost[:5].mean())


@pytest.mark.long
@pytest.mark.parametrize("id", [id for id in IDS.values() if id != ID])
def test_the_purejaxrl_style_script_runs_on_an_id(id):
    options = SMALL.get(id, {"horizon": 8})
    train = example("ppo_purejaxrl")["make_train"](updates=2, episodes=8, id=id, **options)
    _, cost = jax.jit(train)(jax.random.key(0))
    assert np.isfinite(cost).all()


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


@pytest.mark.clients
@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_gymnasiums_conversion_of_jax_arrays(mode):
    env = gymnasium.wrappers.vector.JaxToNumpy(
        gymnasium.make_vec(
            ID, 3, horizon=5, autoreset_mode=mode, to_numpy=False, info=True, observation="dict"
        )
    )
    env.reset(seed=0)
    for _ in range(6):
        observation, _, _, truncated, infos = env.step(np.full((3, 1), 0.2, np.float32))
        assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves((observation, infos)))
        if truncated.any() and mode == "Disabled":
            env.reset(options={"reset_mask": truncated})


@pytest.mark.clients
def test_stable_baselines3_takes_attributes_and_refuses_what_it_cannot_use():
    from draingym.adapters import StableBaselinesVecEnv

    venv = StableBaselinesVecEnv(
        gymnasium.make_vec(ID, 3, horizon=5, autoreset_mode="SameStep", render_mode="rgb_array")
    )
    venv.seed(4)
    venv.reset()
    assert venv.get_attr("np_random_seed") == [4, 5, 6]
    venv.set_attr("colour", "red", indices=1)
    assert venv.get_attr("colour") == [None, "red", None]
    assert not venv.has_attr("shade")
    assert venv.env_method("has_wrapper_attr", "functional", indices=[0, 2]) == [True, True]
    assert venv.env_is_wrapped(gymnasium.Wrapper) == [False] * 3
    assert len(venv.get_images()) == 3
    with pytest.raises(ValueError, match=r"env is in mode NextStep .* must be in SameStep"):
        StableBaselinesVecEnv(gymnasium.make_vec(ID, 2))
    with pytest.raises(ValueError, match=r"what gymnasium\.make_vec makes of an id of"):
        StableBaselinesVecEnv(gymnasium.make(ID))


@pytest.mark.clients
@pytest.mark.parametrize("observation", ["own", "all"])
def test_pettingzoo_has_an_agent_a_node(observation):
    from pettingzoo.test import parallel_api_test

    from draingym.adapters import NodeAgents

    single, other = (gymnasium.make("draingym/Serial-v0", horizon=8) for _ in range(2))
    agents = NodeAgents(other, observation=observation)
    parallel_api_test(agents, num_cycles=20)
    seen, _ = agents.reset(seed=3)
    whole, _ = single.reset(seed=3)
    names = single.unwrapped.observation_names
    assert list(seen) == ["node_0", "node_1", "node_2", "node_3"]
    assert (
        seen["node_2"][0] == whole[names.index("on_hand[2]" if observation == "own" else names[0])]
    )
    actions = {name: np.full(1, 0.1 * i, np.float32) for i, name in enumerate(seen)}
    _, rewards, _, truncated, _ = agents.step(actions)
    _, reward, *_ = single.step(np.arange(4, dtype=np.float32) * np.float32(0.1))
    assert set(rewards.values()) == {reward}
    assert not any(truncated.values())
    with pytest.raises(ValueError, match=r"actions has \['node_0'\], must have one for each of"):
        agents.step({"node_0": actions["node_0"]})


@pytest.mark.clients
def test_a_discount_has_an_agent_of_its_own():
    from draingym.adapters import NodeAgents

    options = {"horizon": 8, "num_nodes": 2, "num_regions": 6}
    agents = NodeAgents(gymnasium.make("draingym/Pricing-v0", **options))
    assert agents.possible_agents == ["node_0", "node_1", "node_2", "price"]
    assert agents.observation_space("price").shape > agents.observation_space("node_1").shape


@pytest.mark.clients
@pytest.mark.filterwarnings("ignore::UserWarning")  # it wants an author, and a link to code
def test_minari_holds_what_was_collected(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    from draingym.adapters import collect, to_minari

    env = gymnasium.make_vec(ID, 4, horizon=5, info=True)
    episodes = collect(env, episodes=6, seed=3)
    dataset = to_minari("draingym/store/random-v0", episodes, env)
    assert (dataset.total_episodes, dataset.total_steps) == (6, 30)
    assert dataset.action_space == env.single_action_space
    one = gymnasium.make(ID, horizon=5)
    for kept, ours in zip(dataset.iterate_episodes(), episodes, strict=True):
        seen, _ = one.reset(seed=ours.seed)
        for t in range(5):
            np.testing.assert_allclose(kept.observations[t], seen, rtol=1e-5, atol=1e-5)
            seen, reward, _, truncated, info = one.step(ours.actions[t])
            assert kept.rewards[t] == pytest.approx(reward, rel=1e-5)
            np.testing.assert_allclose(kept.infos["stowed"][t + 1], info["stowed"], rtol=1e-5)
        assert kept.truncations[-1] == truncated


@pytest.mark.clients
@pytest.mark.filterwarnings("ignore::UserWarning")  # it wants an author, and a link to code
def test_minari_collects_by_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    import minari

    env = minari.DataCollector(gymnasium.make(ID, horizon=5), record_infos=True)
    for seed in range(2):
        env.reset(seed=seed)
        for _ in range(5):
            env.step(env.action_space.sample())
    dataset = env.create_dataset("draingym/store/own-v0")
    env.close()
    assert dataset.total_steps == 10


@pytest.mark.clients
def test_skrl_takes_vectors():
    pytest.importorskip("skrl")
    from skrl.envs.wrappers.torch import wrap_env

    env = wrap_env(gymnasium.make_vec(ID, 3, horizon=5, symmetric_actions=True, scaled=True))
    env.reset()
    for _ in range(7):
        seen, reward, *_ = env.step(torch_actions(env))
        assert env.render() == (None, None, None)
    assert seen.shape == (3, env.observation_space.shape[0])
    assert reward.shape == (3, 1)


def torch_actions(env):
    import torch

    return torch.as_tensor(np.stack([env.action_space.sample() for _ in range(env.num_envs)]))


@pytest.mark.clients
def test_torchrl_takes_single_environments():
    pytest.importorskip("torchrl")
    from torchrl.envs import GymWrapper, check_env_specs

    env = GymWrapper(gymnasium.make(ID, horizon=5, scaled=True))
    check_env_specs(env)
    assert env.rollout(9).batch_size == (5,)


def test_a_version_that_is_not_tested_is_named(monkeypatch):
    from draingym.adapters import versions

    monkeypatch.setattr(versions, "version", lambda name: "1.8.0")
    with pytest.raises(
        ImportError,
        match=r"stable-baselines3 is 1.8.0, must be in \[2.7, 3\): pip install .stable-base",
    ):
        versions.require_tested("stable-baselines3")
    with pytest.raises(ImportError, match=r"pip install --no-deps 'd3rlpy>=2.8,<3'"):
        versions.require_tested("d3rlpy")  # it would bring another Gymnasium
    monkeypatch.undo()
    monkeypatch.setattr(versions, "TESTED", {"no-such-package": ("1", "2")})
    with pytest.raises(ImportError, match="no-such-package is not installed: pip install 'no-such"):
        versions.require_tested("no-such-package")
