"""``draingym replay``: what a log would have been under another policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.progress import Progress

from draingym.common.alone import alone
from draingym.common.arrays import require_seed, require_whole
from draingym.common.atomic import require_writable
from draingym.common.files import json_text, write_json
from draingym.oracle.replays.replay import replay
from draingym.oracle.replays.setting import ReplaySetting, read_setting
from draingym.oracle.replays.types import Decision
from draingym.policies import Historical, OrderUpTo, load_policy, policy_world, tree_of
from draingym.policies.acting import require_acts
from draingym.simulator import Policy
from draingym.world.eventlog import write_log
from draingym.world.identity import WorldIdentity, require_same_world
from draingym.world.panel import save_panel

NAMED = ("log", "order-up-to", "historical")
# What the printed values are; the second where no policy acted.
WITHOUT = (
    "value: revenue less ship and holding costs, without purchases, transfers and what is left, so "
    "that it compares with any other replay's; value_with_purchases: with them."
)
NO_PURCHASES = "The log's own stock was given, and not bought: there is none."


def choose(setting: ReplaySetting, name: str) -> Decision | np.ndarray:
    """Return what a log is to be replayed under.

    Args:
        setting: Derived from the log.
        name: "log" for the log's own stock, "order-up-to" or "historical" for these policies as
            they start out, or a ``.npz`` file written by ``policies.save_policy``.

    Raises:
        ValueError: If there is no such policy, the file is of none, or its policy was made for
            another network, or fitted to another world.
    """
    if name == "log":
        return setting.stock
    tree = tree_of(setting.network)
    order_up_to, historical = OrderUpTo(tree=tree), Historical(tree=tree)
    policies: dict[str, Policy] = {"order-up-to": order_up_to, "historical": historical}
    if name in policies:
        policy = policies[name]
        return Decision(policy=policy, params=policy.init(jax.random.key(0)))
    path = Path(name)
    if path.suffix != ".npz":
        msg = f"policy is {name!r}, must be one of {NAMED} or a .npz file of a policy"
        raise ValueError(msg)
    policy, params = load_policy(path, tree=tree)
    require_acts(f"policy {path}", policy, params, setting.seen)
    require_same_world(
        f"policy {path}",
        policy_world(path),
        "the log",
        WorldIdentity.from_log(setting.log),
        setting.log["products"]["id"].to_pylist(),
        trained=True,
    )
    return Decision(policy=policy, params=params)


def replay_folder(
    log: Path, policy: str, out: Path, planner: str, seed: int, start: int, console: Console
) -> dict[str, Any]:
    """Replay a log's folder; write ``log/``, ``panel.zarr`` and ``values.json`` to ``out``.

    Finished periods are kept in ``out/periods``; the same call goes on after them.

    Returns:
        What ``values.json`` holds: the value of every period and in all, without purchases and,
        under a policy, with them; units, cost and losses.

    Raises:
        ValueError: If the log or the policy is bad, a number is out of its bounds, or the folder
            cannot be written or holds another replay.
    """
    require_seed(seed)
    require_writable(out, "folder")
    setting = read_setting(log)
    require_whole("start", start, high=setting.num_periods - 1)
    decision = choose(setting, policy)
    if isinstance(decision, np.ndarray):
        decision = np.ascontiguousarray(decision[:, start:])
    with alone(out), Progress(console=console) as bar:
        task = bar.add_task("Replay", total=None)
        result = replay(
            setting,
            decision,
            planner=planner,
            seed=seed,
            start=start,
            folder=out / "periods",
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if result.log is None:  # never: it was recorded
        raise ValueError("the replay has no log")
    write_log(result.log, out / "log")
    save_panel(result.panel(), out / "panel.zarr")
    bought = isinstance(decision, Decision)
    figures = {
        "policy": policy,
        "planner": planner,
        "seed": seed,
        "start": start,
        # Of sales alone, so that replays under policies and on the log's own stock compare.
        "value": float(result.sales_values.sum()),
        "value_with_purchases": float(result.values.sum()) if bought else None,
        "units": int(result.outbound.sum()),
        "ship_cost": float(result.ship_cost.sum()),
        "lost": int(result.lost.sum()),
        "period_values": result.sales_values.sum(axis=0).tolist(),
        "period_values_with_purchases": result.period_values.tolist() if bought else None,
    }
    write_json(out / "values.json", figures)
    shown = ("value", "value_with_purchases", "units", "ship_cost", "lost")
    console.print(json_text({name: figures[name] for name in shown}))
    console.print(WITHOUT if bought else f"{WITHOUT} {NO_PURCHASES}")
    return figures
