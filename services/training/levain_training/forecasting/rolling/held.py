"""What was forecast for days whose sales are known, one entry a product, origin and day. Pure."""

from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True)
class Curve:
    """Units per day of the horizon; `quantiles`: five a day (`levain_contracts.quantities.LEVELS`), None where a model has none."""

    mean: list[float]
    quantiles: list[tuple[float, ...]] | None


@dataclass(frozen=True)
class Held:
    """`actual`: None on closed days, which are no test. `scale`: MASE's, None without one. `curves`: by the model's name."""

    product_id: str
    product: str
    shop: str | None
    start: date
    actual: list[float | None]
    naive: list[float]
    scale: float | None
    curves: dict[str, Curve] = field(default_factory=dict)
