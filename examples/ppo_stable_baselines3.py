"""Stable-Baselines3's PPO on the vector environment: `python FILE`; a single one needs no adapter.

Stable-Baselines3 has vector environments of its own kind; the adapter turns ours into one.
"""

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecMonitor

from draingym.adapters import StableBaselinesVecEnv


def train(steps=150_000, num_envs=64, seed=0, **options):
    """Return the model and the mean return of the last hundred episodes."""
    torch.set_num_threads(1)  # the networks are small
    env = gymnasium.make_vec(
        "draingym:draingym/SingleStore-v0",
        num_envs=num_envs,
        autoreset_mode="SameStep",
        symmetric_actions=True,
        scaled=True,
        **options,
    )
    venv = VecMonitor(StableBaselinesVecEnv(env))
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
    money = env.functional.scales.money  # currency, of a reward of 1
    return model, money * float(np.mean([episode["r"] for episode in model.ep_info_buffer]))


if __name__ == "__main__":
    _, value = train()
    print(f"mean return of the last 100 episodes: {value:,.0f}")
