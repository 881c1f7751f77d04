"""``draingym run``: all verbs in order."""

import json
import shutil

import pytest

from draingym.world.eventlog import read_log
from tests.draingym.damage import CONFIG


@pytest.mark.long
def test_all_verbs_run_in_order_and_go_on(whole_folder, settings, tmp_path, call, capsys):
    out, log = tmp_path / "own", tmp_path / "log"
    shutil.copytree(whole_folder / "log", log)
    values = json.loads(settings.read_text())
    values["drain"] = CONFIG.to_dict()["drain"] | {"epochs": 1}
    own = tmp_path / "settings.json"
    own.write_text(json.dumps(values))
    ids = read_log(log)["products"]["id"].to_pylist()
    node = read_log(log)["nodes"]["name"].to_pylist()[0]
    (tmp_path / "stock.csv").write_text(f'product,node,on_hand\n"{ids[0]}","{node}",3\n')
    words = (
        "run", log, "--settings", own, "--stock", tmp_path / "stock.csv", "--out", out,
        "--replications", 1,
    )  # fmt: skip
    call(*words)
    first = (out / "orders.csv").read_bytes()
    assert (out / "validation" / "validation.html").exists()
    capsys.readouterr()
    call(*words)
    said = capsys.readouterr().out
    assert said.count("done before, kept") >= 4
    assert (out / "orders.csv").read_bytes() == first


def test_a_run_that_cannot_be_is_refused_before_it_writes(whole_folder, refused, tmp_path):
    log, out = whole_folder / "log", tmp_path / "own"
    (tmp_path / "bad.json").write_text('{"train": {"updates": -1}}')
    said = refused("run", log, "--settings", tmp_path / "bad.json", "--out", out)
    assert "config.train: updates is -1" in said
    assert not out.exists()
    before = sorted(path.name for path in log.iterdir())
    assert "must be a folder of its own, and not that of a log" in refused("run", log, "--out", log)
    assert "must be a folder of its own" in refused("run", log, "--out", log / "own")
    assert sorted(path.name for path in log.iterdir()) == before
    said = refused("run", log, "--out", out)
    assert "training_horizon is 14, must be in [1, 9], with 10 periods to train on" in said
    assert not (out / "panel.zarr").exists()
    said = refused("validate", tmp_path / "none", "--drain", "m.npz")
    assert "--drain is m.npz, must not be given" in said
    assert "none is not there" in said
