"""ARMDN: an associative layer, a recurrent layer, and a mixture density at every period.

Source: paper on ARMDN, "Associative and Recurrent Mixture Density Networks for eRetail Demand
Forecasting", section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float
from numpy.typing import NDArray

from draingym.common.arrays import require_range, require_whole
from draingym.common.config import require_fields
from draingym.forecasters.data.encoding import ID, Layout
from draingym.forecasters.data.windows import Batch
from draingym.forecasters.grouping import Groups
from draingym.forecasters.mixture import Mixture
from draingym.forecasters.training.model import ModelDefaults

Carry = tuple[Float[Array, "B D"], Float[Array, "B D"]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ARMDN(ModelDefaults):
    """The settings of an ARMDN.

    Three of them leave a part of the network out, as the paper's ablations do:
    ``associative=False`` is RMDN, ``recurrent=False`` AMDN, and ``mixtures=1`` a single Gaussian.

    Raises:
        ValueError: If a value is out of its bounds.
    """

    horizon: int = 8  # periods that are forecast
    context: int = 64  # periods before the origin that the recurrent layer runs over
    width: int = 64  # of the associative and of the recurrent layer
    embedding: int = 8  # width of each label's embedding, at most
    mixtures: int = 10
    associative: bool = True
    recurrent: bool = True
    product: bool = True  # embed the series' own id, as a product's latent factors
    dropout: float = 0.5  # after the associative layer
    low: float = 1e-3  # bounds of a component's deviation, over the series' scale
    high: float = 1e3

    def __post_init__(self) -> None:
        """Check types and bounds; see the class."""
        require_fields(self, "armdn")
        for name in ("horizon", "context", "width", "embedding", "mixtures"):
            require_whole(f"armdn.{name}", getattr(self, name), low=1)
        require_range("armdn.dropout", self.dropout, low=0.0, high=1.0, open_high=True)
        require_range("armdn.low", self.low, low=0.0, open_low=True)
        require_range("armdn.high", self.high, low=self.low, open_low=True)
        if not (self.associative or self.recurrent):
            raise ValueError("armdn.associative and armdn.recurrent are False, one must be True")

    def network(self, layout: Layout, rngs: nnx.Rngs) -> MixtureNetwork:
        """Return its network."""
        return MixtureNetwork(self, layout, rngs)

    def initial(
        self, name: str, shape: tuple[int, ...], random: np.random.Generator
    ) -> NDArray[Any] | None:
        """Return a weight's first value: components apart from each other, else the rule."""
        if name != "head/bias":
            return None
        weight, deviation = np.zeros(self.mixtures), np.zeros(self.mixtures)
        mean = np.ones(1) if self.mixtures == 1 else np.linspace(0.0, 2.0, self.mixtures)
        return np.concatenate([weight, mean, deviation - 0.7])

    def loss(
        self, network: MixtureNetwork, batch: Batch, key: Array | None, stage: int
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Return the sum of negative log densities of what was observed, over the scale.

        Every period of a window counts in training; those of the horizon alone at validation. What
        was observed a period before is an input throughout (teacher forcing).

        Source: paper on ARMDN, equation 9.
        """
        del stage
        scale = batch.scale[:, None]
        y = jnp.concatenate([batch.target, batch.future_target], axis=1) / scale
        counts = jnp.concatenate([batch.observed, batch.future_observed], axis=1)
        last = jnp.concatenate([batch.filled / scale, jnp.zeros_like(batch.future_target)], axis=1)
        last = _carried_on(last, y, counts, batch.context)
        if key is None:
            counts &= (jnp.arange(y.shape[1]) >= batch.context)[None, :]
        factors = network.factors(batch, key)
        mixture, _ = network.run(network.start(batch), factors, _shifted(last))
        loss = jnp.where(counts, -mixture.log_density(y), 0.0)
        return loss.sum(), counts.sum().astype(loss.dtype)

    def point(self, network: MixtureNetwork, batch: Batch) -> None:
        """The mean of the samples is the point."""
        del network, batch

    def samples(
        self,
        network: MixtureNetwork,
        batch: Batch,
        keys: Array,
        residuals: Float[Array, "R H"],
        number: int,
    ) -> Float[Array, "B N H"]:
        """Return sample paths: each period's draw is the next period's last demand."""
        del residuals
        context = batch.context
        factors = network.factors(batch, None)  # [B, L + H, E]
        last = batch.filled / batch.scale[:, None]
        before, carry = _shifted(last), network.start(batch)
        # The last period before the origin is an input of the first after it.
        _, carry = network.run(carry, factors[:, :context], before)
        rows = batch.target.shape[0]

        def many(x: Array) -> Array:
            return jnp.repeat(x, number, axis=0)

        def step(state: tuple[Carry, Array], now: tuple[Array, Array]) -> tuple[Any, Array]:
            carry, y = state
            ahead, t = now
            mixture, carry = network.run(carry, many(ahead)[:, None], y[:, None])
            parts = jax.tree.map(lambda x: x[:, 0].reshape(rows, number, -1), mixture)
            drawn = jax.vmap(lambda k, m: m.sample(jax.random.fold_in(k, t)))(keys, parts)
            drawn = jnp.maximum(drawn, 0.0) if network.nonnegative else drawn
            return (carry, drawn.reshape(-1)), drawn

        begin = (jax.tree.map(many, carry), many(last[:, -1]))
        ahead = jnp.swapaxes(factors[:, context:], 0, 1)
        _, drawn = jax.lax.scan(step, begin, (ahead, jnp.arange(ahead.shape[0])))
        return jnp.moveaxis(drawn, 0, 2) * batch.scale[:, None, None]


class MixtureNetwork(nnx.Module):
    """Embeddings and numbers, dense with ELU, LSTM with the last demand, mixture."""

    def __init__(self, model: ARMDN, layout: Layout, rngs: nnx.Rngs) -> None:
        """Draw the weights."""
        self.nonnegative, self.dropout = layout.nonnegative, model.dropout
        self.low, self.high = model.low, model.high
        self.which = tuple(
            i for i, (name, _) in enumerate(layout.labels) if name != ID or model.product
        )
        sizes = [layout.labels[i][1] for i in self.which]
        widths = [min(model.embedding, 1 + n // 2) for n in sizes]
        self.labels = nnx.List(
            [nnx.Embed(n + 1, w, rngs=rngs) for n, w in zip(sizes, widths, strict=True)]
        )
        known = [n for _, n in layout.known_labels]
        known_widths = [min(model.embedding, 1 + n // 2) for n in known]
        self.known_labels = nnx.List(
            [nnx.Embed(n + 1, w, rngs=rngs) for n, w in zip(known, known_widths, strict=True)]
        )
        # One more: whether the series has begun.
        inputs = 1 + len(layout.static) + len(layout.known) + len(layout.calendar)
        inputs += sum(widths) + sum(known_widths)
        self.associative = nnx.Linear(inputs, model.width, rngs=rngs) if model.associative else None
        factors = model.width if model.associative else inputs
        self.recurrent = (
            nnx.OptimizedLSTMCell(factors + 1, model.width, rngs=rngs) if model.recurrent else None
        )
        hidden = model.width if model.recurrent else factors
        self.width = model.width
        self.head = nnx.Linear(hidden, 3 * model.mixtures, rngs=rngs)

    def factors(self, batch: Batch, key: Array | None) -> Float[Array, "B L+H E"]:
        """Return what the associative layer makes of every period, on its own.

        Columns that are known only once a period is over take no part: a forecast has none.
        """
        length = batch.context + batch.horizon

        def throughout(x: Float[Array, "B F"]) -> Float[Array, "B L+H F"]:
            return jnp.broadcast_to(x[:, None], (x.shape[0], length, x.shape[1]))

        ahead = jnp.ones((batch.begun.shape[0], batch.horizon), bool)
        begun = jnp.concatenate([batch.begun, ahead], axis=1)[..., None]
        parts = [begun.astype(jnp.float32), batch.known, batch.calendar, throughout(batch.static)]
        parts += [
            throughout(embed(batch.labels[:, i]))
            for i, embed in zip(self.which, self.labels, strict=True)
        ]
        parts += [embed(batch.known_labels[..., j]) for j, embed in enumerate(self.known_labels)]
        x = jnp.concatenate(parts, axis=-1)
        if self.associative is not None:
            x = jax.nn.elu(self.associative(x))
        if key is not None and self.dropout > 0:
            kept = jax.random.bernoulli(key, 1.0 - self.dropout, x.shape)
            x = jnp.where(kept, x / (1.0 - self.dropout), 0.0)
        return x

    def start(self, batch: Batch) -> Carry:
        """Return the recurrent layer's state before the first period."""
        zero = jnp.zeros((batch.target.shape[0], self.width))
        return zero, zero

    def run(
        self, carry: Carry, factors: Float[Array, "B T E"], last: Float[Array, "B T"]
    ) -> tuple[Mixture, Carry]:
        """Return the mixture of every period, and the state after the last.

        Args:
            carry: The state before.
            factors: Of the associative layer.
            last: Demand of the period before each, over the scale.
        """
        hidden = factors
        if self.recurrent is not None:
            x = jnp.concatenate([factors, last[..., None]], axis=-1)
            carry, out = jax.lax.scan(self.recurrent, carry, jnp.swapaxes(x, 0, 1))
            hidden = jnp.swapaxes(out, 0, 1)
        return Mixture.of(self.head(hidden), self.low, self.high), carry


def _shifted(values: Float[Array, "B T"]) -> Float[Array, "B T"]:
    """Return the value of the period before; 0 before the first."""
    return jnp.pad(values[:, :-1], ((0, 0), (1, 0)))


def _carried_on(
    last: Float[Array, "B T"], y: Float[Array, "B T"], there: Array, context: int
) -> Float[Array, "B T"]:
    """Return values with the horizon's, the last one where missing."""

    def step(before: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        value = jnp.where(now[1], now[0], before)
        return value, value

    ahead = (jnp.swapaxes(y[:, context:], 0, 1), jnp.swapaxes(there[:, context:], 0, 1))
    _, found = jax.lax.scan(step, last[:, context - 1], ahead)
    return jnp.concatenate([last[:, :context], jnp.swapaxes(found, 0, 1)], axis=1)


def verticals(column: str) -> Groups:
    """Return groups by a label, such as a product's vertical, that a joint network is tuned to.

    Source: paper on ARMDN, section 3.3.

    Example:
        >>> verticals("vertical").use
        'fine-tune'
    """
    return Groups(kind="label", use="fine-tune", column=column)
