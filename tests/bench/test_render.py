"""The book is rendered from stored results, without measuring."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench.figures import OFFICIAL, OURS, Comparison, Goal, Measurement, Table, finding, reached, stored
from bench.plots import DARK, LIGHT, TEXT, bars, lines
from bench.render import render, write

LABS = "mcp-neo4j-cypher (labs)"
LIMIT = "what limits it"


def comparison(**changed: Any) -> Comparison:
    fields: dict[str, Any] = {
        "title": "A small read",
        "row": "1 caller",
        "unit": "ms",
        "samples": {OURS: [2.0, 3.0, 4.0], OFFICIAL: [5.0, 6.0, 7.0], LABS: [12.0]},
        "turns": {OURS: 1, OFFICIAL: 4},
        "goals": [Goal("ratio", 0.6, LIMIT)],
    }
    return Comparison(**{**fields, **changed})


def part(*findings: Measurement, failed: str = "", others: float | None = 0.02) -> dict[str, Any]:
    return {
        "title": "Reads",
        "begun": "2026-11-26 02:00 UTC",
        "seconds": 12.3,
        "others": others,
        "failed": failed,
        "findings": stored(findings),
    }


def results(**parts: dict[str, Any]) -> dict[str, Any]:
    machine = {"processor": "a processor", "cores": 2, "memory": "8 GB", "system": "Linux"}
    about = {"begun": "2026-11-26 02:00 UTC", "machine": machine, "versions": {OFFICIAL: "1.6.1"}}
    return json.loads(json.dumps({"about": about, "parts": parts}))  # type: ignore[no-any-return]


def text_of(*findings: Measurement, **changed: Any) -> str:
    return render(results(reads=part(*findings, **changed)), "pictures")[0]


def section(text: str, heading: str) -> str:
    return text.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def test_findings_come_back_from_json_as_they_were() -> None:
    told: list[Measurement] = [
        comparison(x=20.0, silent={"another": "is not installed"}),
        Table("t", ["a"], [["b"], [None]]),
    ]
    assert [finding(one) for one in json.loads(json.dumps(stored(told)))] == told


def test_samples_are_kept_with_four_digits() -> None:
    (kept,) = stored([comparison(samples={OURS: [12.345678, 0.000123456]})])
    assert kept["samples"][OURS] == [12.35, 0.0001235]


def test_ratios_come_before_everything_else() -> None:
    text = text_of(comparison())
    assert text.index("## In short") < text.index("## Goals") < text.index("## Reads") < text.index("## Run it again")
    (row,) = [line for line in section(text, "In short").splitlines() if "A small read" in line]
    assert [cell.strip() for cell in row.split("|")[2:4]] == ["**0.50**", f"**0.50** ({OFFICIAL})"]


def test_a_cell_of_another_server_says_the_ratio_the_median_the_spread_and_the_turns() -> None:
    text = text_of(comparison())
    assert "| 1 caller | 3 (2–4), 1 turn | **0.50** · 6 (5–7), 4 turns | **0.25** · 12 |" in text


def test_ways_of_this_server_are_divided_by_the_one_that_is_named_or_by_none() -> None:
    ways = {"source": [4.0], "shipped": [2.0]}
    assert "| 1 caller | 2 | **0.50** · 4 |" in text_of(comparison(samples=ways, turns={}, subject="shipped"))
    assert "| 1 caller | 4 | 2 |" in text_of(comparison(samples=ways, turns={}))


def test_a_note_stands_once_below_its_table() -> None:
    text = text_of(comparison(note="Mind the gap."), comparison(row="16 callers", note="Mind the gap."))
    assert text.count("Mind the gap.") == 1
    assert text.index("16 callers") < text.index("Mind the gap.")


def test_a_server_that_has_no_figure_says_why() -> None:
    text = text_of(comparison(samples={OURS: [1.0]}, silent={OFFICIAL: "needs APOC"}))
    assert "| 1 caller | 1, 1 turn | needs APOC |" in text


@pytest.mark.parametrize(
    ("goal", "outcome"),
    [
        (Goal("ratio", 0.6, LIMIT), ""),
        (Goal("ratio", 0.4, LIMIT), "25%"),
        (Goal("ratio", 1, LIMIT, most=False), "50%"),
        (Goal("median", 3, LIMIT), ""),
        (Goal("median", 2, LIMIT), "50%"),
        (Goal("turns", 1, LIMIT), ""),
        (Goal("ratio", 0.2, LIMIT, against=LABS), "25%"),
    ],
)
def test_a_goal_is_reached_or_missed_by_a_part_of_it(goal: Goal, outcome: str) -> None:
    (told,) = reached(comparison(goals=[goal]))
    assert (told.well, told.missed_by) == (not outcome, outcome)


def test_a_goal_that_cannot_be_looked_at_is_neither_reached_nor_missed() -> None:
    assert reached(comparison(samples={OURS: [1.0]})) == []
    assert reached(comparison(samples={OFFICIAL: [1.0]}, turns={})) == []


def test_a_missed_goal_is_named_with_how_much_it_is_missed_by_and_what_limits_it() -> None:
    goals = section(text_of(comparison(goals=[Goal("median", 2, LIMIT)])), "Goals")
    assert "| A small read, 1 caller | ≤ 2 ms | 3 ms | **missed by 50%** |" in goals
    assert f"- A small read, 1 caller: 3 ms, goal ≤ 2 ms, missed by 50%. The limit: {LIMIT}." in goals
    assert "What limits" not in text_of(comparison())


def test_a_part_that_failed_is_named_and_the_others_are_kept() -> None:
    broken = {**part(failed="it took longer than 240 seconds"), "title": "Cold starts"}
    text, _ = render(results(reads=part(comparison()), cold_start=broken), "pictures")
    said = section(text, "Parts that failed")
    assert "- **Cold starts**: it took longer than 240 seconds (`python -m bench.book --part cold_start`" in said
    assert "3 (2–4), 1 turn" in text
    assert "Parts that failed" not in text_of(comparison())


def test_a_run_on_a_busy_machine_is_marked_as_such() -> None:
    assert "> **Other work ran on this machine" in text_of(comparison(), others=0.3)
    assert "Other work" not in text_of(comparison(), others=0.1)
    assert "Other work" not in text_of(comparison(), others=None)


def test_a_table_shows_what_is_not_known_as_a_dash_and_numbers_to_the_right() -> None:
    text = text_of(Table("Sizes", ["what", "bytes"], [["a|b", 12345], ["c", None]], "A note."))
    assert "| what | bytes |\n|---|---:|\n| a\\|b | 12,345 |\n| c | – |\n\nA note." in text


DISTANCES = [comparison(title="The same again", row=f"{x} ms away", x=float(x)) for x in (0, 20)]


def test_every_plot_that_is_shown_is_written_and_an_old_one_is_removed(tmp_path: Path) -> None:
    pictures = tmp_path / "docs" / "benchmarks"
    pictures.mkdir(parents=True)
    (pictures / "old.svg").write_text("<svg/>")
    (pictures / "results.json").write_text("{}")
    write(results(reads=part(comparison(), *DISTANCES)), tmp_path / "BENCHMARKS.md", pictures)
    shown = re.findall(r"\]\(([^)]*\.svg)\)", (tmp_path / "BENCHMARKS.md").read_text())
    assert len(shown) == 2
    assert {path.relative_to(tmp_path).as_posix() for path in pictures.iterdir()} == {
        *shown,
        "docs/benchmarks/results.json",
    }


PLOTS = {
    "bars": bars("Bars <&>", "ms", comparison().samples),
    "lines": lines("Lines", "distance", "ms", {OURS: [(0, 1), (20, 2)], OFFICIAL: [(0, 4), (20, 9)]}),
    "nothing but zeros": lines("Lines", "distance", "ms", {OURS: [(0, 0), (0, 0)]}),
}


@pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS)
def test_a_plot_is_svg_whose_colours_follow_the_theme(plot: str) -> None:
    drawn = ElementTree.fromstring(plot)  # this project's own text
    for element in drawn.iter():
        for attribute in ("fill", "stroke", "color"):
            assert element.get(attribute) in (None, "none", "currentColor"), element.attrib
    style = drawn.findtext("{http://www.w3.org/2000/svg}style") or ""
    light, _, dark = style.partition("@media (prefers-color-scheme:dark)")
    classes = {name for element in drawn.iter() for name in (element.get("class") or "").split()}
    for name in ("svg", *(f".{name}" for name in classes)):
        assert f"{name}{{color:" in light
        assert f"{name}{{color:" in dark


def test_the_longest_name_has_room_in_front_of_its_bar() -> None:
    name = "AWS Lambda, in the Runtime Interface Emulator"
    drawn = ElementTree.fromstring(bars("Starts", "s", {name: [1.0], "b": [2.0]}))
    end = next(float(one.get("x", "")) for one in drawn.iter() if one.text == name)
    assert end >= 6 * len(name)


def test_a_server_has_the_same_colour_in_every_plot_and_one_outlier_does_not_set_the_scale() -> None:
    both = (bars("b", "ms", {OFFICIAL: [5.0], OURS: [2.0] * 99 + [900.0]}), PLOTS["lines"])
    for plot in both:
        assert re.findall(r'class="(s\d)"', plot) == (["s1", "s0"] if plot is both[0] else ["s0", "s1"])
    widths = [float(width) for width in re.findall(r'<rect class="s\d" .*? width="([\d.]+)"', both[0])]
    assert widths[0] == pytest.approx(widths[1] * 2.5, rel=0.01)


def luminance(colour: str) -> float:
    """Source: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("colour", "page"),
    [*((one, "#ffffff") for one in (*LIGHT, TEXT[0])), *((one, "#0d1117") for one in (*DARK, TEXT[1]))],
)
def test_every_colour_stands_out_from_the_page_of_its_theme(colour: str, page: str) -> None:
    """Three to one: https://www.w3.org/TR/WCAG22/#non-text-contrast"""
    darker, lighter = sorted((luminance(colour), luminance(page)))
    assert (lighter + 0.05) / (darker + 0.05) >= 3
