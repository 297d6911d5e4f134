"""The plan of the house holds: docs/architecture.md draws it, pyproject.toml states it for import-linter."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

import core.errors

ROOT = Path(__file__).parent.parent
ROOMS = ("core", "cli", "local", "aws_lambda", "azure_function", "databricks_app", "bench")


def modules() -> dict[str, ast.Module]:
    """Every module of the product by its dotted name."""
    found = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            found[name] = ast.parse(path.read_text(), str(path))
    return found


MODULES = modules()


def offered(tree: ast.Module) -> set[str]:
    """The names in ``__all__``."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return set(ast.literal_eval(node.value))
    return set()


def taken() -> Iterator[tuple[str, str, str]]:
    """Who imports what from where, within the product."""
    for taker, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in MODULES:
                for alias in node.names:
                    if f"{node.module}.{alias.name}" not in MODULES:
                        yield taker, node.module, alias.name


def test_every_import_runs_downwards_and_none_in_a_circle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == EXIT_STATUS_SUCCESS


def test_what_one_module_takes_from_another_is_offered_there() -> None:
    hidden = {f"{owner}.{name} for {taker}" for taker, owner, name in taken() if name not in offered(MODULES[owner])}
    assert hidden == set()


def test_what_a_module_offers_exists_in_it() -> None:
    for name, tree in MODULES.items():
        known = {
            node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                known.add(node.id)
            if isinstance(node, ast.ImportFrom | ast.Import):
                known |= {alias.asname or alias.name for alias in node.names}
        assert offered(tree) - known == set(), name


def types_of(tree: ast.Module) -> Iterator[str]:
    """The public classes of a module, and its names for types, such as ``Row = list[str]``."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name) and re.fullmatch("[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*", target.id):
                    yield target.id


def test_no_two_public_classes_or_types_have_one_name() -> None:
    names = Counter(name for tree in MODULES.values() for name in types_of(tree))
    assert {name for name, count in names.items() if count > 1} == set()


def errors_of_the_server() -> set[str]:
    """Every class of `core` that descends from `Neo4jM2mError`, by the names of bases."""
    bases = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for name, tree in MODULES.items()
        if name.startswith("core")
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }
    found = {"Neo4jM2mError"}
    while more := {name for name, above in bases.items() if above & found} - found:
        found |= more
    return {name for name in found if not name.startswith("_")}


def test_the_tree_of_errors_is_drawn_whole() -> None:
    drawn = set(re.findall(r"(?:^    |[├└]── )(\w+) ", core.errors.__doc__ or "", re.MULTILINE))
    assert drawn == errors_of_the_server()
