"""The book of the benchmarks, rendered from stored results: text in Markdown, and plots."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import OFFICIAL, OURS, Comparison, Measurement, Reached, Table, finding, reached, spread
from bench.plots import bars, lines

__all__ = ["render", "write"]

BUSY = 0.1
"""The share of the cores that others keep busy, from which a run does not count as made on a quiet machine."""

PLOTTED = ("A small read", "A long answer", "Resident memory", "An agent's session", "Cold start by platform")


def write(results: dict[str, Any], book: Path, pictures: Path) -> None:
    """Write the book and its plots; a plot that the book has no more is removed."""
    text, plots = render(results, pictures.relative_to(book.parent).as_posix())
    pictures.mkdir(parents=True, exist_ok=True)
    for old in pictures.glob("*.svg"):
        old.unlink()
    for name, plot in plots.items():
        (pictures / name).write_text(plot)
    book.write_text(text)


def render(results: dict[str, Any], pictures: str) -> tuple[str, dict[str, str]]:
    """The text of the book, and its plots by their file names in the folder ``pictures``."""
    parts = results["parts"]
    found = {name: [finding(one) for one in part["findings"]] for name, part in parts.items()}
    comparisons = [one for findings in found.values() for one in findings if isinstance(one, Comparison)]
    goals = [one for comparison in comparisons for one in reached(comparison)]
    plots: dict[str, str] = {}
    text = ["# Benchmarks", "", *_opening(results), *_in_short(comparisons), *_goals(goals), *_failed(parts)]
    for name, part in parts.items():
        if part["findings"]:
            text += [f"## {part['title']}", "", *_chapter(found[name], pictures, plots)]
    text += [*_again(), *_conditions(results)]
    return "\n".join(text).rstrip() + "\n", plots


def _opening(results: dict[str, Any]) -> Iterator[str]:
    yield (
        "What this server costs, measured beside the other MCP servers for Neo4j, in one run, in alternating rounds, "
        "against one database. `make bench` writes this page."
    )
    yield ""
    yield (
        "A figure is the median, with the least and the most in brackets. A **bold ratio** is this server's median "
        "divided by the other's; below 1 this server is faster or smaller. *Turns* are round trips to the database, "
        "which a proxy counts. In plots, the thin line spans the middle eight tenths of the samples."
    )
    yield ""
    parts = results["parts"].values()
    busy = {part["title"]: part["others"] for part in parts if _is_busy(part["others"], results)}
    if busy:
        told = ", ".join(f"{title.lower()} ({others:g})" for title, others in busy.items())
        yield (
            "> **Other work ran on this machine during this run**, so that times are longer and spread more than they "
            f"should. Cores that were busy before or after these parts, while no benchmark ran: {told}."
        )
        yield ""


def _is_busy(others: float | None, results: dict[str, Any]) -> bool:
    return others is not None and others > BUSY * int(results["about"]["machine"]["cores"])


def _in_short(comparisons: list[Comparison]) -> Iterator[str]:
    """Of each work that has a goal, how this server does beside the others."""
    yield from ("## In short", "", "| work | this / official | this / best other | this server | official |")
    yield "|---|---:|---:|---:|---:|"
    for one in comparisons:
        others = {name: spread(told)[0] for name, told in one.samples.items() if _is_rival(name)}
        if not one.goals or OURS not in one.samples or not others:
            continue
        mine = spread(one.samples[OURS])[0]
        best = (min if one.less_is_better else max)(others, key=lambda name: others[name])
        official = others.get(OFFICIAL)
        yield (
            f"| {one.title}, {one.row}{'' if one.less_is_better else ' (more is better)'} "
            f"| {'–' if official is None else f'**{mine / official:.2f}**'} | **{mine / others[best]:.2f}** ({best}) "
            f"| {_number(mine)} {one.unit} | {'–' if official is None else f'{_number(official)} {one.unit}'} |"
        )
    yield ""


def _is_rival(name: str) -> bool:
    return name != OURS and not name.startswith("bare")


def _goals(goals: list[Reached]) -> Iterator[str]:
    yield from ("## Goals", "", "| work | goal | measured | |", "|---|---:|---:|---|")
    for one in goals:
        outcome = "reached" if one.well else f"**missed by {one.missed_by}**"
        yield f"| {one.work} | {one.goal} | {one.figure} | {outcome} |"
    yield ""
    missed = [one for one in goals if not one.well]
    if missed:
        yield from ("What limits the missed ones:", "")
        yield from (
            f"- {one.work}: {one.figure}, goal {one.goal}, missed by {one.missed_by}. The limit: {one.limit}."
            for one in missed
        )
        yield ""


def _failed(parts: dict[str, Any]) -> Iterator[str]:
    failed = {name: part for name, part in parts.items() if part["failed"]}
    if failed:
        yield from ("## Parts that failed", "")
        for name, part in failed.items():
            yield f"- **{part['title']}**: {part['failed']} (`python -m bench.book --part {name}` runs it again)"
        yield ""


def _chapter(findings: list[Measurement], pictures: str, plots: dict[str, str]) -> Iterator[str]:
    done = set()
    for one in findings:
        if isinstance(one, Table):
            yield from _table(one)
        elif one.title not in done:
            done.add(one.title)
            group = [other for other in findings if isinstance(other, Comparison) and other.title == one.title]
            yield from _compared(group)
            for name, plot in _plots(group):
                plots[name] = plot
                yield from (f"![{one.title}]({pictures}/{name})", "")


def _table(table: Table) -> Iterator[str]:
    yield from (f"### {table.title}", "", f"| {' | '.join(table.columns)} |")
    numeric = [all(_is_number(row[at]) for row in table.rows) for at in range(len(table.columns))]
    yield f"|{'|'.join('---:' if right else '---' for right in numeric)}|"
    for row in table.rows:
        yield f"| {' | '.join(_cell(cell) for cell in row)} |"
    yield ""
    if table.note:
        yield from (table.note, "")


def _is_number(cell: object) -> bool:
    return not isinstance(cell, str) or bool(re.fullmatch(r"[\d,.]+", cell))


def _cell(cell: str | float | int | None) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return cell.replace("|", "\\|").replace("\n", " ")
    return f"{cell:,}"


def _compared(group: list[Comparison]) -> Iterator[str]:
    """One table: a row for each comparison, a column for each server, and this one's first."""
    names = list(dict.fromkeys(name for one in group for name in (*one.samples, *one.silent)))
    names.sort(key=lambda name: name != group[0].subject)
    units = {one.unit for one in group}
    yield from (f"### {group[0].title}", "")
    yield f"| {'' if len(units) > 1 else units.pop()} | {' | '.join(names)} |"
    yield f"|---|{'---:|' * len(names)}"
    for one in group:
        cells = [_figure(one, name) for name in names]
        unit = f", {one.unit}" if len({other.unit for other in group}) > 1 else ""
        more = "" if one.less_is_better else ", more is better"
        yield f"| {one.row}{unit}{more} | {' | '.join(cells)} |"
    yield ""
    for note in dict.fromkeys(one.note for one in group if one.note):
        yield from (note, "")


def _figure(one: Comparison, name: str) -> str:
    if name in one.silent:
        return one.silent[name]
    if name not in one.samples:
        return "–"
    median, low, high = spread(one.samples[name])
    text = _number(median)
    if low != high:
        text += f" ({_number(low)}–{_number(high)})"
    if name in one.turns:
        turns = one.turns[name]
        text += f", {turns:g} {'turn' if turns == 1 else 'turns'}"
    if name != one.subject and one.subject in one.samples and median:
        text = f"**{spread(one.samples[one.subject])[0] / median:.2f}** · {text}"
    return text


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _plots(group: list[Comparison]) -> Iterator[tuple[str, str]]:
    first = group[0]
    if len(group) > 1 and all(one.x is not None for one in group):
        names = list(dict.fromkeys(name for one in group for name in one.samples))
        series = {
            name: [(one.x or 0.0, spread(one.samples[name])[0]) for one in group if name in one.samples]
            for name in sorted(names, key=lambda name: name != OURS)
        }
        yield f"{_slug(first.title)}.svg", lines(first.title, "distance to the database, ms", "median, ms", series)
    elif first.title.startswith(PLOTTED):
        for one in [one for one in group if len(one.samples) > 1][:2]:
            title = f"{one.title}, {one.row}{'' if one.less_is_better else ' (more is better)'}"
            yield f"{_slug(title)}.svg", bars(title, one.unit, one.samples)


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _again() -> Iterator[str]:
    yield from (
        "## Run it again",
        "",
        "```sh",
        "make bench                                      # everything, about ten minutes on a quiet machine",
        ".venv/bin/python -m bench.book --part session   # one part again; the others stay as they are",
        ".venv/bin/python -m bench.book --render   # this page again from docs/benchmarks/results.json",
        "```",
        "",
        "`make bench` installs the other servers into an environment of their own. The first call of a process is "
        "measured without what `serve` itself asks the database as it starts, as in a function. The caller is the same "
        "small HTTP client for all. The samples, rounded to four digits, are in "
        "[results.json](docs/benchmarks/results.json).",
        "",
    )


def _conditions(results: dict[str, Any]) -> Iterator[str]:
    told = results["about"]
    yield from ("## Machine and versions", "", "| | |", "|---|---|")
    yield from (f"| {name} | {value} |" for name, value in told["machine"].items())
    yield from (f"| {name} | {value} |" for name, value in told["versions"].items())
    yield from ("", "| part | begun | seconds | cores busy before or after |", "|---|---|---:|---:|")
    for one in results["parts"].values():
        yield f"| {one['title']} | {one['begun']} | {one['seconds']:.0f} | {_cell(one['others'])} |"
