"""The only importer of statsforecast, inside a child process: importing it takes seconds.

`statsforecast.ets` is what `statsforecast.models.AutoETS` calls; without the other models the import is 1 s shorter (3.5 s, 4.6 s).
"""

import math
from typing import Any

import numpy as np
from pydantic import JsonValue
from statsforecast import ets as _untyped

from levain_training.forecasting.curves import Fitted
from levain_training.forecasting.history import WEEK, History, fill

_ets: Any = _untyped
# No trend: over two weeks an extrapolated one gains nothing and can run away, and without it a fit of two years takes
# 0.07 s instead of 0.37 s. Error and season: additive or multiplicative, by AICc.
MODEL = "ZNZ"
# Below four weeks a season of seven has too few repetitions to be told from noise.
LEAST_DAYS = 28


class AutoEts:
    def fit(self, history: History, horizon: int) -> Fitted | None:
        """None where the history is too short, or the library finds no model."""
        values = np.asarray(fill(history))
        if len(values) < LEAST_DAYS:
            return None
        try:
            with np.errstate(all="ignore"):
                found = _ets.ets_f(values, m=WEEK, model=MODEL)
                curve = _ets.forecast_ets(found, h=horizon, level=[80])
        except MemoryError:
            raise
        except Exception:  # the library raises bare exceptions, such as "no model able to be fitted"
            return None
        return Fitted(curve["mean"].tolist(), curve["lo-80"].tolist(), curve["hi-80"].tolist(), _artifact(found))


def _artifact(found: dict[str, Any]) -> dict[str, JsonValue]:
    """Enough to go on from the last day: the smoothing parameters, and level and season as they were then."""
    alpha, _, gamma, _ = (None if math.isnan(p) else round(float(p), 6) for p in found["par"][:4])
    level, *season = (round(float(s), 6) for s in found["states"][-1])
    seasons: list[JsonValue] = list(season)
    error, _, season_kind, _ = found["components"]
    return {
        "method": f"ETS({error},N,{season_kind})",
        "parameters": {"alpha": alpha, "gamma": gamma, "sigma2": float(found["sigma2"])},
        "state": {"level": level, "season": seasons},
    }
