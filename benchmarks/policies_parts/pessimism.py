"""What pessimism over an ensemble of drain models does to policies that are trained in it."""

from __future__ import annotations

from benchmarks.policies_parts.placement_run import Figures, PlacementRun
from draingym.demo.stages import Advance
from draingym.drain_model import load_checkpoint, save_checkpoint, train
from draingym.policies import load_parameters, validate
from draingym.policies.validation.validate import COLUMNS


def train_members(placement: PlacementRun, advance: Advance) -> Figures:
    """Train the other members of an ensemble, from other seeds."""
    run, members = placement.run, placement.sizes.members
    for e in range(1, members):
        found = train(run.training_data, run.config.drain, seed=run.config.seed + 1000 * e)
        save_checkpoint(found.checkpoint, run.out / f"member{e}.npz")
        advance(e, members - 1)
    return {"members": members}


def pessimism(placement: PlacementRun, advance: Advance) -> Figures:
    """Train policies on an ensemble's mean less weight times spread, and validate them."""
    run, sizes = placement.run, placement.sizes
    members = [run.checkpoint] + [
        load_checkpoint(run.out / f"member{e}.npz") for e in range(1, sizes.members)
    ]
    neural, alone = placement.policy("neural")
    policies = {"one model": (neural, alone)}
    for done, weight in enumerate(sizes.weights):
        name = f"ensemble, weight {weight:g}"
        placement.trained(name, run.setting_of(members, pessimism=weight), sizes.updates)
        policies[name] = (neural, load_parameters(placement.path(name), neural))
        advance(done + 1, len(sizes.weights) + 1)
    found = {}
    for name, setting in (
        ("one model", run.setting),
        ("ensemble", run.setting_of(members, pessimism=0.0)),
    ):
        found[name] = validate(
            policies,
            setting.simulator,
            setting.params,
            setting.test,
            run.test_horizon,
            run.oracle(sizes.replications),
            run.truth(sizes.replications),
            judges=run.judges,
            seed=run.config.seed,
        )
    return {
        name: {
            policy: {c: v.estimate(policy, c).to_dict() for c in COLUMNS}
            | {
                "against one model": v.difference(policy, "one model", "truth").to_dict(),
            }
            for policy in policies
        }
        for name, v in found.items()
    }
