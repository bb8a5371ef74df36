"""A product's sales, forecasts and their intervals -> an SVG. Pure."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 960, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 36, 40
_HISTORY_DAYS = 56
_TICKS = 4


class Window(NamedTuple):
    """One forecast: units per day from `start` on."""

    start: date
    mean: Sequence[float]
    lo80: Sequence[float]
    hi80: Sequence[float]


def drawing(title: str, start: date, sales: Sequence[float | None], windows: Sequence[Window]) -> str:
    """`sales`: a day each from `start` on, None where the shop was closed. Drawn from eight weeks before the first forecast on."""
    first = max(windows[0].start - timedelta(days=_HISTORY_DAYS), start)
    last = max(window.start + timedelta(days=len(window.mean) - 1) for window in windows)
    shown = {start + timedelta(days=i): value for i, value in enumerate(sales) if value is not None}
    shown = {day: value for day, value in shown.items() if first <= day <= last}
    top = max(1.0, *shown.values(), *(value for window in windows for value in window.hi80))
    scale = _Scale(first, (last - first).days or 1, top)
    parts = [*_axes(scale, last), *(_band(scale, window) for window in windows), _line(scale, shown, "#444", 1.2)]
    parts += [_line(scale, {w.start + timedelta(days=i): value for i, value in enumerate(w.mean)}, "#c2410c", 2) for w in windows]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12">'
    legend = "sales: grey; forecast: orange; band: 80 of 100 days"
    text = f'<text x="{_LEFT}" y="20" font-size="14">{escape(title)}</text>'
    text += f'<text x="{_WIDTH - _RIGHT}" y="20" text-anchor="end">{legend}</text>'
    return "\n".join([head, '<rect width="100%" height="100%" fill="#fff"/>', text, *parts, "</svg>\n"])


class _Scale(NamedTuple):
    first: date
    days: int
    top: float

    def x(self, day: date) -> float:
        return round(_LEFT + (day - self.first).days / self.days * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(self, units: float) -> float:
        return round(_HEIGHT - _BOTTOM - units / self.top * (_HEIGHT - _TOP - _BOTTOM), 1)


def _axes(scale: _Scale, last: date) -> list[str]:
    parts = []
    for i in range(_TICKS + 1):
        units = scale.top * i / _TICKS
        y = scale.y(units)
        parts.append(f'<path d="M{_LEFT} {y}H{_WIDTH - _RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{units:.0f}</text>')
    monday = scale.first + timedelta(days=-scale.first.weekday() % 7)
    every = max(1, scale.days // 7 // 10)
    for week in range(0, (last - monday).days // 7 + 1, every):
        day = monday + timedelta(weeks=week)
        parts.append(f'<text x="{scale.x(day)}" y="{_HEIGHT - _BOTTOM + 20}" text-anchor="middle">{day:%d.%m.}</text>')
    return parts


def _band(scale: _Scale, window: Window) -> str:
    days = [window.start + timedelta(days=i) for i in range(len(window.mean))]
    there = [f"{scale.x(day)} {scale.y(value)}" for day, value in zip(days, window.hi80, strict=True)]
    back = [f"{scale.x(day)} {scale.y(value)}" for day, value in zip(days, window.lo80, strict=True)]
    return f'<path d="M{"L".join([*there, *reversed(back)])}Z" fill="#fdba74" fill-opacity="0.5"/>'


def _line(scale: _Scale, values: dict[date, float], colour: str, width: float) -> str:
    """Broken where a day is missing."""
    steps = []
    for day, value in sorted(values.items()):
        follows = day - timedelta(days=1) in values
        steps.append(f"{'L' if follows else 'M'}{scale.x(day)} {scale.y(value)}")
    return f'<path d="{"".join(steps)}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
