"""Groups of series that share a network: by a label, by sales and sparsity, or by clusters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.cluster.vq import ClusterError, kmeans2, vq
from scipy.spatial.distance import cdist

from draingym.common.arrays import FloatArray, IntArray, require_whole
from draingym.common.config import require_fields
from draingym.forecasters.data.series import SeriesData
from draingym.forecasters.data.series_features import mean_sales, series_features, zero_share

ALL = "all"  # the group of every series where there are no others, and of a joint network
_GROUP = "group"  # the column of labels that a group becomes as a feature
_MOST_COMPARED = 1000  # series of a silhouette


@dataclass(frozen=True, kw_only=True, slots=True)
class Groups:
    """How series are grouped, and what groups are for.

    Raises:
        ValueError: If a value is none of its choices, or a label has no column.

    Example:
        >>> Groups(kind="label", column="category", use="fine-tune").most
        6
    """

    # By a static column; by rank of sales and share of zeros; by k-means on features of series.
    kind: Literal["label", "sales", "cluster"]
    # A network for each group; one for all, then tuned for each; one for all that sees the group.
    use: Literal["separate", "fine-tune", "feature"] = "separate"
    column: str = ""  # of the label
    most: int = 6  # clusters; the silhouette chooses from 2 on

    def __post_init__(self) -> None:
        """Check the choices; see the class."""
        require_fields(self, "groups")
        require_whole("groups.most", self.most, low=2)
        if (self.kind == "label") != (self.column != ""):
            raise ValueError(
                f"groups.column is {self.column!r}, must be a static column for groups by label, "
                "and empty otherwise"
            )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class GroupRule:
    """What was learned about groups: who is in which, and where the others belong."""

    groups: Groups
    members: Mapping[str, str]  # group by id, of the series met in training
    bounds: FloatArray  # [4] of sales: upper and lower third, and of the share of zeros
    centre: FloatArray  # [F] of features
    spread: FloatArray  # [F]
    centroids: FloatArray  # [k, F]

    @classmethod
    def learned(cls, groups: Groups, data: SeriesData, seed: int) -> GroupRule:
        """Learn the groups of training data."""
        bounds, centre, spread = np.zeros(4), np.zeros(0), np.ones(0)
        centroids = np.zeros((0, 0))
        if groups.kind == "sales":
            bounds = _sales_bounds(data)
        if groups.kind == "cluster":
            features = series_features(data)
            centre, spread = features.mean(axis=0), features.std(axis=0)
            spread = np.where(spread > 1e-9, spread, 1.0)
            centroids = clusters((features - centre) / spread, groups.most, seed)
        rule = cls(
            groups=groups,
            members={},
            bounds=bounds,
            centre=centre,
            spread=spread,
            centroids=centroids,
        )
        return replace(rule, members=dict(zip(data.ids, rule.assign(data), strict=True)))

    def assign(self, data: SeriesData) -> list[str]:
        """Return the group of each series: that of training, or where the rule puts a new one.

        Raises:
            ValueError: If the column of the label is missing.
        """
        if self.groups.kind == "label":
            if self.groups.column not in data.labels:
                raise ValueError(
                    f"column {self.groups.column!r} is missing, must be a static label to group by"
                )
            return [str(name) for name in data.labels[self.groups.column]]
        if self.groups.kind == "sales":
            found = _sales_groups(data, self.bounds)
        else:
            features = (series_features(data) - self.centre) / self.spread
            found = [f"cluster {k + 1}" for k in vq(features, self.centroids)[0]]
        return [self.members.get(name, new) for name, new in zip(data.ids, found, strict=True)]


def grouped(data: SeriesData, rule: GroupRule | None) -> tuple[SeriesData, list[str]]:
    """Return series, and the group whose network each has; their group as a label if it is one.

    Raises:
        ValueError: As ``GroupRule.assign`` does.
    """
    everyone = [ALL] * data.num_series
    if rule is None:
        return data, everyone
    names = rule.assign(data)
    if rule.groups.use != "feature":
        return data, names
    return replace(data, labels=dict(data.labels) | {_GROUP: np.array(names, np.str_)}), everyone


def _sales_bounds(data: SeriesData) -> FloatArray:
    sales, zeros = mean_sales(data), zero_share(data)
    # The rank of sales counts from the best seller: its first third lies above the quantile .67.
    return np.array(
        [
            np.quantile(sales, 0.67),
            np.quantile(sales, 0.33),
            np.quantile(zeros, 0.67),
            np.quantile(zeros, 0.33),
        ]
    )


def _sales_groups(data: SeriesData, bounds: FloatArray) -> list[str]:
    """Return G1, head: high sales, few zeros; G2, tail: low sales, many zeros; G3, the rest."""
    sales, zeros = mean_sales(data), zero_share(data)
    head = (sales >= bounds[0]) & (zeros <= bounds[2])
    tail = (sales < bounds[1]) & (zeros > bounds[3])
    return [str(name) for name in np.where(head, "G1", np.where(tail, "G2", "G3"))]


def clusters(points: FloatArray, most: int, seed: int) -> FloatArray:
    """Return the centroids of k-means, for the k of 2 to ``most`` with the best silhouette.

    Args:
        points: [S, F].
        most: Clusters, at most.
        seed: Of the first centroids and of the points of the silhouette.

    Returns:
        [k, F]; one centroid where there are fewer than three different points.
    """
    random = np.random.default_rng(seed)
    different = len(np.unique(points, axis=0))
    best: FloatArray = points.mean(axis=0, keepdims=True)
    score = -np.inf
    some = random.permutation(len(points))[:_MOST_COMPARED]
    for k in range(2, min(most, different - 1) + 1):
        try:
            centroids, label = kmeans2(points, k, minit="++", missing="raise", rng=random)
        except ClusterError:  # one of the clusters has lost all of its points
            continue
        found = silhouette(points[some], label[some])
        if found > score:
            best, score = centroids, found
    return best


def silhouette(points: FloatArray, label: IntArray) -> float:
    """Return the mean silhouette of clustered points.

    (b - a) / max(a, b), with a the mean distance to the others of a point's cluster, and b that to
    the nearest other cluster; 0 for a point that is alone.

    Source: Rousseeuw (1987).

    >>> round(silhouette(np.array([[0.0], [1.0], [10.0], [11.0]]), np.array([0, 0, 1, 1])), 2)
    0.9
    """
    names, own = np.unique(label, return_inverse=True)
    if len(names) < 2:
        return 0.0
    member = own[:, None] == np.arange(len(names))
    count = member.sum(axis=0)
    total = cdist(points, points) @ member  # [S, k] distances to the clusters
    inner = total[member] / np.maximum(count[own] - 1, 1)
    outer = np.where(member, np.inf, total / count).min(axis=1)
    found = (outer - inner) / np.maximum(np.maximum(inner, outer), 1e-12)
    return float(np.where(count[own] > 1, found, 0.0).mean())
