"""Arrivals put on the shelf: what act and settle share, who do it before and after demand."""

from __future__ import annotations

from jaxtyping import Array, Float

from draingym.simulator.network.ages import arrive
from draingym.simulator.network.receiving import Received, receive
from draingym.simulator.terms import Terms
from draingym.simulator.types import Dynamics, Params, Series


def terms_of(params: Params, series: Series) -> Terms | None:
    """Return the period's terms, if there are any."""
    return params.terms if series.terms is None else series.terms


def receive_at(
    params: Params,
    terms: Terms | None,
    dynamics: Dynamics,
    door: Float[Array, " E"] | None,
    parts: Float[Array, " E"] | None,
    arrivals: Float[Array, " E"],
    shelf: Float[Array, " N"],
) -> Received:
    """Let arrivals in at all nodes; see ``receiving.receive``."""
    return receive(
        arrivals,
        shelf,
        params.target,
        terms,
        params.storage,
        params.assembly,
        door,
        parts,
        whole_units=dynamics.whole_units,
    )


def put_away(
    params: Params,
    series: Series,
    ages: Float[Array, "A N"],
    arrived: Float[Array, " E"],
    received: Received | None,
    counted: Float[Array, " N"] | None,
) -> tuple[Float[Array, "A N"], Float[Array, " N"]]:
    """Return the shelf by age with what came in, and what its age class had no place for."""
    if params.perishable is None:
        raise ValueError("params.perishable is None, must be given where stock has an age")
    goods = arrived if received is None else received.goods
    made = None if received is None else received.made
    if counted is not None:  # of the youngest, and there already
        made = -counted if made is None else made - counted
    return arrive(
        ages, params.perishable, goods, made, params.target, series.age_share, series.age_uniform
    )
