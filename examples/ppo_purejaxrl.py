"""PPO that lives inside one jitted function, in the style of PureJaxRL: `python FILE`.

A store orders for a lead time of one period. Acting, the store, and learning are one compiled
program; `jax.vmap(train)` would train many seeds at once.
"""

import time

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

import draingym

ENVS, STEPS, EPOCHS, BATCHES = 64, 32, 4, 4
GAMMA, LAMBDA, CLIP, ENTROPY = 0.95, 0.95, 0.2, 1e-3


class ActorCritic(nn.Module):
    """The mean and log spread of a Gaussian distribution of actions, and a value."""

    actions: int

    @nn.compact
    def __call__(self, x):
        a, v = (nn.tanh(nn.Dense(64, kernel_init=nn.initializers.orthogonal(1.4))(x)) for _ in "av")
        a = nn.Dense(self.actions, kernel_init=nn.initializers.orthogonal(0.01))(a)
        spread = self.param("spread", nn.initializers.constant(-1.0), (self.actions,))
        return a, jnp.broadcast_to(spread, a.shape), nn.Dense(1)(v)[..., 0]


def log_prob(action, mean, spread):
    """Return the log density of an action."""
    return (-0.5 * ((action - mean) / jnp.exp(spread)) ** 2 - spread - 0.919).sum(-1)


def make_train(
    updates=100, learning_rate=1e-3, episodes=256, id="draingym:draingym/SingleStore-v0", **options
):
    """Return `train(key) -> (parameters, cost a period of every update)`."""
    env, _ = draingym.make_gymnax(
        id,
        episodes=1,
        symmetric_actions=True,
        scaled=True,  # to order of one
        **options,
    )
    money = env.functional.scales.money  # currency, of a reward of 1
    network = ActorCritic(env.num_actions)
    schedule = optax.linear_schedule(learning_rate, 0.0, updates * EPOCHS * BATCHES)
    optimizer = optax.chain(optax.clip_by_global_norm(0.5), optax.adam(schedule, eps=1e-5))

    def train(key):
        key_net, key_draw, key_reset, key_run = jax.random.split(key, 4)
        env_params = env.draw_params(key_draw, episodes)  # the episodes that resets choose from
        keys = jax.random.split(key_reset, ENVS)
        seen, state = jax.vmap(env.reset, in_axes=(0, None))(keys, env_params)
        weights = network.init(key_net, seen)

        def act(carry, key):
            weights, seen, state = carry
            key_act, key_step = jax.random.split(key)
            mean, spread, value = network.apply(weights, seen)
            action = mean + jnp.exp(spread) * jax.random.normal(key_act, mean.shape)
            keys = jax.random.split(key_step, ENVS)
            after, state, reward, done, info = jax.vmap(env.step, in_axes=(0, 0, 0, None))(
                keys, state, action, env_params
            )
            # An episode that only ran out of time goes on beyond its end.
            beyond = network.apply(weights, info["final_obs"])[2] * info["truncated"]
            gain = reward + GAMMA * beyond
            row = (seen, action, log_prob(action, mean, spread), value, gain, done)
            return (weights, after, state), (row, reward)

        def advantage(carry, row):
            later, next_value = carry
            value, gain, done = row
            delta = gain + GAMMA * next_value * (1 - done) - value
            later = delta + GAMMA * LAMBDA * (1 - done) * later
            return (later, value), later

        def loss(weights, batch):
            seen, action, old, advantages, targets = batch
            mean, spread, value = network.apply(weights, seen)
            ratio = jnp.exp(log_prob(action, mean, spread) - old)
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
            clipped = jnp.clip(ratio, 1 - CLIP, 1 + CLIP)
            actor = -jnp.minimum(ratio * advantages, clipped * advantages).mean()
            return actor + 0.5 * ((value - targets) ** 2).mean() - ENTROPY * spread.mean(0).sum()

        def learn(carry, batch):
            weights, memory = carry
            change, memory = optimizer.update(jax.grad(loss)(weights, batch), memory)
            return (optax.apply_updates(weights, change), memory), None

        def update(carry, key):
            weights, memory, seen, state = carry
            key_act, key_learn = jax.random.split(key)
            (_, seen, state), (rows, reward) = jax.lax.scan(
                act, (weights, seen, state), jax.random.split(key_act, STEPS)
            )
            views, action, old, value, gain, done = rows
            last = network.apply(weights, seen)[2]
            _, adv = jax.lax.scan(
                advantage, (jnp.zeros(ENVS), last), (value, gain, done.astype(float)), reverse=True
            )
            data = (views, action, old, adv, adv + value)
            data = jax.tree.map(lambda x: x.reshape(ENVS * STEPS, *x.shape[2:]), data)
            order = jax.vmap(lambda k: jax.random.permutation(k, ENVS * STEPS))(
                jax.random.split(key_learn, EPOCHS)
            ).reshape(EPOCHS * BATCHES, -1)
            batches = jax.tree.map(lambda x: x[order], data)
            (weights, memory), _ = jax.lax.scan(learn, (weights, memory), batches)
            return (weights, memory, seen, state), -money * reward.mean()

        start = (weights, optimizer.init(weights), seen, state)
        (weights, *_), cost = jax.lax.scan(update, start, jax.random.split(key_run, updates))
        return weights, cost

    return train


if __name__ == "__main__":
    began = time.perf_counter()
    _, cost = jax.jit(make_train(updates=150))(jax.random.key(0))
    for i in (0, 10, 30, 60, 100, 149):
        print(f"update {i:3d}   cost a period {cost[i]:8.2f}")
    print(f"{150 * ENVS * STEPS:,} steps in {time.perf_counter() - began:.0f} s")
