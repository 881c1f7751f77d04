"""The forecasters' benchmark on data it makes, without the packages that it compares with."""

import numpy as np
import pytest

from benchmarks import forecasters
from benchmarks.forecasters_parts.datasets import Dataset
from benchmarks.forecasters_parts.peers import LEVELS
from benchmarks.forecasters_parts.runs import kept_run, row_of, runs_of
from draingym.forecasters import SeriesData
from draingym.forecasters.data.grid import Grid, Step


@pytest.fixture
def dataset():
    target = np.random.default_rng(0).poisson(5.0, (4, 40)).astype(float)
    data = SeriesData(ids=tuple("abcd"), grid=Grid(0, Step("whole", 1)), target=target)
    return Dataset(name="made", data=data, horizon=3, season=7)


def peer_of(calls):
    """A forecast of the settings' level, whatever happened."""

    def peer(dataset, origin, settings, seed):
        calls.append((origin, settings["level"], seed))
        shape = (dataset.data.num_series, dataset.horizon)
        spread = np.linspace(-3.0, 3.0, len(LEVELS))[:, None, None]
        return settings["level"] + spread + np.zeros((1, *shape)), np.full(shape, 5.0)

    return peer


def test_settings_are_chosen_before_the_first_origin_that_is_scored(dataset, tmp_path):
    calls = []
    tried = ({"level": 50.0}, {"level": 5.0})
    options = {"origins": 2, "seeds": (0, 1)}
    settings, runs = runs_of(tmp_path, "peer", peer_of(calls), tried, dataset, **options)
    assert settings == {"level": 5.0}
    assert calls[:2] == [(31, 50.0, 0), (31, 5.0, 0)]
    assert calls[2:] == [(34, 5.0, 0), (34, 5.0, 1), (37, 5.0, 0), (37, 5.0, 1)]
    again = runs_of(tmp_path, "peer", peer_of(calls), tried, dataset, **options)
    assert len(calls) == 6  # nothing is run twice
    np.testing.assert_array_equal(again[1][3].losses, runs[3].losses)
    row = row_of(dataset, "peer", settings, runs)
    actual = dataset.data.target[:, 34:40]
    np.testing.assert_allclose(row["wMAPE"], np.abs(5.0 - actual).sum() / actual.sum())


def test_the_loss_is_the_crps_of_the_quantiles(dataset, tmp_path):
    settings = {"level": 5.0}
    run = kept_run(tmp_path, "peer", peer_of([]), dataset, 37, settings, 0)
    slow = np.mean(
        [
            2 * np.maximum(level * (run.actual - q), (level - 1) * (run.actual - q))
            for level, q in zip(LEVELS, run.quantiles, strict=True)
        ],
        axis=0,
    )
    np.testing.assert_allclose(run.losses, slow)


def test_claims_count_data_sets_whose_whole_interval_is_better():
    random = np.random.default_rng(0)
    rival = 1.0 + random.random(60)
    scores = {
        "one": {"LSTM": 0.5 * rival, "LightGBM": rival},
        "two": {"LSTM": rival, "LightGBM": rival},
        "three": {"LightGBM": rival},
    }
    claims = forecasters.claims_of(scores)
    (beaten,) = [claim for claim in claims if claim.needs]
    assert (beaten.value, beaten.passes) == (1.0, False)
    assert len(claims) == 3
