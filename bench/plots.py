"""Small plots as SVG, which read in a light and in a dark theme.

They are written here and not by a library: what is needed is lines and bars with a legend, and libraries write the
colours of one theme into each file, with ten times as many bytes. Text and axes have the reader's ``currentColor``,
which a style in the file sets for both themes, since an image in a page inherits none; so have the series.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from bench.figures import OFFICIAL, OURS

__all__ = ["DARK", "LIGHT", "bars", "lines"]

LIGHT = ("#0969da", "#bc4c00", "#8250df", "#1a7f37", "#cf222e")
DARK = ("#58a6ff", "#ffa657", "#d2a8ff", "#3fb950", "#ff7b72")
TEXT = ("#1f2328", "#e6edf3")

_ALWAYS = (OURS, OFFICIAL, "neo4j-mcp-canary", "mcp-neo4j-cypher (labs)", "bare Python driver")
"""Whose colour is the same in every plot."""

WIDTH = 640
_RIGHT, _ROW, _LETTER = 110, 26, 6.6


def _style() -> str:
    def rules(colours: Sequence[str]) -> str:
        return "".join(f".s{n}{{color:{colour}}}" for n, colour in enumerate(colours))

    return (
        f"<style>svg{{color:{TEXT[0]}}}{rules(LIGHT)}"
        f"@media (prefers-color-scheme:dark){{svg{{color:{TEXT[1]}}}{rules(DARK)}}}</style>"
    )


def _document(title: str, height: int, body: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" font-family="system-ui, sans-serif" font-size="12">'
    )
    return "\n".join([head, _style(), f"<title>{escape(title)}</title>", _text(8, 18, title, 14), *body, "</svg>", ""])


def _text(x: float, y: float, text: str, size: int = 12, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="currentColor" font-size="{size}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, width: float = 1, opacity: float = 1) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="currentColor" '
        f'stroke-width="{width:g}" stroke-opacity="{opacity:g}"/>'
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _colour(name: str, number: int) -> str:
    return f"s{_ALWAYS.index(name) if name in _ALWAYS else number % len(LIGHT)}"


def _middle(samples: Sequence[float]) -> tuple[float, float]:
    """From where to where eight of ten samples are: a single one of hundreds would leave no room for the others."""
    if len(samples) < 10:
        return min(samples), max(samples)
    tenths = statistics.quantiles(samples, n=10)
    return tenths[0], tenths[-1]


def bars(title: str, unit: str, samples: Mapping[str, Sequence[float]]) -> str:
    """A bar for each median, with a thin line that spans the middle eight tenths of the samples."""
    most = max(_middle(told)[1] for told in samples.values()) or 1
    left = 16 + _LETTER * max(len(name) for name in samples)
    scale = (WIDTH - left - _RIGHT) / most
    body = []
    for number, (name, told) in enumerate(samples.items()):
        median, (low, high) = statistics.median(told), _middle(told)
        top = 34 + number * _ROW
        middle = top + 8
        body += [
            _text(left - 8, middle + 4, name, anchor="end"),
            f'<rect class="{_colour(name, number)}" x="{left:.1f}" y="{top}" width="{max(median * scale, 1):.1f}" '
            'height="16" fill="currentColor"/>',
            _line(left + low * scale, middle, left + high * scale, middle, 1.5),
            _text(left + max(median, high) * scale + 8, middle + 4, f"{_number(median)} {unit}"),
        ]
    return _document(title, 34 + len(samples) * _ROW + 8, body)


def lines(title: str, across: str, unit: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """A line for each series of points, from zero."""
    left, right, top, bottom = 56, WIDTH - 220, 40, 280
    most_x = max(x for points in series.values() for x, _ in points) or 1
    most_y = max(y for points in series.values() for _, y in points) or 1
    step = _step(most_y)

    def at(x: float, y: float) -> tuple[float, float]:
        return left + x / most_x * (right - left), bottom - y / most_y * (bottom - top)

    body = [_line(left, bottom, right, bottom), _text((left + right) / 2, bottom + 36, across, anchor="middle")]
    for number in range(int(most_y / step) + 1):
        _, y = at(0, number * step)
        body += [_line(left, y, right, y, opacity=0.15), _text(left - 6, y + 4, _number(number * step), anchor="end")]
    for x in sorted({x for points in series.values() for x, _ in points}):
        body.append(_text(at(x, 0)[0], bottom + 18, f"{x:g}", anchor="middle"))
    body.append(_text(left, top - 8, unit, 11))
    for number, (name, points) in enumerate(series.items()):
        places = [at(x, y) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        legend = top + 10 + number * 20
        body += [
            f'<g class="{_colour(name, number)}">',
            f'<polyline points="{path}" fill="none" stroke="currentColor" stroke-width="2"/>',
            *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="currentColor"/>' for x, y in places),
            f'<rect x="{right + 16}" y="{legend - 9}" width="10" height="10" fill="currentColor"/>',
            "</g>",
            _text(right + 32, legend, name),
        ]
    return _document(title, bottom + 50, body)


def _step(most: float) -> float:
    rough = most / 5
    power: float = 10 ** math.floor(math.log10(rough))
    return next(power * times for times in (1, 2, 5, 10) if power * times >= rough)
