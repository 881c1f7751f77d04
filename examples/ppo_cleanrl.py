"""PPO in one file on the vector environment, in the style of CleanRL and PyTorch: `python FILE`."""

import time

import gymnasium
import numpy as np
import torch
from torch import nn
from torch.distributions import Normal

ENVS, STEPS, EPOCHS, BATCHES = 64, 32, 4, 4
GAMMA, LAMBDA, CLIP, ENTROPY = 0.95, 0.95, 0.2, 1e-3


def layer(inputs, outputs, gain=2**0.5):
    """Return a linear layer with orthogonal weights."""
    made = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(made.weight, gain)
    nn.init.zeros_(made.bias)
    return made


class Agent(nn.Module):
    """A value, and a Gaussian distribution of actions, from what is seen."""

    def __init__(self, inputs, actions):
        """Build two small networks."""
        super().__init__()
        self.critic = nn.Sequential(layer(inputs, 64), nn.Tanh(), layer(64, 1, 1.0))
        self.actor = nn.Sequential(layer(inputs, 64), nn.Tanh(), layer(64, actions, 0.01))
        self.spread = nn.Parameter(torch.full((actions,), -1.0))

    def value(self, seen):
        return self.critic(seen)[..., 0]

    def policy(self, seen):
        return Normal(self.actor(seen), self.spread.exp())


def train(updates=60, learning_rate=1e-3, seed=0, **options):
    """Return the agent and the cost a period of every update."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)  # the networks are small
    envs = gymnasium.make_vec(
        "draingym:draingym/SingleStore-v0",
        num_envs=ENVS,
        autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP,
        symmetric_actions=True,
        scaled=True,  # to order of one
        **options,
    )
    agent = Agent(envs.single_observation_space.shape[0], envs.single_action_space.shape[0])
    optimizer = torch.optim.Adam(agent.parameters(), lr=learning_rate, eps=1e-5)
    seen, _ = envs.reset(seed=seed)
    seen, costs = torch.as_tensor(seen), []
    for update in range(updates):
        optimizer.param_groups[0]["lr"] = learning_rate * (1 - update / updates)
        rows, cost = [], 0.0
        with torch.no_grad():
            for _ in range(STEPS):
                distribution = agent.policy(seen)
                action = distribution.sample()
                after, reward, _, truncated, info = envs.step(action.numpy())  # clips
                gain = torch.as_tensor(reward, dtype=torch.float32)
                if truncated.any():  # an episode that only ran out of time goes on beyond its end
                    final = torch.as_tensor(np.stack(info["final_obs"][truncated]))
                    gain[torch.as_tensor(truncated)] += GAMMA * agent.value(final)
                done = torch.as_tensor(truncated, dtype=torch.float32)
                log_prob = distribution.log_prob(action).sum(-1)
                rows.append((seen, action, log_prob, agent.value(seen), gain, done))
                cost -= reward.mean() / STEPS * envs.functional.scales.money  # in currency
                seen = torch.as_tensor(after)
            views, actions, old, values, gains, done = map(torch.stack, zip(*rows, strict=True))
            advantages, later, following = torch.zeros_like(gains), 0.0, agent.value(seen)
            for t in reversed(range(STEPS)):
                delta = gains[t] + GAMMA * following * (1 - done[t]) - values[t]
                advantages[t] = later = delta + GAMMA * LAMBDA * (1 - done[t]) * later
                following = values[t]
        costs.append(cost)
        data = [x.flatten(0, 1) for x in (views, actions, old, advantages, advantages + values)]
        for _ in range(EPOCHS):
            for part in torch.randperm(ENVS * STEPS).chunk(BATCHES):
                view, action, before, advantage, target = (x[part] for x in data)
                distribution = agent.policy(view)
                ratio = (distribution.log_prob(action).sum(-1) - before).exp()
                advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
                clipped = ratio.clamp(1 - CLIP, 1 + CLIP)
                loss = -torch.minimum(ratio * advantage, clipped * advantage).mean()
                loss = loss + 0.5 * (agent.value(view) - target).square().mean()
                loss = loss - ENTROPY * agent.spread.sum()
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
                optimizer.step()
    envs.close()
    return agent, costs


if __name__ == "__main__":
    began = time.perf_counter()
    _, costs = train(updates=150)
    for i in (0, 10, 30, 60, 100, 149):
        print(f"update {i:3d}   cost a period {costs[i]:8.2f}")
    print(f"{150 * ENVS * STEPS:,} steps in {time.perf_counter() - began:.0f} s")
