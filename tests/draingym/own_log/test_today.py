"""Today's stock and forecast, read from CSV."""

import numpy as np
import pytest

from draingym.commands.today import read_today

STOCK = "product,node,on_hand,arriving_0\n"
BAD_STOCK = [
    ("product,node\n", "lacks the column 'on_hand', must have product, node, on_hand"),
    (STOCK + "tea,York,3,0\ncoal,York,1,0\n", "row 3: product is 'coal', must be one of"),
    (STOCK + "tea,Bath,3,0\n", "row 2: node is 'Bath', must be one of"),
    (STOCK + "tea,York,2.5,0\n", "row 2: on_hand is '2.5', must be a whole number in [0,"),
    (STOCK + "tea,York,-1,0\n", "row 2: on_hand is '-1', must be a whole number"),
    (STOCK + "tea,York,3,x\n", "row 2: arriving_0 is 'x', must be a whole number"),
    (STOCK + "tea,York,nan,0\n", "row 2: on_hand is 'nan', must be"),
    (STOCK + "tea,York,3,0\ntea,York,3,0\n", "row 3: product 'tea' at node 'York' is there twice"),
    (STOCK + "tea,York,3\n", "row 2 has another number of cells than the 4 columns"),
    (STOCK + "tea,York,3,0,9\n", "row 2 has another number of cells than the 4 columns"),
    ("product,node,on_hand,arriving_7\ntea,York,3,1\n", "must be one of arriving_0 to arriving_1"),
    ("", "lacks the column 'product'"),
]


@pytest.mark.parametrize(("text", "message"), BAD_STOCK)
def test_bad_stock_is_named_by_row_and_column(text, message, tmp_path):
    (tmp_path / "stock.csv").write_text(text)
    sizes = {"products": ("tea", "milk"), "nodes": ("Leeds", "York"), "regions": ("n",), "leads": 2}
    with pytest.raises(ValueError, match=r"stock\.csv") as error:
        read_today(tmp_path / "stock.csv", None, **sizes)
    assert message in str(error.value)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_columns_may_be_parted_by_other_signs(separator, tmp_path):
    sizes = {"products": ("tea", "milk"), "nodes": ("Leeds, N", "York"), "regions": ("n",)}
    text = f"{STOCK.replace(',', separator)}{separator.join(('tea', 'Leeds, N', '3', '2'))}\n"
    (tmp_path / "stock.csv").write_text(text, encoding="utf-8-sig")
    found = read_today(tmp_path / "stock.csv", None, leads=1, **sizes)
    assert found.on_hand.tolist() == [[3, 0], [0, 0]]
    assert found.arriving.tolist() == [[[2, 0]], [[0, 0]]]


def test_stock_and_forecast_are_read_by_name(tmp_path):
    sizes = {"products": ("tea", "milk"), "nodes": ("Leeds", "York"), "regions": ("n", "s")}
    (tmp_path / "s.csv").write_text(
        "node,product,on_hand,note,arriving_1\nYork,milk,3,x,4\nLeeds,tea,1,y,\n"
    )
    (tmp_path / "f.csv").write_text("product,region,units\n" + "".join(
        f"{p},{z},{k}.5\n" for k, (p, z) in enumerate(
            [("milk", "s"), ("tea", "n"), ("tea", "s"), ("milk", "n")]
        )
    ))  # fmt: skip
    found = read_today(tmp_path / "s.csv", tmp_path / "f.csv", leads=2, **sizes)
    np.testing.assert_array_equal(found.on_hand, [[1, 0], [0, 3]])
    np.testing.assert_array_equal(found.arriving[1], [[0, 0], [0, 4]])
    np.testing.assert_array_equal(found.forecast, [[1.5, 2.5], [3.5, 0.5]])
    (tmp_path / "f.csv").write_text("product,region,units\ntea,n,1\n")
    with pytest.raises(ValueError, match=r"no row for product 'tea' in region 's'.*3 are missing"):
        read_today(tmp_path / "s.csv", tmp_path / "f.csv", leads=2, **sizes)
