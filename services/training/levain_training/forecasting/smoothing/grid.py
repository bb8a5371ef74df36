"""The settings that are tried for every product. Pure."""

import numpy as np

from levain_training.forecasting.smoothing.arrays import Array

# Memories from a day and a half to half a year: each step about doubles the share that a day has in the level. 0: a level that
# moves with its weekdays only.
ALPHAS = (0.0, 0.0125, 0.025, 0.05, 0.1, 0.2, 0.3, 0.45, 0.65)
# A weekday comes once a week: from a memory of two years to one of three weeks.
GAMMAS = (0.01, 0.03, 0.07, 0.15, 0.3)
# Where two ways of cleaning the days are compared, few settings tell as much as all.
_FEW = (0.05, 0.2), (0.03, 0.15)


def settings() -> tuple[Array, Array]:
    """Alpha and gamma, (settings, 1) each."""
    return _crossed(ALPHAS, GAMMAS)


def few_settings() -> tuple[Array, Array]:
    return _crossed(*_FEW)


def _crossed(alphas: tuple[float, ...], gammas: tuple[float, ...]) -> tuple[Array, Array]:
    alpha, gamma = np.meshgrid(alphas, gammas, indexing="ij")
    return alpha.reshape(-1, 1), gamma.reshape(-1, 1)
