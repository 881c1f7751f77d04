"""What a fitted TFT-MTL says besides sales, and what drove it: tables of weights and attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy.typing import NDArray

from draingym.common.arrays import BoolArray, FloatArray
from draingym.forecasters.data.grid import Times
from draingym.forecasters.data.windows import Batch
from draingym.forecasters.fitted import Fitted
from draingym.forecasters.tft_mtl.config import Task
from draingym.forecasters.tft_mtl.model import TFTMTL, inputs_of, inventory_scale
from draingym.forecasters.tft_mtl.network import TFTNetwork

Table = dict[str, NDArray[Any]]  # columns of one length; frames are made of it as it is


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Insight:
    """The other tasks' forecasts, and the weights behind all of them, of ``B`` series.

    A task that was not learned is None.
    """

    ids: tuple[str, ...]  # [B]
    past_times: Times  # [L] of the history that was seen
    times: Times  # [H]
    inventory: FloatArray | None  # [B, H] units, mean
    turnover: FloatArray | None  # [B, H] units sold over the mean inventory
    stockout: FloatArray | None  # [B, H] probability of no stock at the end of the period
    observed: BoolArray  # [B, L] periods that were seen
    past_variables: tuple[str, ...]  # [V]
    future_variables: tuple[str, ...]  # [F]
    past: FloatArray  # [B, L, V] weights, which sum to 1 where a period was seen
    future: FloatArray  # [B, H, F] weights, which sum to 1
    attention: FloatArray  # [B, H, L + H] weights, which sum to 1

    def selection_table(self) -> Table:
        """Return the mean weight of every variable, a row for each series, part and variable.

        Columns ``unique_id``, ``part`` (past or future), ``variable``, ``weight``; the weights of a
        series and part sum to 1, or are nan where nothing of it was seen.
        """
        seen = self.observed.sum(axis=1)[:, None]
        past = np.where(seen > 0, self.past.sum(axis=1) / np.maximum(seen, 1), np.nan)
        parts = (
            ("past", self.past_variables, past),
            ("future", self.future_variables, self.future.mean(axis=1)),
        )
        rows = [
            (name, part, variable, weight[b, v])
            for b, name in enumerate(self.ids)
            for part, variables, weight in parts
            for v, variable in enumerate(variables)
        ]
        columns = ("unique_id", "part", "variable", "weight")
        return {
            name: np.array(values)
            for name, values in zip(columns, zip(*rows, strict=True), strict=True)
        }

    def attention_table(self) -> Table:
        """Return the weight that each forecast period gives to each period seen.

        Columns ``unique_id``, ``ds`` (the period that is forecast), ``seen`` (the period that is
        looked at) and ``weight``; periods that cannot be seen have no row.
        """
        steps = len(self.times)
        later = np.tri(steps, dtype=bool)
        visible = np.concatenate(
            [
                np.repeat(self.observed[:, None], steps, axis=1),
                np.broadcast_to(later, (len(self.ids), steps, steps)),
            ],
            axis=2,
        )
        series, step, at = np.nonzero(visible)
        return {
            "unique_id": np.array(self.ids)[series],
            "ds": self.times[step],
            "seen": np.concatenate([self.past_times, self.times])[at],
            "weight": self.attention[visible],
        }


def explain(
    fitted: Fitted, history: Any, horizon: int | None = None, future: Any = None
) -> Insight:
    """Return the other tasks' forecasts for the periods after a history, and what drove them.

    Args:
        fitted: A fitted ``TFTMTL``.
        history: As ``Fitted.predict`` takes it.
        horizon: Periods, at most the model's, which it is when not given.
        future: What is known ahead, as ``Fitted.predict`` takes it.

    Raises:
        ValueError: If the model is another one, or as ``Fitted.predict`` does.
    """
    model = fitted.model
    if not isinstance(model, TFTMTL):
        raise ValueError(
            f"model is {type(model).__name__}, must be TFTMTL: no other has these weights"
        )
    prepared = fitted.prepare(history, horizon, future)
    steps, length = prepared.steps, model.context
    found = fitted.each(prepared, _explained)

    def task(name: Task) -> FloatArray | None:
        return found[name][:, :steps].astype(np.float64) if name in model.learned else None

    past, ahead = model.variables(fitted.encoder.layout, fitted.columns.target)
    last = prepared.data.num_periods
    return Insight(
        ids=prepared.data.ids,
        past_times=prepared.data.grid.times(last - length, last),
        times=prepared.times,
        inventory=task("inventory"),
        turnover=task("turnover"),
        stockout=task("stockout"),
        observed=found["observed"],
        past_variables=tuple(past),
        future_variables=tuple(ahead),
        past=found["past"].astype(np.float64),
        future=found["future"][:, :steps].astype(np.float64),
        attention=found["attention"][:, :steps, : length + steps].astype(np.float64),
    )


def _explained(model: TFTMTL, network: TFTNetwork, batch: Batch) -> dict[str, Array]:
    said, why = network(inputs_of(batch, network.sizes))
    found = {
        "turnover": jnp.maximum(jnp.expm1(said.turnover), 0.0),
        "stockout": jax.nn.sigmoid(said.stockout),
        "observed": batch.observed,
        "past": why.past,
        "future": why.future,
        "attention": why.attention,
    }
    if network.sizes.inventory_at is not None and "inventory" in model.amounts:
        scale = inventory_scale(batch, network.sizes.inventory_at)
        mean = said.mean[..., model.amounts.index("inventory")] * scale[:, None]
        found["inventory"] = jnp.maximum(mean, 0.0)
    return found
