"""The only importer of Prophet (Taylor & Letham 2018, "Forecasting at scale"), with its defaults but for the 80 % interval."""

import logging
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd

from levain_training.forecasting.curves import Fitted
from levain_training.forecasting.history import History

LEAST_DAYS = 28
# Prophet draws its interval from numpy's global generator, and its optimiser starts from a seed.
_SEED = 1

# They tell of each product, and of plotting libraries that are not there.
for _chatty in ("cmdstanpy", "prophet", "prophet.plot"):
    logging.getLogger(_chatty).disabled = True


class ProphetCurve:
    def __init__(self) -> None:
        self._prophet: Any = import_module("prophet")

    def fit(self, history: History, horizon: int) -> Fitted | None:
        known = [(day, value) for day, value in enumerate(history.values) if value is not None]
        if len(known) < LEAST_DAYS:
            return None
        rows = pd.DataFrame({"ds": _days(history, [day for day, _ in known]), "y": [value for _, value in known]})
        model = self._prophet.Prophet(interval_width=0.8)
        try:
            model.fit(rows, seed=_SEED)
        except MemoryError:
            raise
        except Exception:  # the optimiser raises a RuntimeError of whatever Stan said
            return None
        np.random.seed(_SEED)
        coming = model.predict(pd.DataFrame({"ds": _days(history, range(len(history.values), len(history.values) + horizon))}))
        mean, lo80, hi80 = (coming[name].tolist() for name in ("yhat", "yhat_lower", "yhat_upper"))
        return Fitted(mean, lo80, hi80, {"method": "Prophet", "parameters": {"interval_width": 0.8}})


def _days(history: History, offsets: Any) -> Any:
    return pd.to_datetime([history.start] * len(offsets)) + pd.to_timedelta(list(offsets), unit="D")
