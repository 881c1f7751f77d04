"""The zoo's leaderboard: every row can be tuned, trained and judged, and claims say what is so."""

import json

import jax
import numpy as np
import pytest

from benchmarks import zoo
from benchmarks._docs_zoo import zoo_leaderboard
from benchmarks.zoo_parts.learning import LEARNERS, Budget, costs
from benchmarks.zoo_parts.settings import DualIndex, setting
from draingym.policies.task import seen
from draingym.zoo.table import TABLE


def row(method, gap, reached, *, against="optimum"):
    return {
        "problem": "LostSales-v0",
        "in": "cost a period",
        "method": method,
        "policy": "MLPPolicy, rate 0.01",
        "value": 6.836 * (1 + gap / 100),
        "low": 6.8,
        "high": 7.0,
        "against": against,
        "gap, %": gap,
        "gap low, %": gap - 0.1,
        "gap high, %": gap + 0.1,
        "periods to 1%": reached,
        "periods": 1000,
        "seconds": 3.0,
    }


def rows(gradient, ppo, **more):
    return [row("tuned rule", 2.0, np.nan), row("gradient", *gradient, **more), row("ppo", *ppo)]


@pytest.mark.parametrize(
    ("gradient", "ppo", "passes"),
    [
        ((0.5, 200.0), (3.0, np.inf), [True, None, True]),
        ((0.5, 400.0), (0.8, 200.0), [True, None, False]),
        ((1.5, np.inf), (0.8, 200.0), [False, None, False]),
    ],
    ids=["better", "later", "worse"],
)
def test_claims_say_who_is_within_a_per_cent_and_after_how_many_periods(gradient, ppo, passes):
    made = zoo.claims_of(rows(gradient, ppo))
    assert [claim.passes for claim in made] == passes
    assert made[0].value == gradient[0]


def test_where_no_optimum_is_known_the_tuned_rule_is_to_be_reached():
    within, _, _ = zoo.claims_of(rows((0.5, 200.0), (1.0, 300.0), against="tuned rule"))
    assert within.needs == "<= 0"
    assert not within.passes


def test_the_page_has_a_row_a_problem_and_method():
    shown = zoo_leaderboard({"rows": rows((0.5, 200.0), (3.0, None))})
    lines = shown.splitlines()
    assert len(lines) == 5
    assert "LostSales-v0: gradient" in lines[3]
    assert "0.5 [0.4, 0.6]" in lines[3]
    assert "never" in lines[4]


@pytest.mark.slow
@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.label)
def test_rules_and_learners_act_on_every_problem(entry):
    """Shapes alone: nothing is compiled."""
    found = setting(entry, tiny=True)
    observation = seen(found.task)
    arcs = found.task.params.source.shape
    for policy in (found.rule, found.learner):
        params = jax.eval_shape(policy.init, jax.random.key(0))
        asked = jax.eval_shape(policy.apply, params, observation, jax.random.key(0))
        assert asked.shape == arcs


def test_a_capped_dual_index_orders_as_it_says():
    task = setting(next(entry for entry in TABLE if entry.name == "DualSourcing"), tiny=True).task
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), seen(task))
    params = {"cap": np.float32(3), "expedite": np.float32(2), "regular": np.float32(4)}
    orders = DualIndex(soon=0).apply(params, zeros, jax.random.key(0))
    assert orders.tolist() == [2.0, 2.0]
    params["regular"] = np.float32(9)
    assert DualIndex(soon=0).apply(params, zeros, jax.random.key(0)).tolist() == [3.0, 2.0]


@pytest.mark.long
def test_orders_that_are_rounded_down_in_training_find_the_optimum():
    entry = next(entry for entry in TABLE if entry.name == "Perishable")
    found = setting(entry)
    learned = LEARNERS["gradient"](found, Budget(periods=1_000_000), 0)
    best = found.optimum()
    less = costs(found, learned.policy, learned.params) - costs(found, best.policy, best.params)
    assert less.mean() < 0.005 * best.cost


def test_an_unknown_environment_is_named(tmp_path):
    with pytest.raises(ValueError, match="only holds 'Nothing', must be some of SingleStore, "):
        zoo.main(only=("Nothing",), folder=tmp_path, results=tmp_path)
    with pytest.raises(ValueError, match="has no row, must have one at least"):
        zoo.main(folder=tmp_path, results=tmp_path, minutes=-1.0)


@pytest.mark.long
@pytest.mark.parametrize("name", ["SingleStore", "FixedOrderCost", "DualSourcing"])
def test_a_row_is_run_and_kept(name, tmp_path):
    options = {"preset": "tiny", "folder": tmp_path / "rows", "results": tmp_path}
    zoo.main(only=(name,), **options)
    found = json.loads((tmp_path / "zoo.json").read_text(encoding="utf-8"))
    assert [line["method"] for line in found["rows"]] == list(LEARNERS)
    kept = next((tmp_path / "rows").glob("*.json"))
    before = kept.stat().st_mtime_ns
    zoo.main(minutes=-1.0, **options)  # what is there is not run again
    assert kept.stat().st_mtime_ns == before
