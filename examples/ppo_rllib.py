"""RLlib's PPO on an environment as it is, by its id: `python FILE`."""

import ray
import torch
from ray.rllib.algorithms.ppo import PPOConfig


def train(iterations=20, periods=2048, id="draingym:draingym/SingleStore-v0", seed=0, **options):
    """Return the mean cost of an episode by iteration, in currency."""
    torch.set_num_threads(1)  # the networks are small
    ray.init(num_cpus=1, include_dashboard=False, ignore_reinit_error=True)
    config = (
        PPOConfig()
        # The prefix has draingym imported wherever RLlib makes the environment.
        .environment(id, env_config={"scaled": True, **options})
        .env_runners(num_env_runners=0, num_envs_per_env_runner=4)  # in this process
        .training(
            train_batch_size_per_learner=periods,
            minibatch_size=periods // 8,
            num_epochs=8,
            lr=1e-3,
            gamma=0.95,
        )
        .debugging(seed=seed)
    )
    algorithm = config.build_algo()
    returns = [algorithm.train()["env_runners"]["episode_return_mean"] for _ in range(iterations)]
    money = algorithm.env_runner.env.unwrapped.envs[0].unwrapped.functional.scales.money
    algorithm.stop()
    return [-money * value for value in returns]  # scaled rewards, back in currency


if __name__ == "__main__":
    costs = train()
    print(f"mean cost of an episode: {costs[0]:,.0f} at first, {costs[-1]:,.0f} at the end")
