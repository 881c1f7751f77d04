"""RLlib's PPO on our environments, by their ids: `make test-rllib`.

Ray needs an older Gymnasium than the lock has, so it has an environment of its own.
"""

import runpy
from pathlib import Path

import numpy as np
import pytest

from draingym.registration import IDS, ZOO
from tests.draingym.sizes import SMALL

EXAMPLE = Path(__file__).parents[2] / "examples" / "ppo_rllib.py"
# Those of the zoo take minutes together: `make test-rllib ARGS="-m long"`.
EVERY = [
    pytest.param(id, marks=pytest.mark.long) if name in ZOO else id for name, id in IDS.items()
]
# Ray warns of its own deprecations, and of files that it leaves open.
pytestmark = [pytest.mark.clients, pytest.mark.filterwarnings("ignore")]


def test_the_script_lowers_the_cost():
    import ray

    costs = runpy.run_path(str(EXAMPLE))["train"](iterations=8, periods=1024, horizon=32)
    ray.shutdown()
    assert np.isfinite(costs).all()
    assert costs[-1] < 0.4 * costs[0]


@pytest.mark.parametrize("id", EVERY)
def test_rllib_runs_on_an_id(id):
    """What plays in RLlib and what learns, in this process: Ray's own are for more of them."""
    import torch
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.rllib.core.learner.training_data import TrainingData
    from ray.rllib.env.single_agent_env_runner import SingleAgentEnvRunner

    torch.set_num_threads(1)
    options = {"scaled": True, **SMALL.get(id, {"horizon": 8})}
    config = PPOConfig().environment(f"draingym:{id}", env_config=options)
    config = config.env_runners(num_env_runners=0, num_envs_per_env_runner=2)
    runner = SingleAgentEnvRunner(config=config)
    episodes = runner.sample(num_timesteps=32)
    assert [len(episode) for episode in episodes] == [8] * 4
    assert all(np.isfinite(episode.get_rewards()).all() for episode in episodes)
    learner = config.build_learner(env=runner.env)
    played = TrainingData(episodes=episodes)
    found = learner.update(training_data=played, num_epochs=1, minibatch_size=16)
    assert np.isfinite(float(found["default_policy"]["total_loss"]))
