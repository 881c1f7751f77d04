import numpy as np

from draingym.world.lanes import join_periods, lane_slots


def test_lanes_are_summed_sorted_and_followed_by_nothing() -> None:
    found = lane_slots(
        product=np.array([1, 0, 1, 1]),
        period=np.array([0, 1, 0, 0]),
        node=np.array([2, 1, 0, 2]),
        region=np.array([3, 0, 4, 3]),
        units=np.array([5, 1, 2, 6]),
        shape=(2, 2),
    )
    assert found["units"].tolist() == [[[0, 0], [1, 0]], [[2, 11], [0, 0]]]
    assert found["node"].tolist() == [[[0, 0], [1, 0]], [[0, 2], [0, 0]]]
    assert found["region"].tolist() == [[[0, 0], [0, 0]], [[4, 3], [0, 0]]]


def test_where_nothing_was_shipped_one_slot_is_empty() -> None:
    none = np.zeros(0, int)
    found = lane_slots(none, none, none, none, none, (1, 2))
    assert found["units"].tolist() == [[[0], [0]]]


def test_periods_follow_each_other_with_slots_enough_for_all() -> None:
    one = lane_slots(*(np.array([0]) for _ in range(4)), np.array([7]), (1, 1))
    two = lane_slots(
        *(np.array([0, 0]), np.array([0, 0]), np.array([1, 2]), np.array([3, 3])),
        np.array([8, 9]),
        (1, 1),
    )
    both = join_periods([one, two])
    assert both["units"].tolist() == [[[7, 0], [8, 9]]]
    assert both["node"].tolist() == [[[0, 0], [1, 2]]]
