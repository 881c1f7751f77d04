"""``draingym forecast`` on a file of a user's own."""

import sys

import pandas as pd
import pytest

from draingym import cli
from tests.forecasters.frames import weekly_pattern


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["draingym", "forecast", *map(str, arguments)])
    cli.main()


def test_a_csv_becomes_a_table_a_picture_and_a_file(monkeypatch, tmp_path, capsys):
    frame = weekly_pattern(4, 40).rename(columns={"unique_id": "item", "ds": "day", "y": "sold"})
    future = frame[frame.day >= "2024-02-06"].drop(columns="sold")
    frame[frame.day < "2024-02-06"].to_csv(tmp_path / "sales.csv", index=False)
    future.to_csv(tmp_path / "future.csv", index=False)
    out = tmp_path / "out"
    options = ["--id", "item", "--time", "day", "--target", "sold", "--known", "price"]
    run(
        monkeypatch,
        *(tmp_path / "sales.csv", "--horizon", 4, *options, "--future", tmp_path / "future.csv"),
        *("--epochs", 1, "--samples", 20, "--most-series", 3, "--out", out),
    )
    table = pd.read_csv(out / "forecast.csv")
    assert table.unique_id.nunique() == 3
    assert len(table) == 12
    assert (table["q0.05"] <= table["q0.95"]).all()
    assert sorted(set(table.ds)) == [f"2024-02-{day:02d}" for day in (6, 7, 8, 9)]
    assert (out / "forecast.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "forecaster.npz").is_file()
    assert "3 series over 36 periods of 1 days" in capsys.readouterr().out


@pytest.mark.long
@pytest.mark.parametrize("model", ["monotone", "tft"])
def test_transformers_forecast_a_file(monkeypatch, tmp_path, model):
    frame = weekly_pattern(4, 40)
    frame["stock"] = 50.0
    frame["off"] = (frame.price - 1.0).clip(0.0, 0.7)
    past, future = frame[frame.ds < "2024-02-06"], frame[frame.ds >= "2024-02-06"]
    past.to_csv(tmp_path / "sales.csv", index=False)
    future.drop(columns=["y", "stock"]).to_csv(tmp_path / "future.csv", index=False)
    discount = ["--discount", "off"] if model == "monotone" else []
    run(
        monkeypatch,
        *(tmp_path / "sales.csv", "--model", model, "--horizon", 4, "--known", "price", "off"),
        *("--past", "stock", "--stock", "stock", *discount, "--epochs", 2),
        *("--future", tmp_path / "future.csv", "--out", tmp_path / "out"),
    )
    table = pd.read_csv(tmp_path / "out" / "forecast.csv")
    assert len(table) == 16
    assert (table["q0.05"] <= table["q0.95"]).all()


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("item,ds,y\na,2024-01-01,1\n", [], "'unique_id' (--id unique_id) is missing"),
        (
            "unique_id,ds,y\na,2024-01-01,1\na,2024-01-02,2\na,2024-01-02,2\n",
            [],
            "two rows for 2024-01-02, must have one (--duplicates sum adds them up)",
        ),
        (
            "unique_id,ds,y,price\na,2024-01-01,1,2\na,2024-01-02,1,2\n",
            ["--known", "price"],
            "series 'a', column 'price', 2024-01-03 is not given",
        ),
        (
            "unique_id,ds,y\na,2024-01-01,1\na,2024-01-02,-1\n",
            [],
            "series 'a', column 'y', 2024-01-02 is -1",
        ),
        ("", ["--discount", "off"], "discount is 'off', must not be given for lstm"),
        (
            "",
            ["--model", "tft", "--stock", "left"],
            "stock is 'left', must be one of past = ()",
        ),
    ],
    ids=["column", "twice", "future", "negative", "discount", "stock"],
)
def test_bad_input_is_one_line(monkeypatch, tmp_path, capsys, text, options, message):
    (tmp_path / "sales.csv").write_text(text)
    with pytest.raises(SystemExit, match="2"):
        run(monkeypatch, tmp_path / "sales.csv", *options, "--out", tmp_path / "out")
    assert message in capsys.readouterr().err
