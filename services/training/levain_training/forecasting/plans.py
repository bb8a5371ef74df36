"""The built-in trainers' plans. Imports none of them."""

from levain_contracts.tasks import MAX_BATCH_PRODUCTS
from levain_training.forecasting.port import Trainer, TrainerPlan

# About 1 s of work: a job of 20 products still fills two workers, and a batch costs the broker a few milliseconds.
_SLOW_PRODUCTS = 8


def _smoothing() -> Trainer:
    from levain_training.forecasting.smoothing.trainer import Smoothing

    return Smoothing("smoothing")


def _blend() -> Trainer:
    from levain_training.forecasting.blend.trainer import Blend, why_no_trees
    from levain_training.forecasting.registry import TrainerNotInstalled

    if (why := why_no_trees()) is not None:
        raise TrainerNotInstalled(f"the model 'blend' is not installed here: {why}")
    return Blend("blend", choose=False)


def _auto() -> Trainer:
    from levain_training.forecasting.blend.trainer import Blend

    return Blend("auto", choose=True)


def _ets() -> Trainer:
    from levain_training.forecasting.autoets import AutoEts
    from levain_training.forecasting.per_product import PerProduct

    return PerProduct("ets", AutoEts())


def _prophet() -> Trainer:
    from levain_training.forecasting.per_product import PerProduct
    from levain_training.forecasting.prophet_curve import ProphetCurve

    return PerProduct("prophet", ProphetCurve())


SMOOTHING = TrainerPlan("smoothing", "shop", MAX_BATCH_PRODUCTS, _smoothing)
BLEND = TrainerPlan("blend", "shop", MAX_BATCH_PRODUCTS, _blend)
AUTO = TrainerPlan("auto", "shop", MAX_BATCH_PRODUCTS, _auto)
ETS = TrainerPlan("ets", "product", _SLOW_PRODUCTS, _ets, "statsforecast", "pip install 'levain[ets]'")
PROPHET = TrainerPlan("prophet", "product", _SLOW_PRODUCTS, _prophet, "prophet", "pip install 'levain[prophet]'")
