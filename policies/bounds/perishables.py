"""Problems of one node with stock that ages, whose optimum is known exactly.

Perishables, two of which may replace each other, and platelets of random age. Demand is in whole
units: ``pmf[k]`` is the probability of k. Sales that cannot be served are lost.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse, stats
from scipy.sparse.linalg import LinearOperator

from draingym.common.arrays import FloatArray, IntArray, require_range
from draingym.policies.bounds.decisions import Decisions, Happened, Parts, enumerate_decisions


def _serve(stock: Parts, need: IntArray, *, lifo: bool = False) -> tuple[list[IntArray], IntArray]:
    """Return stock by age, the youngest first, after demand, and demand that found none.

    Args:
        stock: Units by age.
        need: Units.
        lifo: The youngest units are taken first, and not the oldest.
    """
    left = list(stock)
    ages = range(len(left))
    for age in ages if lifo else reversed(ages):
        sold = np.minimum(left[age], need)
        left[age], need = left[age] - sold, need - sold
    return left, need


def perishable_store(
    pmf: FloatArray,
    *,
    shelf_life: int,
    lead_time: int,
    lifo: bool,
    order_cost: float,
    unmet_cost: float,
    waste_cost: float,
    holding_cost: float,
    max_order: int,
    discount: float,
) -> Decisions:
    """One store with lost sales whose stock expires: order, demand, waste, cost, arrival.

    Args:
        pmf: Of demand.
        shelf_life: Periods of demand that a unit can serve.
        lead_time: Periods, at least 1: an order of now first serves the demand so many periods on.
        lifo: The youngest units are sold first.
        order_cost: Currency a unit.
        unmet_cost: Currency a unit lost.
        waste_cost: Currency a unit that expires.
        holding_cost: Currency a unit left that has not expired.
        max_order: Units.
        discount: A period.

    Returns:
        States: orders in transit, the newest first; then stock by age, the youngest first.

    Source:
        De Moor, Gijsbrechts and Boute (2022), Reward shaping in perishable inventory.

    Example:
        >>> from draingym.policies.bounds.decisions import solve
        >>> problem = perishable_store(
        ...     np.full(3, 1 / 3),
        ...     shelf_life=2,
        ...     lead_time=1,
        ...     lifo=False,
        ...     order_cost=3,
        ...     unmet_cost=9,
        ...     waste_cost=7,
        ...     holding_cost=1,
        ...     max_order=3,
        ...     discount=0.9,
        ... )
        >>> solve(problem).action[:, 0, 0].tolist()  # by young units; there are no old ones
        [1, 1, 0, 0]
    """

    def step(state: Parts, action: Parts, outcome: Parts) -> Happened:
        (order,), (need,) = action, outcome
        transit, stock = list(state[: lead_time - 1]), list(state[lead_time - 1 :])
        (*kept, wasted), wanted = _serve(stock, need, lifo=lifo)
        cost = order_cost * order + unmet_cost * wanted + waste_cost * wasted
        cost = cost + holding_cost * sum(kept, start=np.zeros(1))
        *transit, arrived = [order, *transit]
        return [*transit, arrived, *kept], cost, pmf[need]

    size = max_order + 1
    return enumerate_decisions(
        [size] * (lead_time - 1 + shelf_life), [size], [len(pmf)], step, discount=discount
    )


def substituted_products(
    means: tuple[float, float],
    *,
    accepts: float,
    prices: tuple[float, float],
    order_costs: tuple[float, float],
    max_orders: tuple[int, int],
    discount: float,
) -> Decisions:
    """Two products that live for two periods; customers who find no B take A, each by chance.

    Order, Poisson demand (the oldest unit first), what is old expires, orders arrive.

    Args:
        means: Of the demand of A and B, units a period.
        accepts: Probability that a customer of B who finds none takes an A.
        prices: Currency a unit sold.
        order_costs: Currency a unit ordered.
        max_orders: Units.
        discount: A period.

    Returns:
        States: A young and old, B young and old; actions: orders of A and B. Costs are below 0.

    Source:
        Hendrix et al. (2019), two products with substitution.

    Example:
        >>> from draingym.policies.bounds.decisions import solve
        >>> problem = substituted_products(
        ...     (1.0, 1.0),
        ...     accepts=0.5,
        ...     prices=(2.0, 2.0),
        ...     order_costs=(1.0, 1.0),
        ...     max_orders=(3, 3),
        ...     discount=0.9,
        ... )
        >>> solve(problem).action[0, 0, 0, 0].tolist()  # orders of A and B where there is nothing
        [1, 1]
    """
    most = 2 * max_orders[0], 2 * max_orders[1]
    chance = _asked(means, accepts, most)

    def step(state: Parts, action: Parts, outcome: Parts) -> Happened:
        stock = (state[0], state[1]), (state[2], state[3])
        cost: FloatArray = np.zeros(1)
        following: list[IntArray] = []
        for i, (young, old) in enumerate(stock):
            sold = np.minimum(young + old, outcome[i])
            cost = cost + order_costs[i] * action[i] - prices[i] * sold
            following += [action[i], young - np.maximum(sold - old, 0)]
        return following, cost, chance[stock[1][0] + stock[1][1], outcome[0], outcome[1]]

    sizes = [n + 1 for n in max_orders]
    return enumerate_decisions(
        [sizes[0], sizes[0], sizes[1], sizes[1]],
        sizes,
        [most[0] + 1, most[1] + 1],
        step,
        discount=discount,
    )


def _asked(means: tuple[float, float], accepts: float, most: tuple[int, int]) -> FloatArray:
    """Return [stock of B, asked of A, asked of B] probabilities; at ``most`` stands "or more"."""
    table = np.zeros((most[1] + 1, most[0] + 1, most[1] + 1))
    own = stats.poisson.pmf(np.arange(most[0]), means[0])
    reach = int(stats.poisson.isf(1e-14, means[1])) + 1
    demand = stats.poisson.pmf(np.arange(reach), means[1])
    demand[-1] += 1 - demand.sum()
    for stock in range(most[1] + 1):
        for units, probability in enumerate(demand):
            unmet = max(units - stock, 0)
            come = stats.binom.pmf(np.arange(most[0]), unmet, accepts)
            asked = np.convolve(own, come)[: most[0]]
            row = table[stock, :, min(units, most[1])]
            row[:-1] += probability * asked
            row[-1] += probability * (1 - asked.sum())
    return table


def platelets(
    demand: FloatArray,
    *,
    logits: tuple[Sequence[float], Sequence[float]],
    order_fee: float,
    unmet_cost: float,
    waste_cost: float,
    holding_cost: float,
    max_order: int,
    discount: float,
) -> Decisions:
    """A hospital's platelets of a life of three periods, of random age on arrival, at once.

    Order, arrival (at most ``max_order`` of an age are kept), demand (the oldest first; lost),
    waste, cost; holding is on all that is left, with what expires.

    Args:
        demand: [weekdays, K] probability of k units.
        logits: ``a + b * order``, of a remaining life of 2 and 3 periods; that of 1 is 0.
        order_fee: Currency an order.
        unmet_cost: Currency a unit lost.
        waste_cost: Currency a unit that expires.
        holding_cost: Currency a unit left.
        max_order: Units.
        discount: A period.

    Returns:
        States: the weekday; units with 2 and with 1 periods left. Actions: the order.

    Raises:
        ValueError: If probabilities of a day's demand do not sum to one.

    Source:
        Mirjalili (2022), thesis, University of Toronto; as the package mdpax has it.

    Example:
        >>> from draingym.policies.bounds.decisions import solve
        >>> problem = platelets(
        ...     np.full((2, 3), 1 / 3),  # two kinds of day
        ...     logits=((1.0, -0.1), (0.5, 0.0)),
        ...     order_fee=1.0,
        ...     unmet_cost=10.0,
        ...     waste_cost=4.0,
        ...     holding_cost=0.5,
        ...     max_order=3,
        ...     discount=0.9,
        ... )
        >>> solve(problem).action[0, :, 0].ravel().tolist()  # by the units that keep for two days
        [2, 1, 0, 0]
    """
    for day, pmf in enumerate(demand):
        require_range(f"sum of demand[{day}]", float(pmf.sum()), low=1 - 1e-9, high=1 + 1e-9)
    days = len(demand)
    size = max_order + 1
    # Of an order, whatever the weekday: units with 2 and 1 periods left to units with 3, 2 and 1.
    two, one, order, of_two, of_three = np.ogrid[(slice(size),) * 5]
    kept = [of_three, two + of_two, one + np.maximum(order - of_two - of_three, 0)]
    shape = (size,) * 5
    stocked = np.ravel_multi_index(
        [np.broadcast_to(np.minimum(x, max_order), shape) for x in kept], (size,) * 3
    ).reshape(size**3, -1)
    weight = np.broadcast_to(_of_ages(logits, max_order), shape).reshape(size**3, -1)
    rows, drawn = np.nonzero(weight)
    arrive = sparse.csr_array(
        (weight[rows, drawn], (rows, stocked[rows, drawn])), shape=(size**3, size**3)
    )
    # Of a day's demand: those units to units with 2 and 1 periods left, and the cost.
    need = np.arange(demand.shape[1])
    stock = [x[..., None] for x in np.mgrid[(slice(size),) * 3]]
    left, wanted = _serve(stock, need)
    cost = unmet_cost * wanted + waste_cost * left[2] + holding_cost * sum(left)
    columns = np.ravel_multi_index((left[0], left[1]), (size, size)).reshape(size**3, -1)
    starts = np.broadcast_to(np.arange(size**3)[:, None], columns.shape)
    served = [
        sparse.csr_array(
            (np.broadcast_to(pmf, columns.shape).ravel(), (starts.ravel(), columns.ravel())),
            shape=(size**3, size**2),
        )
        for pmf in demand
    ]

    def ahead(value: FloatArray) -> FloatArray:
        """Return the mean of the next state's value, without the product of both matrices."""
        tomorrow = np.roll(value.reshape(days, -1), -1, axis=0)
        after = np.stack([move @ v for move, v in zip(served, tomorrow, strict=True)], axis=1)
        return np.asarray((arrive @ after).T.ravel())

    fee = order_fee * (np.arange(size**3) % size > 0)
    return Decisions(
        shape=(days, size, size),
        actions=(size,),
        cost=np.stack([fee + arrive @ (cost @ pmf).ravel() for pmf in demand]).reshape(-1, size),
        move=LinearOperator((days * size**3, days * size**2), matvec=ahead, dtype=np.float64),
        discount=discount,
    )


def _of_ages(logits: tuple[Sequence[float], Sequence[float]], max_order: int) -> FloatArray:
    """Return [order, of life 2, of life 3] probabilities of how many arrive in which age."""
    orders = np.arange(max_order + 1)[:, None]
    odds = np.exp(np.asarray(logits[0]) + orders * np.asarray(logits[1]))
    odds = np.concatenate([np.ones((max_order + 1, 1)), odds], axis=1)
    share = odds / odds.sum(axis=1, keepdims=True)
    chance = np.zeros((max_order + 1,) * 3)
    for order in range(max_order + 1):
        for two in range(order + 1):
            for three in range(order - two + 1):
                units = [order - two - three, two, three]
                chance[order, two, three] = stats.multinomial.pmf(units, order, share[order])
    return chance
