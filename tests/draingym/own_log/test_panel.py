"""``draingym panel``."""

import pytest

from draingym.world.panel import load_panel


def test_a_panel_is_made_of_a_log_for_training(whole_folder, tmp_path, call, capsys):
    out = tmp_path / "panel.zarr"
    known = load_panel(whole_folder / "panel.zarr").attrs["known_periods"]
    for _ in range(2):  # a second time it is replaced by the same
        call("panel", whole_folder / "log", "--known-periods", known, "--out", out)
    shown = capsys.readouterr().out
    assert f"from the first {known} periods" in " ".join(shown.split())
    assert f"Next: draingym train-drain {out} --out drain" in shown
    assert load_panel(out).identical(load_panel(whole_folder / "panel.zarr"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--known-periods", 99), "known_periods is 99, must be in [1,"),
        (("--out", "FULL"), "FULL holds something that is no panel, must be empty"),
    ],
)
def test_a_panel_that_cannot_be_is_refused(
    words, message, whole_folder, refused, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FULL").mkdir()
    (tmp_path / "FULL" / "mine.txt").write_text("x")
    assert message in refused("panel", whole_folder / "log", *words)
