"""A model that is worse than the closest node is called so."""

import jax
import numpy as np

from draingym.drain_model.checkpoint import Checkpoint, initial_weights
from draingym.drain_model.closest_node.beside import BesideClosest, beside_closest
from draingym.drain_model.data.statistics import Statistics
from tests.drain_model.conftest import LEAST, Process


def test_a_model_that_learned_nothing_is_worse_than_the_closest_node(process: Process) -> None:
    data = process.data
    features = (data.calendar.shape[-1], data.attributes.shape[-1])
    weights = initial_weights(LEAST, *features, seed=0)
    blank = Checkpoint(
        config=LEAST,
        statistics=Statistics.from_data(data),
        node_coordinates=np.asarray(data.geography.node_coordinates),
        weights=jax.tree.map(np.zeros_like, weights),
        train_periods=16,
    )
    found = beside_closest(blank, data, (16, 20), 16, seed=0)
    assert found.ratios["node"].low > 1.0
    total, node = found.warnings
    assert total.startswith("The model predicts units by total worse than the closest node does")
    assert f"CRPS is {found.ratios['node'].value:.3f} [" in node
    # The other way round there is nothing to say, nor of equals.
    turned = BesideClosest(learned=found.closest, closest=found.learned)
    assert turned.warnings == []
    np.testing.assert_allclose(turned.ratios["node"].value, 1 / found.ratios["node"].value)
    assert BesideClosest(learned=found.closest, closest=found.closest).warnings == []
