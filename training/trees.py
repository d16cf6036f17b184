"""Gradient-boosted trees as flat arrays: fitted by LightGBM for the order of lists, scored without it by one thread."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from feature_repo.errors import Corrupt
from training.arrays import read_array, write_array
from training.candidates.compiled import compiled
from training.interactions import Floats, Ints

PARAMETERS: Final = {
    "objective": "lambdarank",
    "lambdarank_truncation_level": 20,
    "num_leaves": 31,
    "learning_rate": 0.06,
    "min_data_in_leaf": 50,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "max_bin": 127,
    "use_missing": False,  # features are never missing, so that a split is one comparison
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


@dataclass(frozen=True, slots=True)
class Trees:
    """Nodes of all trees one after another. An inner node sends a row to ``left`` where ``row[feature] <= threshold``,
    else to ``right``; a leaf has ``feature`` -1 and its value in ``threshold``.

    ``root`` int32 [trees]; ``feature``, ``left``, ``right`` int32 [nodes]; ``threshold`` float64 [nodes].
    """

    root: Ints
    feature: Ints
    left: Ints
    right: Ints
    threshold: npt.NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        rows: Floats,
        label: npt.NDArray[np.int8],
        group: Ints,
        rounds: int,
        seed: int,
        threads: int,
        place: Ints | None = None,
    ) -> Self:
        """Learn to put the rows of each list with the higher labels first.

        ``rows`` float32 [n, features], ``label`` [n], ``group`` [lists]: how many rows in turn make a list; ``place``
        int32 [n]: where each stood, so that what a place alone brings is learnt apart from what an item brings
        (Unbiased LambdaMART, Hu et al., WWW 2019). LambdaRank (Burges: From RankNet to LambdaRank to LambdaMART,
        2010), the same for the same seed and rows.
        """
        import lightgbm

        seen = place if place is not None and place.any() else None
        settings = {"max_bin": PARAMETERS["max_bin"], "verbosity": -1}
        data = lightgbm.Dataset(rows, label, group=group, position=seen, params=settings)
        booster = lightgbm.train(PARAMETERS | {"seed": seed, "num_threads": threads}, data, num_boost_round=rounds)
        return cls.of(booster)

    @classmethod
    def of(cls, booster: Any) -> Self:
        """The trees of a LightGBM booster."""
        nodes: list[tuple[int, int, int, float]] = []
        roots = [_flatten(tree["tree_structure"], nodes) for tree in booster.dump_model()["tree_info"]]
        feature, left, right, threshold = zip(*nodes, strict=True)
        return cls(
            np.array(roots, np.int32),
            np.array(feature, np.int32),
            np.array(left, np.int32),
            np.array(right, np.int32),
            np.array(threshold, np.float64),
        )

    def score(self, rows: Floats) -> npt.NDArray[np.float64]:
        """The sum of all trees for each row [n, features]."""
        return sum_of_leaves(rows, self.root, self.feature, self.left, self.right, self.threshold)

    def save(self, folder: Path) -> None:
        for name in self.__slots__:
            write_array(folder, f"tree_{name}", getattr(self, name))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Corrupt when a file is missing or a node points outside, so that scoring never reads out of bounds."""
        root, feature, left, right = (
            read_array(folder, f"tree_{name}", np.int32) for name in ("root", "feature", "left", "right")
        )
        threshold = read_array(folder, "tree_threshold", np.float64)
        n = len(feature)
        inner = np.flatnonzero(feature >= 0)
        sound = (
            len(left) == len(right) == len(threshold) == n
            # A child lies behind its parent, so every path ends.
            and bool(np.all((left[inner] > inner) & (left[inner] < n) & (right[inner] > inner) & (right[inner] < n)))
            and bool(np.all((root >= 0) & (root < n)))
        )
        if not sound:
            raise Corrupt(f"the trees in {folder} point to nodes that are not there (tree_*.npy)", file=str(folder))
        return cls(root, feature, left, right, threshold)


@compiled
def sum_of_leaves(
    rows: Floats, root: Ints, feature: Ints, left: Ints, right: Ints, threshold: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Tree by tree, for a tree's nodes then stay in the processor's cache over all rows.

    Indices are unsigned: numba asks of a signed one at each step whether it counts from the end, a quarter of the time.
    """
    total = np.zeros(len(rows), np.float64)
    for tree in root:
        for row in range(len(rows)):
            node = np.uint64(tree)
            while feature[node] >= 0:
                value = rows[row, np.uint64(feature[node])]
                node = np.uint64(left[node]) if value <= threshold[node] else np.uint64(right[node])
            total[row] += threshold[node]
    return total


def _flatten(node: dict[str, Any], nodes: list[tuple[int, int, int, float]]) -> int:
    """Append the node and all below it; the node's own number."""
    number = len(nodes)
    if "leaf_value" in node:
        nodes.append((-1, -1, -1, float(node["leaf_value"])))
        return number
    nodes.append((-1, -1, -1, 0.0))
    left, right = _flatten(node["left_child"], nodes), _flatten(node["right_child"], nodes)
    nodes[number] = (int(node["split_feature"]), left, right, float(node["threshold"]))
    return number
