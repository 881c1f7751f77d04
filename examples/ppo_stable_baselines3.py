"""Stable-Baselines3's PPO on the vector environment: `python FILE`; a single one needs no adapter.

Stable-Baselines3 has vector environments of its own kind; `Vectorised` turns ours into one.
"""

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv, VecMonitor, VecNormalize


class Vectorised(VecEnv):
    """An `InventoryVectorEnv` in SAME_STEP mode as a `VecEnv`: one jitted call a step for all."""

    def __init__(self, env):
        """Wrap an environment."""
        self.env, self.actions = env, None
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self):
        seeds = self._seeds if any(seed is not None for seed in self._seeds) else None
        observation, self.reset_infos = self.env.reset(seed=seeds)[0], [{}] * self.num_envs
        self._reset_seeds()
        return observation

    def step_async(self, actions):
        self.actions = actions

    def step_wait(self):
        observation, reward, terminated, truncated, info = self.env.step(self.actions)
        done, infos = terminated | truncated, [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(done):
            infos[i]["terminal_observation"] = info["final_obs"][i]
            infos[i]["TimeLimit.truncated"] = bool(truncated[i] and not terminated[i])
        return observation, reward.astype(np.float32), done, infos

    def close(self):
        self.env.close()

    def get_attr(self, attr_name, indices=None):
        return [getattr(self.env, attr_name, None)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name, value, indices=None):
        raise NotImplementedError("trajectories have no attributes of their own")

    def env_method(self, method_name, *args, indices=None, **kwargs):
        raise NotImplementedError("trajectories have no methods of their own")

    def env_is_wrapped(self, wrapper_class, indices=None):
        return [False] * len(list(self._get_indices(indices)))


def train(steps=150_000, num_envs=64, seed=0, **options):
    """Return the model and the mean return of the last hundred episodes."""
    torch.set_num_threads(1)  # the networks are small
    env = gymnasium.make_vec(
        "draingym:draingym/SingleStore-v0",
        num_envs=num_envs,
        autoreset_mode="SameStep",
        symmetric_actions=True,
        **options,
    )
    venv = VecNormalize(VecMonitor(Vectorised(env)), gamma=0.95)
    model = PPO(
        "MlpPolicy",
        venv,
        n_steps=32,
        batch_size=num_envs * 8,
        n_epochs=4,
        gamma=0.95,
        learning_rate=1e-3,
        policy_kwargs={"log_std_init": -1.0},
        seed=seed,
        device="cpu",
    )
    model.learn(steps)
    return model, float(np.mean([episode["r"] for episode in model.ep_info_buffer]))


if __name__ == "__main__":
    _, value = train()
    print(f"mean return of the last 100 episodes: {value:,.0f}")
