"""Makes `bakery.csv`, the shipped sample: a believable bakery, invented, the same bytes on every run.

Run as `python cli/levain/sample/make_sample.py`. Only `random.random` and what is built on it here is used: the standard library
keeps its sequence from version to version, other generators don't.
"""

import math
import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

FIRST, LAST = date(2024, 1, 1), date(2025, 12, 28)  # a Monday and a Sunday
MONDAY = 0
SEED = 20240101
HOLIDAYS = frozenset({date(year, *day) for year in (2024, 2025) for day in ((1, 1), (12, 25), (12, 26))})
EASTER = (date(2024, 3, 31), date(2025, 4, 20))  # closed as well
RUSH = {(12, 22): 1.25, (12, 23): 1.6, (12, 24): 1.9, (12, 30): 1.2, (12, 31): 1.5}
EASTER_RUSH = {1: 1.6, 2: 1.25}  # days before Easter Sunday

# The share of a mean day, Tuesday to Sunday; on Mondays the shop is closed.
BREAD = (0.0, 0.90, 0.88, 0.92, 1.15, 1.45, 0.70)
BREAKFAST = (0.0, 0.75, 0.75, 0.78, 0.90, 1.35, 1.47)
LUNCH = (0.0, 1.15, 1.12, 1.14, 1.18, 0.90, 0.51)
CAKE = (0.0, 0.70, 0.72, 0.78, 0.95, 1.35, 1.50)


class Product(NamedTuple):
    """`units` a mean day; `growth` a year; `winter` is the swing of the year, above 0 for more in winter."""

    name: str
    units: float
    week: tuple[float, ...]
    growth: float = 0.0
    winter: float = 0.0
    since: date = FIRST
    season: tuple[tuple[int, int], tuple[int, int]] | None = None


PRODUCTS = (
    Product("Baguette tradition", 180, BREAD, growth=0.04, winter=0.02),
    Product("Croissant", 150, BREAKFAST, growth=0.06),
    Product("Brötchen", 240, BREAKFAST, growth=-0.03),
    Product("Pain au chocolat", 85, BREAKFAST, growth=0.05),
    Product("Laugenbrezel", 95, LUNCH, growth=0.02, winter=-0.05),
    Product("Pain de campagne", 48, BREAD, winter=0.06),
    Product("Bauernbrot", 55, BREAD, growth=-0.05, winter=0.08),
    Product("Roggenmischbrot", 38, BREAD, growth=-0.02, winter=0.07),
    Product("Vollkornbrot", 30, BREAD, growth=0.03, winter=0.04),
    Product("Dinkelbrot", 26, BREAD, growth=0.10, winter=0.03),
    Product("Sourdough loaf", 42, BREAD, growth=0.15),
    Product("Kürbiskernbrötchen", 52, BREAKFAST, growth=0.06, winter=0.05),
    Product("Mohnbrötchen", 44, BREAKFAST, growth=-0.04),
    Product("Brioche", 22, BREAKFAST, winter=0.05),
    Product("Chausson aux pommes", 18, BREAKFAST, winter=0.10),
    Product("Cinnamon roll", 34, BREAKFAST, growth=0.12, winter=0.12),
    Product("Nussschnecke", 24, CAKE, growth=-0.03, winter=0.06),
    Product("Blueberry muffin", 20, LUNCH, growth=0.03, winter=-0.05),
    Product("Cheese scone", 14, LUNCH, winter=0.04),
    Product("Ham & cheese sandwich", 46, LUNCH, growth=0.08, winter=-0.06),
    Product("Focaccia", 28, LUNCH, growth=0.05, winter=-0.15),
    Product("Quiche lorraine", 16, LUNCH, winter=0.08),
    Product("Éclair au café", 17, CAKE, winter=-0.04),
    Product("Tarte aux fraises", 15, CAKE, growth=0.02, winter=-0.45),
    Product("Crème brûlée", 11, CAKE),
    Product("Käsekuchen", 19, CAKE, growth=0.03),
    Product("Bienenstich", 13, CAKE, winter=-0.08),
    Product("Christstollen", 24, BREAD, growth=0.05, season=((11, 12), (12, 24))),
    Product("Pistachio croissant", 32, BREAKFAST, growth=0.20, since=date(2025, 9, 30)),
    Product("Gluten-free loaf", 0.4, BREAD),
    Product("Panettone", 9, CAKE, since=date(2025, 12, 14)),
)


def is_open(day: date) -> bool:
    return day.weekday() != MONDAY and day not in HOLIDAYS and day not in EASTER


def rush(day: date) -> float:
    before = min((easter - day).days for easter in EASTER if easter >= day) if day <= EASTER[-1] else 0
    return RUSH.get((day.month, day.day), EASTER_RUSH.get(before, 1.0))


def expected(product: Product, day: date) -> float:
    if day < product.since:
        return 0.0
    if product.season and not product.season[0] <= (day.month, day.day) <= product.season[1]:
        return 0.0
    years = (day - FIRST).days / 365.25
    swing = 1 + product.winter * math.cos(2 * math.pi * (years - 0.03))
    trend: float = (1 + product.growth) ** years
    return product.units * product.week[day.weekday()] * trend * swing * rush(day)


def poisson(mean: float, chance: random.Random) -> int:
    """By inversion: one uniform number a draw."""
    left, count, share = chance.random(), 0, math.exp(-mean)
    while left > share and count < 2000:
        left -= share
        count += 1
        share *= mean / count
    return count


def noise(width: float, chance: random.Random) -> float:
    """A factor around 1 with about this standard deviation: Irwin-Hall, so no logarithm of the platform is involved."""
    return max(0.2, 1 + width * (sum(chance.random() for _ in range(12)) - 6))


def rows() -> Iterator[tuple[date, str, int]]:
    chance = random.Random(SEED)  # noqa: S311 - invented sales, no secret
    mood = 1.0
    for offset in range((LAST - FIRST).days + 1):
        day = FIRST + timedelta(days=offset)
        mood = 1 + 0.6 * (mood - 1) + (noise(0.05, chance) - 1)  # weather and the like: all products share it, and it lasts
        for product in PRODUCTS:
            mean = expected(product, day) * mood * noise(0.08, chance)
            sold = poisson(mean, chance) if is_open(day) else 0
            if sold:
                yield day, product.name, sold


def sample() -> str:
    return "date,product,quantity\n" + "".join(f"{day},{name},{sold}\n" for day, name, sold in rows())


if __name__ == "__main__":
    Path(__file__).with_name("bakery.csv").write_text(sample(), encoding="utf-8", newline="\n")
