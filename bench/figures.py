"""What a benchmark measures, as plain data: comparisons of servers, tables, and the goals that hold for both.

All of it goes into JSON as it is, and the book is rendered from that.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

__all__ = [
    "OFFICIAL",
    "OURS",
    "Comparison",
    "Goal",
    "Measurement",
    "Reached",
    "Table",
    "finding",
    "reached",
    "spread",
    "stored",
]

OURS = "neo4j-m2m"
OFFICIAL = "neo4j-mcp-server (official)"

Quantity = Literal["median", "turns", "ratio"]


@dataclass(frozen=True)
class Goal:
    """What a comparison should show of this server: a quantity and the most, or the least, that it may be.

    A ratio is this server's median to that of ``against``. ``limit`` says what limits it, for the case that the goal
    is missed.
    """

    quantity: Quantity
    bound: float
    limit: str
    most: bool = True
    against: str = OFFICIAL


@dataclass(frozen=True)
class Comparison:
    """The same work by several servers: a row of the table ``title``.

    ``samples`` and ``turns``, the round trips to the database, are by server. ``silent`` says why one has no figure.
    ``note`` says what to know about the table; ``x`` is where the row is in a plot.
    ``subject`` is whose median is divided by the others'; if it has no samples, the table has no ratios.
    """

    title: str
    row: str
    unit: str
    samples: dict[str, list[float]]
    turns: dict[str, float] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)
    goals: list[Goal] = field(default_factory=list)
    less_is_better: bool = True
    x: float | None = None
    note: str = ""
    subject: str = OURS


@dataclass(frozen=True)
class Table:
    """Other figures: each row has a cell for each column. ``note`` says what to know about it."""

    title: str
    columns: list[str]
    rows: list[list[str | float | int | None]]
    note: str = ""


Measurement = Comparison | Table


@dataclass(frozen=True)
class Reached:
    """What became of a goal: the work, the goal in words, the figure, whether it is reached, and what limits it."""

    work: str
    goal: str
    figure: str
    well: bool
    missed_by: str
    limit: str


def finding(stored: dict[str, Any]) -> Measurement:
    """A comparison or table that was stored as JSON."""
    if "columns" in stored:
        return Table(**stored)
    return Comparison(**{**stored, "goals": [Goal(**goal) for goal in stored["goals"]]})


def stored(findings: Iterable[Measurement]) -> list[dict[str, Any]]:
    """For JSON, with four digits of each sample."""
    plain = [asdict(_plain(one)) for one in findings]
    for one in plain:
        for name, samples in one.get("samples", {}).items():
            one["samples"][name] = [float(f"{value:.4g}") for value in samples]
    return plain


def _plain(one: Measurement) -> Measurement:
    return replace(one, samples=dict(one.samples)) if isinstance(one, Comparison) else one


def spread(samples: Sequence[float]) -> tuple[float, float, float]:
    """The median, the least and the most."""
    return statistics.median(samples), min(samples), max(samples)


def reached(comparison: Comparison) -> list[Reached]:
    """What became of the goals of ``comparison``; of one that cannot be compared, nothing."""
    found = []
    for goal in comparison.goals:
        figure = _figure(comparison, goal)
        if figure is None:
            continue
        well = figure <= goal.bound if goal.most else figure >= goal.bound
        unit = {"median": f" {comparison.unit}", "turns": " turns", "ratio": f" × {goal.against}"}[goal.quantity]
        found.append(
            Reached(
                f"{comparison.title}, {comparison.row}",
                f"{'≤' if goal.most else '≥'} {goal.bound:g}{unit}",
                f"{figure:.3g}{unit}",
                well,
                "" if well else f"{abs(figure - goal.bound) / goal.bound:.0%}",
                goal.limit,
            )
        )
    return found


def _figure(comparison: Comparison, goal: Goal) -> float | None:
    if goal.quantity == "turns":
        return comparison.turns.get(OURS)
    if OURS not in comparison.samples:
        return None
    median = statistics.median(comparison.samples[OURS])
    if goal.quantity == "median":
        return median
    if goal.against not in comparison.samples:
        return None
    return median / statistics.median(comparison.samples[goal.against])
