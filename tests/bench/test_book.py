"""What the book does with its parts, besides measuring: ``make bench-smoke`` runs them all."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import book
from tests.bench.test_render import comparison, part, results

ROOT = Path(book.__file__).parent.parent


@pytest.mark.parametrize("name", book.PARTS)
def test_every_part_is_a_module_that_measures(name: str) -> None:
    assert callable(importlib.import_module(f"bench.{name}").measure)


@pytest.mark.processes
def test_a_part_is_told_with_the_busier_of_the_moments_before_and_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [0.4, 0.1]
    monkeypatch.setattr(book, "busy_cores", moments.pop)
    monkeypatch.setitem(book.PARTS, "no_such_part", "Nothing")
    assert book.run_part("no_such_part", brief=False)["others"] == 0.4
    assert moments == []


@pytest.mark.processes
def test_a_part_that_ends_with_an_error_is_reported_with_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(book.PARTS, "no_such_part", "Nothing")
    told = book.run_part("no_such_part", brief=True)
    assert "No module named bench.no_such_part" in told["failed"]
    assert (told["title"], told["findings"]) == ("Nothing", [])


@pytest.mark.processes
def test_a_part_that_takes_too_long_is_ended_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "LONGEST", 0)
    told = book.run_part("payload", brief=True)
    assert told["failed"] == "it took longer than 0 seconds"


class Nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs the command line with parts that measure at once; ``fails`` are the names of those that fail."""

    def run(*arguments: str, fails: tuple[str, ...] = ()) -> int:
        def run_part(name: str, *, brief: bool) -> dict[str, Any]:
            told = (
                part(failed="broken") if name in fails else part(comparison(row=f"{name} {'brief' if brief else ''}"))
            )
            return {**told, "title": book.PARTS[name]}

        monkeypatch.setattr(book, "run_part", run_part)
        monkeypatch.setattr(book, "embedded_database", lambda *_: Nothing())
        monkeypatch.setattr(book, "about", lambda: results()["about"])
        monkeypatch.setattr(book, "ROOT", tmp_path)
        monkeypatch.setattr(sys, "argv", ["book", "--folder", str(tmp_path), *arguments])
        return book.main()

    return run


def stored(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "docs/benchmarks/results.json").read_text())["parts"]  # type: ignore[no-any-return]


def test_one_part_again_leaves_the_others_as_they_are(run: Any, tmp_path: Path) -> None:
    assert run(fails=("session",)) == 1
    before = stored(tmp_path)
    assert list(before) == list(book.PARTS)
    assert before["session"]["failed"] == "broken"
    assert run("--part", "session") == 0
    after = stored(tmp_path)
    assert after["session"]["failed"] == ""
    assert {**after, "session": before["session"]} == before
    assert list(after) == list(book.PARTS)


def test_the_page_is_rendered_again_without_measuring(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    page = (tmp_path / "BENCHMARKS.md").read_text()
    (tmp_path / "BENCHMARKS.md").unlink()
    assert run("--render", fails=tuple(book.PARTS)) == 0
    assert (tmp_path / "BENCHMARKS.md").read_text() == page


def test_nothing_is_rendered_where_nothing_is_stored(run: Any) -> None:
    with pytest.raises(SystemExit):
        run("--render")


def test_a_brief_run_writes_nothing_into_the_tree(run: Any, tmp_path: Path) -> None:
    assert run("--brief") == 0
    assert list(tmp_path.iterdir()) == []


def test_the_committed_book_is_what_its_results_say(tmp_path: Path) -> None:
    told = json.loads((ROOT / "docs/benchmarks/results.json").read_text())
    book.write(told, tmp_path / "BENCHMARKS.md", tmp_path / "docs" / "benchmarks")
    for path in (tmp_path / "BENCHMARKS.md", *(tmp_path / "docs" / "benchmarks").glob("*.svg")):
        assert path.read_text() == (ROOT / path.relative_to(tmp_path)).read_text(), f"{path.name}: render it again"
