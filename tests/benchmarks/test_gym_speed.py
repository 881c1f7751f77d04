"""The benchmark of what a learner feels, at a size that says nothing about speed."""

import json

import pytest

from benchmarks import gym_speed
from benchmarks.gym_parts import learning, single
from draingym.policies.training.env_ppo import EnvPPO
from draingym.registration import IDS, register_envs


@pytest.mark.slow
def test_parts_run_and_both_ways_of_learning_play_the_same_number_of_periods() -> None:
    register_envs()
    config = EnvPPO(envs=4, steps=3, minibatches=2, hidden=4, episodes=2)
    rows = [
        {"table": "single", **single.row(IDS["SingleStore"], 1)},
        {"table": "learning", **learning.row(IDS["SingleStore"], config, 1)},
    ]
    json.dumps(rows)
    assert all(value > 0 for row in rows for value in row.values() if isinstance(value, float))
    assert [claim.bar for claim in gym_speed.claims_of(rows)] == [3, 5]


def test_rates_pass_where_they_doubled_and_not_where_nothing_is_compared() -> None:
    row = {
        "table": "rates",
        "environment": "draingym/Placement-v0",
        "environments": 1024,
        "largest action": 1.0,
        "step of the processor, ms, now": 2.0,
        "first step cold, s, now": 7.0,
    }
    alone = gym_speed.claims_of([row])
    assert [claim.passes for claim in alone] == [False, False]
    beside = gym_speed.claims_of([row | {"step of the processor, ms, before": 5.0}])
    assert (beside[0].value, beside[0].passes) == (2.5, True)
