"""What the papers rank, on their own data, beside the same methods on ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# Paper, its metric as a column of our rows, and its figures by our names of the methods.
PUBLISHED: Sequence[tuple[str, str, Mapping[str, float]]] = (
    (
        "LSTM, category set, mean mMAPE",
        "mMAPE mean",
        {"LSTM": 0.793, "seasonal naive": 0.811, "naive": 0.867, "ETS": 0.965, "ARIMA": 1.153},
    ),
    ("TFT-MTL, RMSE of sales", "RMSE", {"TFTMTL": 42.57, "TFT": 45.36, "NF-LSTM": 54.12}),
    (
        "Zalando, demand error",
        "demand error",
        {"MonotoneTransformer": 0.449, "LightGBM": 0.489, "DeepAR": 0.593, "naive": 0.603},
    ),
    ("ARMDN, mean wMAPE of week 1", "wMAPE", {"ARMDN": 28.58, "LightGBM": 32.30}),
)
# The trees of ARMDN's paper are boosted Cubist, and the LSTM variant printed first is CLUSTER.


def ranking_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return, for each paper and data set, its methods' printed figures beside ours."""
    scores = [row for row in rows if row["table"] == "accuracy"]
    found = []
    for paper, metric, printed in PUBLISHED:
        for data in dict.fromkeys(row["data"] for row in scores):
            mine = {row["model"]: row[metric] for row in scores if row["data"] == data}
            there = [name for name in printed if name in mine]
            own = sorted(there, key=lambda name: mine[name])
            found += [
                {
                    **{"table": "ranking", "paper": paper, "data": data, "model": name},
                    **{"printed": printed[name], "ours": mine[name], "metric": metric},
                    **{"printed rank": rank + 1, "our rank": own.index(name) + 1},
                }
                for rank, name in enumerate(sorted(there, key=lambda name: printed[name]))
            ]
    return found
