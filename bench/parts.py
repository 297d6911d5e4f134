"""How a part of the benchmarks is run by itself: it prints what it measured."""

from __future__ import annotations

import argparse
import json
from typing import Protocol

from bench.figures import Comparison, Measurement, spread, stored
from local.console import Console
from local.database import embedded_database
from local.neo4j import EmbeddedNeo4j
from local.settings import LocalSettings

__all__ = ["Measure", "alone"]


class Measure(Protocol):
    """Measures on the database with the sample graph; briefly, to see that it works."""

    def __call__(self, database: EmbeddedNeo4j, *, brief: bool) -> list[Measurement]: ...


def alone(measure: Measure, description: str | None) -> None:
    """The command line of one part: ``--brief`` measures little, ``--json`` prints the data."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--brief", action="store_true", help="measure little, to see that it works")
    parser.add_argument("--json", action="store_true", help="print the data that the book is rendered from")
    arguments = parser.parse_args()
    with embedded_database(LocalSettings.from_environ({}), Console()) as database:
        findings = measure(database, brief=arguments.brief)
    if arguments.json:
        print(json.dumps(stored(findings), indent=1))
    else:
        say(findings)


def say(findings: list[Measurement]) -> None:
    """Print each figure on a line."""
    for one in findings:
        if not isinstance(one, Comparison):
            print(one.title, " | ".join(one.columns), sep="\n  ")
            print(*("  " + " | ".join(str(cell) for cell in row) for row in one.rows), sep="\n")
            continue
        print(f"{one.title}, {one.row} ({one.unit})")
        for name, samples in one.samples.items():
            median, low, high = spread(samples)
            turns = f"  {one.turns[name]:g} turns" if name in one.turns else ""
            print(f"  {name:<30}{median:10.4g}  ({low:.4g}–{high:.4g}){turns}")
        for name, reason in one.silent.items():
            print(f"  {name:<30}{reason}")
