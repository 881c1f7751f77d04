"""Pictures of the environments: what they show, and what they ask for."""

import sys

import gymnasium
import numpy as np
import pytest

import draingym  # noqa: F401  (registers the environments)
from tests.draingym.sizes import SMALL, US


@pytest.mark.parametrize("id", ["draingym/Placement-v0", "draingym/OneWarehouseManyStores-v0"])
def test_pictures_move_and_keep_their_figure(id):
    env = gymnasium.make(id, render_mode="rgb_array", **SMALL[id])
    env.reset(seed=0)
    frames = [env.render()]
    figure = env.unwrapped._painter._axes.figure
    for _ in range(2):
        env.step(np.full(env.action_space.shape, 0.5, np.float32))
        frames.append(env.render())
    for frame in frames:
        assert (frame.shape, frame.dtype) == ((440, 720, 3), np.uint8)
    assert (frames[0] != frames[1]).any()
    assert (frames[1] != frames[2]).any()
    np.testing.assert_array_equal(frames[2], env.render())
    assert env.unwrapped._painter._axes.figure is figure
    env.close()
    env.close()


def test_a_stockout_reddens_the_regions_around():
    env = gymnasium.make("draingym/Placement-v0", render_mode="rgb_array", **US)
    env.reset(seed=0)
    env.step(np.zeros(env.action_space.shape, np.float32))
    env.render()
    picture = env.unwrapped._painter
    assert picture._regions.get_array().max() > 0.5
    for _ in range(7):
        env.step(np.ones(env.action_space.shape, np.float32))
    env.render()
    assert picture._regions.get_array().max() < 0.5
    assert picture._nodes.get_sizes().max() > 100


def test_vectors_are_painted_one_by_one_and_collected():
    env = gymnasium.make_vec(
        "draingym/SingleStore-v0", num_envs=2, render_mode="rgb_array", horizon=4
    )
    env.reset(seed=0)
    before = env.render()
    env.step(np.array([[0.1], [0.9]], np.float32))
    after = env.render()
    assert len(before) == len(after) == 2
    assert (after[0] != after[1]).any()
    env.close()
    collected = gymnasium.wrappers.RenderCollection(
        gymnasium.make("draingym/SingleStore-v0", render_mode="rgb_array", horizon=4)
    )
    collected.reset(seed=0)
    collected.step(np.array([0.1], np.float32))
    assert len(collected.render()) == 2


def test_lists_of_pictures_are_gymnasiums():
    """Those of every period since the last call, or since an episode started."""
    lengths = []
    for mode in ({}, {"vectorization_mode": "sync"}):
        env = gymnasium.make_vec(
            "draingym/SingleStore-v0", 2, render_mode="rgb_array_list", horizon=2, **mode
        )
        env.reset(seed=0)
        taken = []
        for t in range(5):
            env.step(np.full((2, 1), 0.3, np.float32))
            if t != 1:
                taken.append([len(frames) for frames in env.render()])
        lengths.append(taken)
        env.close()
    assert lengths[0] == lengths[1]


def test_a_window_is_drawn_unseen_where_there_is_no_screen():
    env = gymnasium.make("draingym/Serial-v0", render_mode="human", horizon=4)
    env.reset(seed=0)
    env.step(np.full(4, 0.5, np.float32))
    assert env.render() is None
    assert "period 0" in env.unwrapped._painter._title.get_text()
    env.close()


def test_without_matplotlib_rendering_says_what_to_install(monkeypatch):
    env = gymnasium.make("draingym/SingleStore-v0", render_mode="rgb_array", horizon=4)
    env.reset(seed=0)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'draingym\[report\]'"):
        env.render()


def test_rendering_before_reset_is_refused():
    env = gymnasium.make("draingym/SingleStore-v0", render_mode="rgb_array", horizon=4)
    with pytest.raises(RuntimeError, match="nothing to render yet"):
        env.unwrapped.render()
