"""HDPO's side of the comparison: run by the interpreter of its virtual environment, not by ours.

    python hdpo_side.py SOURCE FILE

The simulator, the networks, the loss and the trainer are its own. FILE is what
``benchmarks.networks_parts.hdpo`` wrote: demand, costs, lead times and orders as arrays, and what
HDPO's configuration files say as JSON. Every line of standard input,
``["simulate", 1, 0.2]``, is what to run, on how many threads, and for how many seconds at least;
the answer is ``[seconds a call, cost a period]``.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np


class Whole:
    """A data loader of one batch, which is there already."""

    def __init__(self, data: dict[str, Any]) -> None:
        """Hold it."""
        self.data = data
        self.dataset = data["demands"]

    def __iter__(self) -> Any:
        """Return the batch."""
        return iter([dict(self.data)])


class Side:
    """A problem, as HDPO has it."""

    def __init__(self, file: str) -> None:
        """Read it."""
        self.torch = import_module("torch")
        with np.load(file) as found:
            arrays = {name: self.torch.tensor(found[name]) for name in found if name != "told"}
            told = json.loads(str(found["told"]))
        self.periods, self.problem = told["periods"], told["problem_params"]
        self.observed = defaultdict(lambda: None, told["observation_params"])
        self.orders = {
            name.removeprefix("orders_"): arrays.pop(name)
            for name in list(arrays)
            if name.startswith("orders_")
        }
        batch = len(arrays["demands"])
        self.data = {
            name: value if name == "demands" else value.expand(batch, *value.shape).contiguous()
            for name, value in arrays.items()
        }
        self.simulator = import_module("environment").Simulator(device="cpu")
        self.training: tuple[Any, ...] | None = None
        if told["nn_params"] is not None:
            creator = import_module("neural_networks").NeuralNetworkCreator()
            scenario = SimpleNamespace(
                problem_params=self.problem, store_params={"demand": {"mean": told["means"]}}
            )
            model = creator.create_neural_network(scenario, told["nn_params"], device="cpu")
            optimizer = self.torch.optim.Adam(model.parameters(), lr=1e-3)
            loss = import_module("loss_functions").PolicyLoss()
            trainer = import_module("trainer").Trainer(device="cpu")
            self.training = (trainer, optimizer, loss, model)

    def simulate(self) -> float:
        """Return the mean cost a period of the orders that are given."""
        total = 0.0
        with self.torch.no_grad():
            self.simulator.reset(self.periods, self.problem, dict(self.data), self.observed)
            for t in range(self.periods):
                now = {kind: orders[t] for kind, orders in self.orders.items()}
                total = total + self.simulator.step(now)[1].sum()
        cost: float = float(total) / (len(self.data["demands"]) * self.periods)
        return cost

    def train(self) -> float:
        """Take one step of Adam; return the mean cost a period, and a store, before it."""
        if self.training is None:
            raise ValueError("nn_params is None, must be given: there is nothing to train")
        trainer, optimizer, loss, model = self.training
        model_of = (loss, self.simulator, model)
        problem = (self.periods, self.problem, self.observed)
        cost: float = trainer.do_one_epoch(optimizer, Whole(self.data), *model_of, *problem)[0]
        return cost


def main(source: str, file: str) -> None:
    """Answer every line of standard input."""
    sys.path.insert(0, source)
    side = Side(file)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        what, threads, least = json.loads(line)
        side.torch.set_num_threads(threads)
        calls, taken, start = 0, 0.0, time.perf_counter()
        while not calls or taken < least:
            cost = getattr(side, what)()
            calls, taken = calls + 1, time.perf_counter() - start
        print(json.dumps([taken / calls, cost]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
