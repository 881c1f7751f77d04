"""Ready-made environments: found without an import, correct at the edge."""

import subprocess
import sys

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from draingym.envs import placement_env, single_store_env


@pytest.mark.parametrize("make", [placement_env, single_store_env])
def test_check_env_passes_without_a_warning(make):
    check_env(make(horizon=8), skip_render_check=True)


def test_environments_are_found_by_name():
    code = (
        "import gymnasium, sys\n"
        "env = gymnasium.make('draingym:draingym/Placement-v0', horizon=3)\n"
        "env.reset(seed=0)\n"
        "ends = [env.step(env.action_space.sample())[3] for _ in range(3)]\n"
        "print(ends)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[False, False, True]"


def test_random_placement_conserves_units_and_never_ships_what_is_not_there():
    env = placement_env(horizon=40, units_per_period=20.0)
    observation, _ = env.reset(seed=1)
    nodes = env.action_space.shape[0]
    on_hand = observation[:nodes].copy()
    rng = np.random.default_rng(0)
    shipped_to_customers = 0.0
    for _ in range(40):
        action = rng.choice([0.0, 0.1, 1.0], nodes).astype(np.float32)
        observation, reward, _, _, info = env.step(action)
        moved = np.zeros(nodes)
        moved[0] = info["shipped"][1:].sum()
        np.testing.assert_array_equal(
            observation[:nodes], on_hand + info["stowed"] - moved - info["outbound"]
        )
        on_hand = observation[:nodes].copy()
        assert (on_hand >= 0).all()
        assert np.isfinite(reward)
        shipped_to_customers += info["outbound"].sum()
    assert shipped_to_customers > 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units_per_view": 0.0}, r"units_per_view is 0.0, must be in \(0, 1\]"),
        ({"units_per_period": -1.0}, "units_per_period is -1.0, must be above 0"),
        ({"horizon": 0}, "horizon is 0, must be at least 1"),
        ({"render_mode": "human"}, "render_mode is 'human', must be None"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        placement_env(**arguments)
