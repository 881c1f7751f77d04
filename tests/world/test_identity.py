"""Worlds are told apart: by network, periods and products, and the difference is named."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from draingym.common.npz import read_npz, write_npz
from draingym.world.identity import (
    UnknownWorldWarning,
    WorldIdentity,
    _Facts,
    marks_of,
    require_same_world,
)

PRODUCTS = ("tea", "milk", "salt", "rice", "soap")
FACTS = _Facts(
    node=("Leeds", "York"),
    node_place=((53.8, -1.5), (53.96, -1.08)),
    parent=(-1, 0),
    region=("north", "south"),
    region_place=((54.0, -1.0), (51.0, 0.0)),
    period_days=7.0,
    first_date=date(2024, 1, 1),
    periods=30,
)
HERE = WorldIdentity(facts=FACTS, products=marks_of(PRODUCTS))


def other(products=PRODUCTS, **changes):
    return WorldIdentity(facts=replace(FACTS, **changes), products=marks_of(products))


def compare(found, *, trained):
    return require_same_world("model m.npz", found, "log l", HERE, PRODUCTS, trained=trained)


@pytest.mark.parametrize("trained", [False, True])
def test_the_same_world_is_the_same(trained):
    assert compare(other(), trained=trained) == ()


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"period_days": 2.0}, "its periods have 2 days, must have 7"),
        ({"node": ("Leeds", "Bath")}, "node 1 is 'Bath', must be 'York'"),
        (
            {"node": ("Leeds",), "node_place": ((53.8, -1.5),), "parent": (-1,)},
            "it has 1 nodes, must have 2",
        ),
        ({"node_place": ((53.8, -1.5), (51.4, -2.4))}, r"'York' lies at \(51.4, -2.4\), must lie"),
        ({"parent": (-1, -1)}, "the parent of node 'York' is -1, must be 0"),
        ({"region": ("north", "west")}, "region 1 is 'west', must be 'south'"),
        (
            {"first_date": date(2024, 1, 3)},
            "its periods are counted from 2024-01-03, must begin on the days of those from 2024-01",
        ),
    ],
    ids=["days", "name", "nodes", "place", "parent", "region", "weekday"],
)
def test_another_network_or_calendar_is_refused_by_what_differs(changes, message, trained):
    with pytest.raises(
        ValueError, match=f"model m.npz is of another world than log l: .*{message}"
    ):
        compare(other(**changes), trained=trained)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (other(products=PRODUCTS[:3]), "it has 3 products, must have 5"),
        (other(products=("tea", "milk", "salt", "oats", "soap")), "product 3 is another than 'ri"),
        (other(periods=29), "it has periods: 29, must be 30"),
        (other(first_date=date(2024, 1, 8)), "it begins on 2024-01-08, must be 2024-01-01"),
    ],
    ids=["fewer", "another", "periods", "later"],
)
def test_a_panel_must_have_the_products_and_periods_of_its_log(found, message):
    with pytest.raises(ValueError, match=message):
        compare(found, trained=False)


def test_what_was_trained_may_be_used_on_new_products_of_its_world_and_says_so():
    trained = HERE.of(PRODUCTS[:2], periods=20)
    (note,) = compare(trained, trained=True)
    assert note == ("model m.npz was not trained on 3 of 5 products: 'salt', 'rice', 'soap'.")
    assert HERE.of(PRODUCTS[1:2]).knows(PRODUCTS).tolist() == [False, True, False, False, False]
    with pytest.raises(ValueError, match="trained on 1 products, of which log l has none"):
        compare(other(products=("coal",)), trained=True)


def test_periods_are_counted_as_the_other_world_counts():
    later = WorldIdentity(
        facts=replace(FACTS, first_date=date(2024, 1, 15)), products=HERE.products
    )
    assert HERE.of(PRODUCTS, periods=20).periods_in(later) == (-2, 18)
    assert later.periods_in(HERE) == (2, 32)


def test_a_file_without_identity_is_warned_of():
    with pytest.warns(UnknownWorldWarning, match="model m.npz does not say in which world"):
        assert compare(None, trained=True) == ()


def test_an_identity_survives_a_file_and_damage_is_named(tmp_path):
    facts, marks = HERE.to_file()
    write_npz(tmp_path / "x.npz", marks, {"world": facts})
    meta, arrays = read_npz(tmp_path / "x.npz", "x")
    again = WorldIdentity.from_file(meta["world"], arrays, "x")
    assert again.facts == FACTS
    np.testing.assert_array_equal(again.products, HERE.products)
    assert WorldIdentity.from_file(None, arrays, "x") is None
    with pytest.raises(ValueError, match="x: world/products is missing"):
        WorldIdentity.from_file(facts, {}, "x")
    with pytest.raises(ValueError, match=r"x: world: parent has 1 entries, must have 2"):
        WorldIdentity.from_file(facts | {"parent": [-1]}, arrays, "x")
    with pytest.raises(ValueError, match=r"world\.colour is no field"):
        WorldIdentity.from_file(facts | {"colour": 1}, arrays, "x")
