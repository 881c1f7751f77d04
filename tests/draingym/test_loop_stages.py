"""What the loop does before and between its stages: configuration, orders, which stages run."""

from copy import deepcopy
from dataclasses import replace

import pytest
from rich.console import Console

from draingym.common.config import read_config
from draingym.demo.config import LoopConfig
from draingym.demo.data_stage import get_orders
from draingym.demo.loop import STAGES, run_loop
from draingym.demo.run import Run
from tests.draingym.damage import CONFIG, stages
from tests.draingym.report_results import fake_verdict


def test_a_yes_ends_the_loop_without_a_round(tmp_path, monkeypatch):
    made = stages()
    made["verdict"] = made["final_verdict"]
    ran = []

    def stage(name):
        return lambda run, advance: ran.append(name) or deepcopy(made[name])

    fakes = tuple((name, title, stage(name)) for name, title, _ in STAGES)
    monkeypatch.setattr("draingym.demo.loop.STAGES", fakes)
    monkeypatch.setattr("draingym.demo.loop.write_report", lambda figures, out, episodes: out)
    for allowed in (True, False):  # a no, where no round is wanted, ends it as well
        if not allowed:
            made["verdict"] = fake_verdict()
        config = replace(CONFIG, fine_tune=allowed)
        figures = run_loop(config, tmp_path / str(allowed), Console(quiet=True))
        assert "final_verdict" not in figures
        assert not {"fine_tuning", "final_verdict"} & set(ran)
        assert ran[-1] == "validation"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sede": 1}, r"config.sede is no field, must be one of data, seed"),
        ({"drain": {"widht": 8}}, r"config.drain.widht is no field"),
        ({"samples": 1}, r"samples is 1, must be in \[2, 10000\]"),
        ({"train_share": "most"}, r"config.train_share is 'most', must be of type float"),
        ({"data": "jd"}, r"config.data is 'jd', must be one of ta-feng, synthetic"),
        ({"world": {"num_products": 0}}, r"config.world: world.num_products"),
        ({"tune": 3}, r"config.tune is 3, must hold fields of TuneConfig"),
    ],
    ids=["key", "nested key", "bound", "type", "choice", "nested bound", "not a table"],
)
def test_bad_config_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        read_config(LoopConfig, values)


def test_unreachable_data_falls_back_to_synthetic_orders_and_says_so(tmp_path, monkeypatch, capsys):
    from draingym.world.ta_feng import DataUnavailableError

    def unreachable():
        raise DataUnavailableError("no registry in sight")

    monkeypatch.setattr("draingym.demo.data_stage.load_order_lines", unreachable)
    figures = get_orders(Run(replace(CONFIG, data="ta-feng"), tmp_path), lambda done, total: None)
    assert figures["fallback"] == "no registry in sight"
    assert "going on with synthetic ones" in capsys.readouterr().out
    assert "synthetic" in figures["source"]
