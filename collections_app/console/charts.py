"""Coordinates for the charts that templates draw as SVG.

Chart libraries write inline styles into their SVG, which the Content-Security-Policy forbids, and their colours do not
follow the theme. A chart is a few rectangles or one line in a box of WIDTH x HEIGHT, which the page stretches.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from collections_app.operations.overview import Overview
from recognition import packs

WIDTH, HEIGHT = 1000.0, 300.0
_GAP = 0.24
_PEAK = 4  # a day with so many times the calls of the nine quieter ones in ten is cut
_ORDER = ("match", "review", "no_match", "spoof")


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle of a chart; `kind` is its class."""

    x: float
    y: float
    width: float
    height: float
    kind: str


@dataclass(frozen=True, slots=True)
class Column:
    """A day of the activity chart: its bars, and the strip that shows its numbers on hover."""

    x: float
    width: float
    day: date
    searches: int
    enrolments: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Activity:
    """Searches a day, stacked by outcome, with enrolments beside them; `top` is the scale's upper end."""

    columns: tuple[Column, ...]
    top: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """Two histograms as the outlines of areas, each scaled to full height, from the score `low` to the score `high`."""

    genuine: str
    impostor: str
    low: float
    high: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A line, and the current point on it."""

    line: str
    x: float
    y: float


def activity(found: Overview) -> Activity:
    """Draw a tenant's last days."""
    top = max(1, *(max(day.searches, day.enrolments) for day in found.days))
    step = WIDTH / len(found.days)
    wide = step * (1 - _GAP)
    columns = []
    for place, day in enumerate(found.days):
        left = place * step + step * _GAP / 2
        bars, floor = [], HEIGHT
        for outcome in _ORDER:
            tall = HEIGHT * day.outcomes.get(outcome, 0) / top
            if tall:
                floor -= tall
                bars.append(Bar(round(left, 1), round(floor, 1), round(wide * 0.62, 1), round(tall, 1), outcome))
        tall = HEIGHT * day.enrolments / top
        if tall:
            bars.append(
                Bar(round(left + wide * 0.7, 1), round(HEIGHT - tall, 1), round(wide * 0.3, 1), round(tall, 1), "enrol")
            )
        columns.append(
            Column(round(place * step, 1), round(step, 1), day.day, day.searches, day.enrolments, tuple(bars))
        )
    return Activity(tuple(columns), top)


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls a day as bars; one that is taller than `top` is cut there, so that one peak does not flatten the others."""

    columns: tuple[tuple[date, int, Bar], ...]
    top: int
    peak: int


def calls(days: Sequence[tuple[date, int]]) -> Calls:
    """Draw the calls of each day."""
    counts = sorted(count for _, count in days)
    peak = max(1, counts[-1])
    usual = max(1, counts[(len(counts) * 9) // 10 - 1])
    top = usual if peak > _PEAK * usual else peak
    step = WIDTH / len(days)
    columns = []
    for place, (day, count) in enumerate(days):
        tall = HEIGHT * min(count, top) / top
        kind = "peak" if count > top else "match"
        size = (round(step * (1 - _GAP), 1), round(tall, 1))
        columns.append(
            (day, count, Bar(round(place * step + step * _GAP / 2, 1), round(HEIGHT - tall, 1), *size, kind))
        )
    return Calls(tuple(columns), top, peak)


def histogram(
    genuine: Sequence[int], impostor: Sequence[int], *, low: float, high: float, threshold: float, pack: str
) -> Histogram:
    """Draw the similarity of faces of one person and of different people, and the threshold."""
    at = WIDTH * (threshold - low) / (high - low)
    genuine, impostor = _coarser(genuine), _coarser(impostor)
    score, at = packs.get(pack).similarity.whole, round(min(max(at, 0), WIDTH), 1)
    return Histogram(_area(genuine), _area(impostor), score(low), score(high), at)


def false_match_curve(points: Sequence[tuple[float, float]], *, score: float, rate: float) -> Curve:
    """Draw the false match rate over the threshold, on a logarithmic axis, and the collection's own point."""
    low, high = points[0][0], points[-1][0]

    def place(at: float, value: float) -> tuple[float, float]:
        x = WIDTH * (at - low) / (high - low)
        return round(x, 1), round(HEIGHT * min(-math.log10(max(value, 1e-7)) / 6.5, 1), 1)

    line = " ".join("{},{}".format(*place(*point)) for point in points)
    return Curve(line, *place(score, rate))


def det(genuine: Sequence[int], impostor: Sequence[int], *, low: float, high: float, threshold: float) -> Curve | None:
    """Draw the false non-match rate over the false match rate, as the threshold moves.

    None where there are fewer than 100 pairs of either kind. Both axes are logarithmic, from 1 to 1e-4.
    """
    fewest = 100
    if sum(genuine) < fewest or sum(impostor) < fewest:
        return None
    width = (high - low) / len(genuine)
    points, here = [], (0.0, 0.0)
    missed, passed = 0, sum(impostor)
    for place, (own, strange) in enumerate(zip(genuine, impostor, strict=True)):
        x, y = _decades(passed / sum(impostor)), _decades(missed / sum(genuine))
        points.append(f"{round(WIDTH * (1 - x), 1)},{round(HEIGHT * y, 1)}")
        if low + place * width <= threshold:
            here = (round(WIDTH * (1 - x), 1), round(HEIGHT * y, 1))
        missed, passed = missed + own, passed - strange
    return Curve(" ".join(dict.fromkeys(points)), *here)


def _decades(share: float) -> float:
    """Return 0 for 1, and 1 for 1e-4 and less."""
    return min(1.0, -math.log10(max(share, 1e-4)) / 4)


def _coarser(counts: Sequence[int]) -> list[int]:
    """Merge four bins into one: with few pairs, finer bins look like noise."""
    return [sum(counts[start : start + 4]) for start in range(0, len(counts), 4)]


def _area(counts: Sequence[int]) -> str:
    """Return the outline of a histogram as an SVG path, its highest bin at full height."""
    top = max(max(counts, default=0), 1)
    step = WIDTH / max(len(counts), 1)
    points = [f"{round((n + 0.5) * step, 1)},{round(HEIGHT * (1 - count / top), 1)}" for n, count in enumerate(counts)]
    return f"M0,{HEIGHT:g} L{' L'.join(points)} L{WIDTH:g},{HEIGHT:g} Z" if points else ""
