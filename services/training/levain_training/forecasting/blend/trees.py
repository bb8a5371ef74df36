"""The only importer of LightGBM (Ke et al. 2017). One thread, and the same trees from the same rows whatever machine grows them."""

from typing import Any

import lightgbm as _untyped
import numpy as np

from levain_training.forecasting.smoothing.arrays import Array

_lightgbm: Any = _untyped
TREES = 150
# Absolute errors, since the sum of these is what WAPE counts. 15 leaves: half of the library's default, for a batch has 93,000
# rows at most; fifty rows a leaf, so that none is one product's fortnight; 63 bins are counted faster than 255.
_PARAMETERS = {
    "objective": "l1",
    "num_leaves": 15,
    "min_data_in_leaf": 50,
    "learning_rate": 0.05,
    "feature_fraction": 0.8,
    "max_bin": 63,
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "seed": 1,
    "verbosity": -1,
}


class Trees:
    def __init__(self, booster: Any) -> None:
        self._booster = booster

    def predict(self, features: Array, start: Array) -> Array:
        """(rows,) from `features` (rows, features) and what the trees correct."""
        found: Array = start + np.asarray(self._booster.predict(features, num_threads=1))
        return found


def grow(features: Array, target: Array, start: Array, weight: Array) -> Trees:
    """`features` (rows, features), NaN where unknown; the others (rows,). The trees correct `start`."""
    rows = _lightgbm.Dataset(features, target - start, weight=weight, free_raw_data=True, params={"max_bin": 63, "verbosity": -1})
    return Trees(_lightgbm.train(_PARAMETERS, rows, num_boost_round=TREES))
