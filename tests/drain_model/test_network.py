from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.stats import poisson

from draingym.drain_model import DrainConfig, DrainData, DrainNetwork, Geography, Inputs, Statistics
from draingym.drain_model.checkpoint import graph_definition, initial_weights
from draingym.drain_model.distributions.joints import Coherent, Copula, Independent
from draingym.drain_model.network.blocks import CausalStack, RecurrentBlock
from draingym.drain_model.network.lanes import (
    SHARPENING,
    SHARPNESS,
    PairNetwork,
    found_on_shelf,
)

TINY = DrainConfig(
    width=8,
    heads=2,
    dilations=(1, 2),
    pair_width=8,
    frequencies=2,
    node_blocks=1,
    location_blocks=1,
    lane_heads=2,
    lane_steps=2,
    batch_products=2,
    joint="independent",
)
PLAIN = replace(TINY, lane_heads=0, pair_bias=False)
VARIANTS = {
    "lanes": TINY,
    "coherent": replace(TINY, joint="coherent", node_blocks=0, location_blocks=0),
    "plain rnn": replace(PLAIN, mixing="rnn"),
}


def untrained(data: DrainData, config: DrainConfig = TINY) -> DrainNetwork:
    """A network whose every parameter is random, so that nothing is switched off."""
    sizes = (data.calendar.shape[-1], data.attributes.shape[-1])
    weights = initial_weights(config, *sizes, seed=0)
    random = np.random.default_rng(1)
    weights = jax.tree.map(
        lambda x: x + jnp.asarray(0.1 * random.standard_normal(x.shape), jnp.float32), weights
    )
    return nnx.merge(graph_definition(config, *sizes), weights)


@pytest.fixture(scope="module")
def data(process) -> DrainData:
    return process.data.products(slice(0, 2))


def by_node(joint: Independent | Copula | Coherent, inputs: Inputs) -> list[jax.Array]:
    """What a joint says of every node, [P, T, N, ...] each."""
    if not isinstance(joint, Coherent):
        return jax.tree.leaves(joint)
    share = jnp.where(inputs.active, joint.log_share, -jnp.inf)
    share = jnp.where(inputs.active, jax.nn.log_softmax(share, axis=-1), 0.0)
    concentration = jnp.where(inputs.active, joint.log_concentration, 0.0)
    nodes = share.shape[-1]
    whole = jax.tree.leaves(joint.total)
    spread = [jnp.repeat(jnp.expand_dims(x, 2), nodes, axis=2) for x in whole]
    return [share, concentration, *spread]


@pytest.fixture(scope="module", params=VARIANTS)
def forward(request: pytest.FixtureRequest, data: DrainData):
    network = untrained(data, VARIANTS[request.param])
    statistics = Statistics.from_data(data)
    definition, weights = nnx.split(network)

    @jax.jit
    def compiled(inputs: Inputs, geography: Geography) -> list[jax.Array]:
        network = nnx.merge(definition, weights)
        joint, knots = network(network.static(statistics, geography), inputs)
        return [*by_node(joint, inputs), knots]

    return compiled


def moved(a: list[jax.Array], b: list[jax.Array]) -> np.ndarray:
    """Largest change of any output, by product, period and node."""
    changes = [
        np.abs(np.asarray(x) - np.asarray(y)).reshape(*x.shape[:3], -1).max(axis=-1)
        for x, y in zip(a, b, strict=True)
    ]
    return np.max(changes, axis=0)


@pytest.mark.parametrize("field", ["outbound", "ship_cost", "available", "glance_views"])
def test_a_period_knows_nothing_of_what_comes_later(forward, data: DrainData, field: str) -> None:
    inputs, at = data.inputs(), 9
    changed = replace(inputs, **{field: getattr(inputs, field).at[:, at].add(5.0)})
    change = moved(forward(inputs, data.geography), forward(changed, data.geography))
    assert change[:, :at].max() == 0.0
    if field in ("outbound", "ship_cost"):
        # Only the cost head sees this period's outbound; nobody sees this period's cost.
        seen_at_once = {"outbound": -1, "ship_cost": None}[field]
        outputs = forward(inputs, data.geography), forward(changed, data.geography)
        same = [np.array_equal(a[:, at], b[:, at]) for a, b in zip(*outputs, strict=True)]
        assert same[:-1] == [True] * (len(same) - 1)
        assert same[-1] == (seen_at_once is None)
        assert change[:, at + 1, 1:].max() > 0.0
    else:
        assert change[:, at, 1:].max() > 0.0


def test_an_inactive_node_changes_nothing(forward, data: DrainData) -> None:
    inputs = data.inputs()
    assert not bool(inputs.active[..., 0].any())
    for field in ("outbound", "ship_cost", "available"):
        inputs_changed = replace(inputs, **{field: getattr(inputs, field).at[..., 0].set(1000.0)})
        change = moved(forward(inputs, data.geography), forward(inputs_changed, data.geography))
        assert change[..., 1:].max() == 0.0
    # Nor does a node more, wherever it lies.
    geography = data.geography
    wide = replace(
        geography,
        node_coordinates=jnp.concatenate([geography.node_coordinates, jnp.array([[40.0, -90.0]])]),
        distance_km=jnp.concatenate([geography.distance_km, geography.distance_km[:1] * 0.5]),
    )

    def more(x: jax.Array, value: float) -> jax.Array:
        return jnp.concatenate([x, jnp.full_like(x[..., :1], value)], axis=-1)

    larger = replace(
        inputs,
        outbound=more(inputs.outbound, 3.0),
        ship_cost=more(inputs.ship_cost, 9.0),
        available=more(inputs.available, 50.0),
        active=more(inputs.active, False),
    )
    found = [x[:, :, :-1] for x in forward(larger, wide)]
    before = forward(inputs, geography)
    size = max(float(np.abs(x).max()) for x in before)
    assert moved(before, found)[..., 1:].max() < 5e-5 * size  # sums of other lengths


def test_permuting_nodes_and_regions_permutes_the_outputs(
    forward, data: DrainData, request: pytest.FixtureRequest
) -> None:
    """But for the RNN, which reads them in the order of their index."""
    nodes, regions = np.array([2, 0, 3, 1]), np.array([4, 2, 0, 1, 3])
    inputs, geography = data.inputs(), data.geography
    permuted = replace(
        inputs,
        glance_views=inputs.glance_views[..., regions],
        **{
            name: getattr(inputs, name)[..., nodes]
            for name in ("outbound", "ship_cost", "available", "active")
        },
    )
    turned = Geography(
        node_coordinates=geography.node_coordinates[nodes],
        region_coordinates=geography.region_coordinates[regions],
        distance_km=geography.distance_km[nodes][:, regions],
    )
    plain = [x[:, :, nodes] for x in forward(inputs, geography)]
    # Sums in another order; the log of a tail of 1e-4, which is what others leave of 1, shows it.
    change = moved(plain, forward(permuted, turned)).max()
    assert change > 1e-2 if "rnn" in request.node.name else change < 1e-3


def drawn(module):
    """Split a module, its parameters drawn at random."""
    definition, weights = nnx.split(module)
    random = np.random.default_rng(0)
    return definition, jax.tree.map(
        lambda x: jnp.float32(random.normal(0.0, 0.5, x.shape)), weights
    )


def test_an_rnn_passes_over_a_node_that_is_not_open(data: DrainData) -> None:
    """Wherever it stands in the order: states go on from its neighbour to its neighbour."""
    block = RecurrentBlock(VARIANTS["plain rnn"])
    tokens = jax.random.normal(jax.random.key(0), (3, 5, 8))
    mask = jnp.array([True, True, False, True, True])
    definition, weights = drawn(block)
    run = jax.jit(lambda tokens, mask: nnx.merge(definition, weights)(tokens, mask))
    whole = run(tokens, jnp.broadcast_to(mask, (3, 5)))
    without = run(tokens[:, mask], None)
    np.testing.assert_allclose(whole[:, mask], without, atol=1e-6)
    assert float(jnp.abs(run(tokens, None)[:, mask] - without).max()) > 1e-3


def test_only_the_variant_that_sees_sales_is_given_them(data: DrainData) -> None:
    config = replace(PLAIN, sales=True)
    network, inputs = untrained(data, config), data.inputs()
    static = network.static(Statistics.from_data(data), data.geography)
    with pytest.raises(ValueError, match=r"sales given is False, must be config.sales = True"):
        network(static, replace(inputs, sales=None))
    sales = jnp.ones_like(inputs.glance_views)
    definition, weights = nnx.split(network)

    @jax.jit
    def log_tail(sales):
        return nnx.merge(definition, weights)(static, replace(inputs, sales=sales))[0].dist.log_tail

    assert float(jnp.abs(log_tail(sales) - log_tail(9.0 * sales)).max()) > 1e-4


def test_a_convolution_step_is_its_window() -> None:
    stack = CausalStack(DrainConfig(width=8, heads=2), 3)
    x = jax.random.normal(jax.random.key(0), (20, 2, 3))
    definition, weights = drawn(stack)

    @jax.jit
    def both(x):
        stack = nnx.merge(definition, weights)
        return stack.window(x), jax.lax.scan(stack.step, stack.initial(2), x)[1]

    whole, rows = both(x)
    np.testing.assert_allclose(rows, whole, atol=1e-5)


def test_the_conversion_column_must_be_an_attribute() -> None:
    with pytest.raises(ValueError, match=r"config\.conversion_column is 2, must be below .* = 2"):
        DrainNetwork(TINY, 1, 2)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("heads", 5, r"config\.heads is 5, must divide width = 16"),
        ("width", 0, r"config\.width is 0"),
        ("mixing", "cnn", r"config\.mixing is 'cnn', must be one of transformer, rnn"),
        (
            "joint",
            "joint",
            r"config\.joint is 'joint', must be one of independent, copula, coherent",
        ),
        ("cap", "none", r"config\.cap is 'none', must be one of censored, truncated"),
        ("precision", "int8", r"config\.precision is 'int8', must be one of float32, bfloat16"),
        ("lane_heads", -1, r"config\.lane_heads is -1, must be in \[0, 16\]"),
        ("dilations", (), r"config\.dilations has 0 entries, must have from 1 to 16"),
        ("dilations", (1,) * 17, r"config\.dilations has 17 entries, must have from 1 to 16"),
        ("dilations", [1, 2], r"config\.dilations is \[1, 2\], must be a tuple"),
        ("dilations", (1, 2.0), r"config\.dilations\[1\] is 2\.0, must be of type int"),
        ("dilations", (0,), r"config\.dilations\[0\] is 0, must be at least 1"),
        ("dilations", (1_000_000,), r"look back 2000000 periods, must be at most 512"),
        ("kernel_size", 200, r"config\.kernel_size is 200, must be in \[1, 64\]"),
        ("frequencies", 60, r"config\.frequencies is 60, must be in \[1, 16\]"),
        ("lane_steps", 50, r"config\.lane_steps is 50, must be in \[1, 16\]"),
        ("width", True, r"config\.width is True, must be of type int"),
        ("width", "16", r"config\.width is '16', must be of type int"),
        ("width", 16.0, r"config\.width is 16\.0, must be of type int"),
        ("sales", 1, r"config\.sales is 1, must be of type bool"),
        ("epochs", 10**30, r"config\.epochs is 10+, must be in"),
        ("learning_rate", "1", r"config\.learning_rate is '1', must be of type float"),
        ("learning_rate", float("inf"), r"config\.learning_rate is inf, must be finite"),
        ("weight_decay", float("nan"), r"config\.weight_decay is nan, must be finite"),
        ("validation_share", 1.0, r"config\.validation_share is 1\.0, must be finite and in"),
    ],
)
def test_bad_sizes_are_named(field: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DrainConfig(**{field: value})


@pytest.mark.parametrize(("stock", "tolerance"), [(1, 0.15), (2, 0.06), (5, 0.03), (30, 0.02)])
def test_lanes_serve_about_what_poisson_orders_find_on_the_shelf(
    stock: int, tolerance: float
) -> None:
    wanted = stock * np.array([0.2, 0.5, 1.0, 2.0, 4.0])
    exact = poisson.sf(np.arange(stock)[:, None], wanted).sum(axis=0)  # E min(N, A)
    found = found_on_shelf(jnp.asarray(wanted), jnp.full(5, float(stock)), SHARPNESS, SHARPENING)
    np.testing.assert_allclose(found, exact, rtol=tolerance)


def test_one_more_unit_is_at_most_one_more_unit_shipped() -> None:
    wanted, left = (x.ravel() for x in np.meshgrid(*[np.exp(np.linspace(-6.0, 6.0, 60))] * 2))
    slopes = jax.vmap(jax.grad(found_on_shelf, argnums=(0, 1)), in_axes=(0, 0, None, None))
    for sharpness, sharpening in ((SHARPNESS, SHARPENING), (3.0, 0.0), (-2.0, 3.0)):
        for slope in slopes(jnp.asarray(wanted), jnp.asarray(left), sharpness, sharpening):
            assert slope.min() > -1e-6
            assert slope.max() < 1.003


@pytest.mark.slow
def test_preferences_that_leapt_far_can_come_back() -> None:
    """Weights a thousand times too large leave a gradient for the node that is liked least."""
    config = DrainConfig(width=8, heads=2, pair_width=16, frequencies=2)
    shape = nnx.eval_shape(lambda: PairNetwork(config, 1))
    definition, state = nnx.split(shape)
    leaves, structure = jax.tree.flatten(state)
    rng = np.random.default_rng(0)
    drawn = [jnp.asarray(rng.normal(0.0, 3.0, leaf.shape), jnp.float32) for leaf in leaves]
    places = (rng.normal(size=(n, 2)).astype(np.float32) for n in (5, 7))
    nodes, regions = (jnp.asarray(place) for place in places)
    distance = jnp.linalg.norm(nodes[:, None] - regions[None], axis=-1)

    def least_liked(leaves: list[jax.Array]) -> jax.Array:
        """As training has it: a small number keeps logarithms finite."""
        network = nnx.merge(definition, jax.tree.unflatten(structure, leaves))
        chosen = jax.nn.softmax(network(nodes, regions, distance)[0], axis=0)
        return -jnp.log(jnp.min(chosen, axis=0) + 1e-9).sum()

    slopes = jax.grad(least_liked)(drawn)
    assert max(float(jnp.abs(slope).max()) for slope in slopes) > 1e-3
    network = nnx.merge(definition, jax.tree.unflatten(structure, drawn))
    assert float(jnp.abs(network(nodes, regions, distance)).max()) < 30.0
