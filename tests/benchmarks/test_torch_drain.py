"""The drain model in PyTorch learns what ours learns: a comparison of speeds needs that."""

import math
from dataclasses import replace

import pytest

from benchmarks.drain_parts.training_speed import (
    LOSS_TOLERANCES,
    DifferentLossesError,
    Training,
    training_row,
)
from benchmarks.scale_parts.configs import CONFIGS
from draingym.drain_model import PRESETS

TINY = {"width": 8, "heads": 2, "pair_width": 8, "frequencies": 2, "warmup_share": 0.1}
BLOCKS = {"node_blocks": 1, "location_blocks": 1}
PLAIN = {"lane_heads": 0, "pair_bias": False}
NETWORKS = {
    "what ships at 20 nodes": replace(CONFIGS["paper"], **TINY),
    "the preset paper": replace(
        PRESETS["paper"], **TINY | BLOCKS | {"lane_heads": 2, "lane_steps": 2}
    ),
    "the default": replace(PRESETS["small"], **TINY),
    "lanes not told": replace(CONFIGS["paper"], **TINY, lane_labels=False),
    "the paper's Transformer": replace(PRESETS["small"], **TINY, **BLOCKS, **PLAIN),
    "the paper's RNN": replace(PRESETS["small"], **TINY, **BLOCKS, **PLAIN, mixing="rnn"),
}


@pytest.mark.clients
@pytest.mark.parametrize("config", NETWORKS.values(), ids=list(NETWORKS))
def test_the_losses_of_the_first_updates_agree(config):
    pytest.importorskip("torch")
    training = Training.of("", config, 5, 9, (4, 7))
    ours, _ = training.ours()
    pairs = training.same(ours, training.theirs("cpu"))
    # The first rate is 0; from the second update on weights differ from those that were copied.
    losses = [pair[0] for pair in pairs]
    assert losses[0] == pytest.approx(losses[1], rel=LOSS_TOLERANCES[0])
    assert losses[2] < 0.99 * losses[1]


@pytest.mark.clients
def test_a_row_gives_both_speeds_and_another_loss_is_refused():
    pytest.importorskip("torch")
    training = Training.of("what", replace(CONFIGS["paper"], **TINY), 4, 6, (3, 5), updates=2)
    row = training_row(training)
    assert row["products"] == 4
    assert math.isclose(
        row["times faster"],
        row["JAX, product-periods/s"] / row["PyTorch, product-periods/s"],
    )
    with pytest.raises(DifferentLossesError, match=r"what: loss 2.0 of update 2 is 2.1 in PyTorch"):
        training.same(lambda: [1.0, 2.0, 3.0], lambda: [1.0, 2.1, 3.0])


def test_lanes_of_random_data_are_those_of_its_units():
    training = Training.of("", replace(CONFIGS["paper"], **TINY), 3, 4, (3, 5))
    # Its constructor checks that units by lane add up to those of a node.
    assert training.data.lane_units.sum() == training.data.outbound.sum() > 0
    plain = Training.of("", replace(PRESETS["small"], **TINY, **PLAIN), 3, 4, (3, 5))
    assert plain.data.lane is None
