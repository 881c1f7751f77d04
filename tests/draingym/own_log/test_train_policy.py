"""``draingym train-policy`` on a log."""

import shlex

import numpy as np
import pytest

from draingym.common.npz import read_npz
from draingym.policies import load_policy, policy_world
from draingym.world.eventlog import read_log
from draingym.world.identity import WorldIdentity
from tests.common.test_processes import together


def words(folder, settings, out, policy):
    return (
        "train-policy", folder / "log", "--drain", folder / "drain_model.npz",
        "--panel", folder / "panel.zarr", "--settings", settings, "--policy", policy, "--out", out,
    )  # fmt: skip


@pytest.mark.parametrize("policy", ["historical", pytest.param("neural", marks=pytest.mark.slow)])
def test_a_policy_is_made_of_a_log_and_says_of_which(
    policy, whole_folder, settings, tmp_path, call, capsys
):
    out = tmp_path / f"{policy}.npz"
    call(*words(whole_folder, settings, out, policy))
    follows = (
        "draingym", "validate", whole_folder / "log", "--drain", whole_folder / "drain_model.npz",
        "--panel", whole_folder / "panel.zarr", "--settings", settings,
        "--allow-overlap", "products", "--policies", out,
    )  # fmt: skip
    assert f"Next: {shlex.join(map(str, follows))}\n" in capsys.readouterr().out
    world = policy_world(out)
    here = WorldIdentity.from_log(read_log(whole_folder / "log"))
    assert world.facts.node == here.facts.node
    assert world.facts.periods < here.facts.periods  # those that it was fitted on
    made, _ = load_policy(out)
    assert made.tree.parent.shape == (len(here.facts.node),)


@pytest.mark.long
def test_two_processes_train_it_as_one(whole_folder, settings, tmp_path):
    found = []
    for number in (1, 2):
        out = tmp_path / str(number) / "neural.npz"
        command = ("-m", "draingym.cli", *map(str, words(whole_folder, settings, out, "neural")))
        ended = together(number, *command, "--distributed")
        assert [code for code, _, _ in ended] == [0] * number, ended
        assert all("neural.npz" not in said for _, said, _ in ended[1:])
        assert out.is_file()
        assert (out.parent / "neural.training" / "policy_training.npz").is_file()
        found.append(read_npz(out, "policy")[1])
    one, two = found
    assert one.keys() == two.keys()
    for name, values in one.items():
        np.testing.assert_allclose(two[name], values, rtol=1e-5, atol=1e-5, err_msg=name)


def test_what_nothing_is_shared_out_of_is_refused(whole_folder, settings, tmp_path, refused):
    out = tmp_path / "new" / "up.npz"
    said = refused(*words(whole_folder, settings, out, "order-up-to"), "--distributed")
    assert "--distributed is True, must not be given: --policy is order-up-to" in said
    assert not out.parent.exists()
