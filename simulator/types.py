"""The simulator's pytrees and protocols: what flows between dynamics, kernels and policies.

Shapes are for one product. Batches of products come from ``jax.vmap``.

``N`` nodes, ``E`` arcs, ``Z`` regions, ``L`` longest lead time in periods, ``T`` periods, ``H``
periods of history, ``C`` calendar features, ``F`` product attributes, ``K`` uniforms a kernel uses
a period, ``A`` ages of stock, ``D`` longest delay of a request.

Arc e replenishes node ``target[e]`` from node ``source[e]``. In a tree arc n replenishes node n, so
that arcs and nodes are the same axis, ``E = N``, and a node's source is its parent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import jax
from jaxtyping import Array, Bool, Float, Int

from draingym.simulator.network.charges import Ledger
from draingym.simulator.terms import Assembly, Perishable, Storage, Terms

PyTree = Any

# Whole units of one product that a network holds at most, on hand and in transit: half of the
# 2**24 up to which float32 counts exactly, so that what is owed can be added to stock.
MOST_UNITS = 2**23


@dataclass(frozen=True, kw_only=True, slots=True)
class Dynamics:
    """How shipments between nodes work; the same for the simulator and the oracle."""

    whole_units: bool = True  # ship whole units (fulfilment worlds), not reals (classic problems)
    hold_requests: bool = False  # a source owes what it cannot ship; else forgotten
    ship_arrivals: bool = False  # a source can ship what arrives in the same period
    late_arrivals: bool = False  # what arrives is stowed after demand, at the period's end
    # Nodes that goods pass within a period where lead times are 0: as many as the longest chain of
    # such arcs has. 1 is enough where none leads to a node that ships.
    passes: int = 1
    by_rank: bool = False  # a short source serves its arcs by ``Params.rank``, not in proportion
    rounding: Literal["down", "nearest", "up"] = "down"  # of requests to whole batches
    send_back: bool = False  # a full store sends back what does not fit; else it is gone
    # Rounded shipments have the derivative of what is rounded (straight through); else none, for
    # estimators that find out by themselves what a unit is worth (``rounded_return``).
    through_rounding: bool = True

    def __post_init__(self) -> None:
        """Refuse an order of events that contradicts itself."""
        if self.ship_arrivals and self.late_arrivals:
            raise ValueError("late_arrivals is True, must be False where arrivals are shipped on")
        if self.passes < 1 or (self.passes > 1 and not self.ship_arrivals):
            raise ValueError(
                f"passes is {self.passes}, must be at least 1, and 1 unless ship_arrivals is True"
            )
        if self.rounding not in ("down", "nearest", "up"):
            raise ValueError(f"rounding is {self.rounding!r}, must be 'down', 'nearest' or 'up'")


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """Costs, limits and structure of a network, plus the kernel's own parameters.

    Every field is an array, so that it can be swept with ``jax.vmap`` and differentiated.
    """

    source: Int[Array, " E"]  # node that ships on the arc; -1 is the vendor
    serves: Bool[Array, " N"]  # whether customers are served from the node
    active_from: Int[Array, " N"]  # first period in which the node exists
    holding_cost: Float[Array, " N"]  # currency per unit on hand at a period's end
    holding_rate: Float[Array, " N"]  # share of the unit cost per unit on hand at a period's end
    transfer_cost: Float[Array, " E"]  # currency per unit shipped from a node to another
    unmet_cost: Float[Array, " N"]  # currency per unit of demand lost, or waiting at its end
    salvage_rate: Float[Array, ""]  # share of the unit cost credited for stock left at the end
    discount: Float[Array, ""]  # per period
    kernel: PyTree  # parameters of the drain kernel
    # Off, and out of the compiled program, where they are None.
    transit_cost: Float[Array, " E"] | None = None  # currency per unit on its way at a period's end
    capacity: Float[Array, " N"] | None = None  # units of storage; stock may exceed it, at a price
    capacity_price: Float[Array, " N"] | None = None  # currency per unit stored within capacity
    overflow_price: Float[Array, " N"] | None = None  # currency per unit stored above capacity
    target: Int[Array, " E"] | None = None  # node that the arc replenishes; None: arc n's is node n
    rank: Float[Array, " E"] | None = None  # the arc's place in its source's order (``by_rank``)
    terms: Terms | None = None  # what arcs allow and charge, the same in all periods
    storage: Storage | None = None  # stores of limited room
    perishable: Perishable | None = None  # stock by age
    assembly: Assembly | None = None  # nodes that make their stock of parts
    delay: Float[Array, "D+1 E"] | None = None  # part of a request seen k periods on

    @property
    def parent(self) -> Int[Array, " N"]:
        """The node that replenishes each node of a tree; -1 is the vendor.

        Raises:
            ValueError: If the network is no tree in which arc n replenishes node n.
        """
        if self.target is not None:
            raise ValueError(
                "params.target is given, must be None: this works on trees, where arc n replenishes"
                " node n"
            )
        return self.source


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """The drain before a trajectory starts, oldest period first; zeros where nothing is known."""

    outbound: Float[Array, "H N"]  # units
    ship_cost: Float[Array, "H N"]  # currency
    available: Float[Array, "H N"]  # units
    # Units owed to customers at the start; None is none, and all that lost sales allow.
    waiting: Float[Array, " N"] | None = None


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Initial:
    """Where a trajectory starts."""

    on_hand: Float[Array, " N"]  # units
    pipeline: Float[Array, "L E"]  # units; row k arrives k periods after the first one
    history: History
    # None is none, as far as the mechanism is there.
    owed: Float[Array, " E"] | None = None  # units that sources owe
    parts: Float[Array, " E"] | None = None  # parts that wait for others
    ages: Float[Array, "A N"] | None = None  # units by age; their sum is ``on_hand``
    queue: Float[Array, "D E"] | None = None  # requests; row k reaches its source k periods on


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Market:
    """What happens around a network, before anything is drawn. Leaves have a leading time axis."""

    period: Int[Array, " T"]  # calendar index of the period; nodes open by it
    glance_views: Float[Array, "T Z"]  # page views
    forecast: Float[Array, "T Z"]  # units a period expected by region, known before the period
    price: Float[Array, " T"]  # currency a unit
    unit_cost: Float[Array, " T"]  # currency a unit
    attributes: Float[Array, "T F"]  # product attributes (``world.ATTRIBUTES``)
    calendar: Float[Array, "T C"]  # calendar features of the period
    last: Bool[Array, " T"]  # true in the period that ends the trajectory
    # Price of storage charged on every unit on hand at a period's end, and the one that policies
    # see before they act: what a limit on the stock of all products together costs. None: no limit.
    storage_price: Float[Array, "T N"] | None = None  # currency a unit and period
    storage_forecast: Float[Array, "T N"] | None = None  # currency a unit and period
    terms: Terms | None = None  # what arcs allow and charge, by period, in place of the params'
    # Standard deviation of the forecast's error over the forecast, beyond what Poisson customers
    # scatter; known before the period. None: the forecast does not say.
    forecast_cv: Float[Array, " T"] | None = None
    shown: Float[Array, "T N"] | None = None  # the period's own demand, where policies see it first
    exogenous: PyTree = None  # what ``DrainKernel.prepare`` made of the series; None before


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Series(Market):
    """The exogenous part of a trajectory: its market, and every random draw.

    Nothing in here depends on an action, the uniforms of every random draw included, so that the
    simulator, its gradient and any two policies share one function and common random numbers.
    """

    lead_share: Float[Array, "T E lead"]  # share of a shipment made now that arrives k periods on
    round_uniform: Float[Array, "T N"]  # uniforms of randomised rounding, by source
    drain_uniform: Float[Array, "T K"]  # uniforms of the kernel's draws
    # Share of a request that its source accepts, vendor or node; the rest is cancelled. None is
    # all of it. 0 where nothing may be ordered: between reviews, in a disruption.
    fill_rate: Float[Array, "T E"] | None = None
    # Uniforms that split an order into whole units by its shares. None: whole orders, or reals.
    split_uniform: Float[Array, "T E"] | None = None
    age_share: Float[Array, "T E A"] | None = None  # of what arrives, by age; None: the youngest
    age_uniform: Float[Array, "T D M"] | None = None  # uniforms of ages that are drawn; None: none


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """One trajectory's start and everything exogenous that will happen to it."""

    initial: Initial
    series: Series


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """What an action can change."""

    on_hand: Float[Array, " N"]  # units at the end of the last period
    # Units in transit; row k arrives k periods from now. One row more where transit may stand.
    pipeline: Float[Array, "L E"]
    waiting: Float[Array, " N"]  # units of demand that wait for stock (backlog)
    memory: PyTree  # the kernel's own memory
    owed: Float[Array, " E"] | None = None  # units the source still owes; None: not held
    gate: Float[Array, " E"] | None = None  # units set aside at the source; None: all are let out
    door: Float[Array, " E"] | None = None  # units at the target's door; None: all are let in
    parts: Float[Array, " E"] | None = None  # parts that wait for others; None: no assembly
    ages: Float[Array, "A N"] | None = None  # units on hand by age, youngest first; None: no age
    queue: Float[Array, "D E"] | None = None  # requests; row k reaches its source k periods on


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """What a policy may see before it acts in a period. No field looks into the period itself."""

    on_hand: Float[Array, " N"]  # units
    pipeline: Float[Array, "L E"]  # units actually filled and in transit
    waiting: Float[Array, " N"]  # units of demand that wait for stock (backlog)
    active: Bool[Array, " N"]  # nodes that exist in this period
    forecast: Float[Array, " Z"]  # units a period by region
    price: Float[Array, ""]  # currency a unit
    unit_cost: Float[Array, ""]  # currency a unit
    attributes: Float[Array, " F"]
    calendar: Float[Array, " C"]
    owed: Float[Array, " E"] | None = None  # units the source still owes; None: not held
    storage_price: Float[Array, " N"] | None = None  # forecast, currency a unit; None: no limit
    # Standard deviation of the forecast's error over the forecast; None: it does not say.
    forecast_cv: Float[Array, ""] | None = None
    # As in ``State``, and the period's demand where the order of events shows it.
    gate: Float[Array, " E"] | None = None
    door: Float[Array, " E"] | None = None
    parts: Float[Array, " E"] | None = None
    ages: Float[Array, "A N"] | None = None
    queue: Float[Array, "D E"] | None = None
    demand: Float[Array, " N"] | None = None


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Drain:
    """What customers took out of the network in one period."""

    outbound: Float[Array, " N"]  # units shipped to customers
    ship_cost: Float[Array, " N"]  # currency
    lost: Float[Array, " N"]  # units of demand lost; 0 where a kernel cannot know
    waiting: Float[Array, " N"]  # units of demand that wait for stock after the period


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Transition:
    """Everything that happened in one period; flows are complete, so conservation can be checked.

    ``on_hand' = on_hand + stowed - transferred - outbound`` holds to the unit at every node (less
    ``flows.wasted`` and ``flows.spilled`` of a ledger, and with ``flows.used`` for what left).
    """

    observation: Observation  # before the action
    action: Float[Array, " E"]  # units requested
    ordered: Float[Array, " E"]  # units requested by nodes that exist, at least 0
    shipped: Float[Array, " E"]  # units the source shipped
    transferred: Float[Array, " N"]  # units that left the node for others
    stowed: Float[Array, " N"]  # units that arrived and were put on the shelf
    available: Float[Array, " N"]  # units customers could buy: after arrivals, before the drain
    outbound: Float[Array, " N"]  # units shipped to customers
    lost: Float[Array, " N"]  # units of demand lost
    waiting: Float[Array, " N"]  # units of demand that wait for stock
    on_hand: Float[Array, " N"]  # units at the end of the period
    revenue: Float[Array, ""]  # currency, as are all that follow
    ship_cost: Float[Array, " N"]
    purchase_cost: Float[Array, ""]
    transfer_cost: Float[Array, ""]
    holding_cost: Float[Array, ""]
    unmet_cost: Float[Array, ""]
    salvage: Float[Array, ""]
    transit_cost: Float[Array, ""]
    capacity_cost: Float[Array, ""]
    reward: Float[Array, ""]  # revenue + salvage - every cost
    terminated: Bool[Array, ""]
    truncated: Bool[Array, ""]
    owed: Float[Array, " E"] | None = None  # units the source still owes; None: not held
    ledger: Ledger | None = None  # by arc and node, where the network has terms


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True, slots=True)
class Trajectory:
    """A rollout: one transition a period (leading axis T) and the state after the last."""

    transitions: Transition
    final: State


class DrainKernel(Protocol):
    """The pluggable transition: which node ships how much in a period, and at what cost.

    Implementations are frozen, hashable objects that hold static sizes only; their parameters
    travel in ``Params.kernel``. All methods are pure and written for one product.

    Per period: ``prepare`` has seen the exogenous series of all periods; ``drain`` sees the
    available units of this one.
    """

    @property
    def num_uniforms(self) -> int:
        """How many uniforms a period's draw uses, ``K``."""
        ...

    @property
    def backlog(self) -> bool:
        """Whether demand that finds no stock waits; without one, nobody may wait at the start."""
        ...

    def prepare(self, params: PyTree, series: Series) -> PyTree:
        """Compute, for all periods at once, everything that does not depend on actions.

        Returns a pytree whose leaves have the leading axis ``T``.
        """
        ...

    def init(self, params: PyTree, history: History) -> PyTree:
        """Return the kernel's memory at the start of a trajectory."""
        ...

    def drain(
        self,
        params: PyTree,
        memory: PyTree,
        available: Float[Array, " N"],
        exogenous: PyTree,
        uniforms: Float[Array, " K"],
    ) -> tuple[PyTree, Drain]:
        """Draw one period's drain: ``0 <= outbound <= available``, node by node."""
        ...


@runtime_checkable
class Policy(Protocol):
    """A policy, the same in simulator, oracle and Gymnasium environments."""

    def init(self, key: Array) -> PyTree:
        """Return initial parameters."""
        ...

    def apply(self, params: PyTree, observation: Observation, key: Array) -> Float[Array, " E"]:
        """Return the units to request on every arc (in a tree: for every node), at least 0."""
        ...
