"""A plot as SVG: hosts over time, an area for each version, stacked. Its colours are classes of the style sheet."""

import time
from collections.abc import Sequence
from html import escape

from headless.inventory.ask.versions_over_time import Course

__all__ = ["SERIES", "draw", "tabulate"]

SERIES = 8
"""Areas of their own; older versions than the newest so many are one."""
WIDTH, HEIGHT = 890, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 260, 28, 40
LABEL = 22  # characters of a version in the legend; its number has room beside it


def draw(course: Course) -> str:
    """Draw it; all text is escaped."""
    series = _join_oldest(course.versions)
    totals = [sum(values) for values in zip(*series.values(), strict=True)]
    top = _round_up(max(totals, default=0))
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="hosts by version over time" class="plot">',
        *_draw_scale(top),
        *_draw_times(course.times),
    ]
    below = [0] * len(course.times)
    for number, (version, values) in enumerate(series.items()):
        above = [low + value for low, value in zip(below, values, strict=True)]
        points = [_place(index, value, course.times, top) for index, value in enumerate(above)]
        points += reversed([_place(index, value, course.times, top) for index, value in enumerate(below)])
        outline = " ".join(points)
        parts.append(f'<polygon class="series{number}" points="{outline}"><title>{escape(version)}</title></polygon>')
        below = above
    return "".join([*parts, *_draw_legend(series), "</svg>"])


def tabulate(course: Course) -> list[tuple[str, list[int]]]:
    """The plot's numbers, for those who cannot see it: at a few times, the hosts that had each version."""
    series = _join_oldest(course.versions)
    places = _choose(len(course.times))
    rows = [(version, [values[place] for place in places]) for version, values in series.items()]
    return [("", [course.times[place] for place in places]), *rows]


def _choose(count: int) -> list[int]:
    """Some of so many places, evenly."""
    return sorted({round((count - 1) * part / 4) for part in range(5)}) if count else []


def _join_oldest(versions: dict[str, list[int]]) -> dict[str, list[int]]:
    if len(versions) <= SERIES:
        return versions
    names = list(versions)
    older = names[: len(names) - SERIES + 1]
    joined = [sum(values) for values in zip(*(versions[name] for name in older), strict=True)]
    return {f"{len(older)} older versions": joined, **{name: versions[name] for name in names[len(older) :]}}


def _round_up(most: int) -> int:
    """The scale's end: 1, 2 or 5 times a power of ten, four times that at most."""
    unit = 1
    while unit * 10 < most:
        unit *= 10
    return next(unit * factor for factor in (1, 2, 4, 5, 8, 10, 20) if unit * factor >= most)


def _draw_scale(top: int) -> list[str]:
    parts = []
    for part in range(5):
        value = top * part / 4
        y = _y(value, top)
        label = f"{value:,.0f}" if value == int(value) else ""
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="axis" x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{label}</text>')
    parts.append(f'<text class="axis" x="{LEFT - 8}" y="{TOP - 14}" text-anchor="end">hosts</text>')
    return parts


def _draw_times(times: Sequence[int]) -> list[str]:
    parts = []
    for number in _choose(len(times)):
        x = _x(number, len(times))
        day = time.strftime("%Y-%m-%d", time.gmtime(times[number]))
        parts.append(f'<text class="axis" x="{x}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{day}</text>')
    return parts


def _draw_legend(series: dict[str, list[int]]) -> list[str]:
    parts = []
    x = WIDTH - RIGHT + 24
    for row, (number, (version, values)) in enumerate(reversed(list(enumerate(series.items())))):
        y = TOP + 8 + 24 * row
        label = version if len(version) <= LABEL else version[: LABEL - 1] + "\u2026"
        now = f"{values[-1]:,}" if values else "0"
        parts.append(f'<rect class="series{number}" x="{x}" y="{y - 10}" width="12" height="12"/>')
        parts.append(f'<text class="axis" x="{x + 18}" y="{y}">{escape(label)} <tspan class="now">{now}</tspan></text>')
    return parts


def _place(number: int, value: float, times: Sequence[int], top: int) -> str:
    return f"{_x(number, len(times))},{_y(value, top)}"


def _x(number: int, count: int) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * (number / (count - 1) if count > 1 else 0), 1)


def _y(value: float, top: int) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / max(top, 1), 1)
