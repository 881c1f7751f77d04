"""``draingym train-policy`` on a log."""

import pytest

from draingym.policies import load_policy, policy_world
from draingym.world.eventlog import read_log
from draingym.world.identity import WorldIdentity


@pytest.mark.parametrize("policy", ["historical", pytest.param("neural", marks=pytest.mark.slow)])
def test_a_policy_is_made_of_a_log_and_says_of_which(
    policy, whole_folder, settings, tmp_path, call
):
    out = tmp_path / f"{policy}.npz"
    call(
        "train-policy", whole_folder / "log", "--drain",
        whole_folder / "drain_model.npz", "--panel", whole_folder / "panel.zarr",
        "--settings", settings, "--policy", policy, "--out", out,
    )  # fmt: skip
    world = policy_world(out)
    here = WorldIdentity.from_log(read_log(whole_folder / "log"))
    assert world.facts.node == here.facts.node
    assert world.facts.periods < here.facts.periods  # those that it was fitted on
    made, _ = load_policy(out)
    assert made.tree.parent.shape == (len(here.facts.node),)
