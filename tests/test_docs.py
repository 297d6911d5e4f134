"""What the product has, its documentation names."""

from __future__ import annotations

import argparse
import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from aws_lambda.settings import AwsSettings
from azure_function.rotation_settings import AzureRotationSettings
from azure_function.settings import AzureSettings
from cli.connect.clients import CLIENTS
from cli.doctor.outside import OUTSIDE_LINKS
from cli.main import build_parser
from cli.settings import CommandLineSettings
from core.credentials.rotation_settings import RotationSettings
from core.examination import INSIDE_LINKS
from core.settings import Settings
from core.tools import ALL_TOOLS
from databricks_app.settings import DatabricksSettings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCS = {path.name: path.read_text() for path in (ROOT / "docs").glob("*.md")}


KNOWN: dict[str, FieldInfo] = {
    name if name in Settings.model_fields else f"{shim.__name__}.{name}": field
    for shim in (
        CommandLineSettings,
        AwsSettings,
        AzureSettings,
        DatabricksSettings,
        RotationSettings,
        AzureRotationSettings,
    )
    for name, field in shim.model_fields.items()
}
"""Shims have settings of the same name, each with a row of its own."""


@pytest.mark.parametrize("field", list(KNOWN))
def test_every_setting_is_documented_with_its_default_and_its_meaning(field: str) -> None:
    variable = Settings.variable(field.rpartition(".")[2])
    rows = re.findall(rf"^\| `{variable}` \| (.*) \| (.*) \|$", DOCS["settings.md"], re.MULTILINE)
    row = next((row for row in rows if row[1] == KNOWN[field].description), None)
    assert row is not None, f"{variable} is not documented as it describes itself"
    default = KNOWN[field].default
    written = row[0].strip("`")
    if KNOWN[field].is_required() or default is None or default in (frozenset(), ()):
        assert written == "–"
    elif isinstance(default, bool):
        assert written == str(default).lower()
    elif isinstance(default, int | float):
        assert float(written) == default
    else:
        assert written == str(default)


def test_no_setting_is_documented_that_does_not_exist() -> None:
    known = {Settings.variable(field.rpartition(".")[2]) for field in KNOWN}
    for text in (README, *DOCS.values()):
        assert set(re.findall(r"\bNEO4J_[A-Z0-9_]*[A-Z]\b", text)) - known == set()


@pytest.mark.parametrize("name", [tool.name for tool in ALL_TOOLS])
def test_every_tool_is_documented(name: str) -> None:
    assert f"`{name}`" in README


def commands(parser: argparse.ArgumentParser, above: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from commands(below, f"{above} {name}".strip())
            return
    yield above, parser


@pytest.mark.parametrize(("name", "parser"), list(commands(build_parser())))
def test_every_command_and_option_is_documented(name: str, parser: argparse.ArgumentParser) -> None:
    row = re.search(rf"^\| `{name}[^|]*\|.*$", DOCS["commands.md"], re.MULTILINE)
    assert row is not None, f"docs/commands.md has no row for {name}"
    options = {option for action in parser._actions for option in action.option_strings} - {"-h", "--help"}
    for option in options:
        assert option in row.group(0), f"{name} {option} is not in its row"


def test_the_readme_opens_with_the_two_commands() -> None:
    opening = README[:1500]
    assert opening.index("make demo") < opening.index("make test")


PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", *(f"docs/{name}" for name in DOCS)]


def anchors(text: str) -> set[str]:
    """What a link may name after ``#``: the headings, as GitHub turns them into anchors."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_every_link_to_a_file_or_a_heading_leads_somewhere(name: str) -> None:
    path = ROOT / name
    for target, heading in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", path.read_text()):
        page = path.parent / target if target else path
        assert page.exists(), f"{name} links to {target}"
        assert not heading or heading in anchors(page.read_text()), f"{name} links to {target}#{heading}"


def test_the_architecture_names_every_room_of_the_core_and_every_package() -> None:
    picture = DOCS["architecture.md"]
    rooms = {path.stem for path in (ROOT / "core").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    for name in rooms - {"__init__"} | {"cli", "local", "aws_lambda", "azure_function", "databricks_app"}:
        assert f"<b>{name}</b>" in picture, f"docs/architecture.md does not draw {name}"


def test_make_help_lists_every_target_on_one_screen() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", makefile, re.MULTILINE)
    assert phony is not None
    listed = re.findall(r"^([a-z-]+):.*## (.+)$", makefile, re.MULTILINE)
    assert {name for name, _ in listed} == set(phony[1].replace("\\", "").split())
    assert len(listed) <= 40
    assert max(len(f"  make {name:20} {text}") for name, text in listed) <= 120


def test_the_hooks_run_what_make_lint_runs() -> None:
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    typed = [line.strip().replace("$(BIN)", ".venv/bin").removesuffix(" .") for line in recipe[1].splitlines()]
    hooks = re.findall(r"^ +entry: (.*)$", (ROOT / ".pre-commit-config.yaml").read_text(), re.MULTILINE)
    assert [hook.removesuffix(" --force-exclude") for hook in hooks] == typed


def test_every_link_of_the_chain_is_on_the_page_for_when_it_does_not_work() -> None:
    for link in (*INSIDE_LINKS, *OUTSIDE_LINKS):
        assert f"`{link}`" in DOCS["troubleshooting.md"]


def texts_in_the_code() -> str:
    """Every text that the server and the command line can say, in lower case; what they fill in is missing."""
    return "\n".join(
        node.value.lower()
        for package in ("core", "cli", "aws_lambda", "azure_function", "databricks_app")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def test_every_text_on_the_page_for_when_it_does_not_work_is_said_by_the_code() -> None:
    ours = DOCS["troubleshooting.md"].partition("## By the text")[2].partition("### AWS")[0]
    quoted = re.findall(r"^\| `([^`]+)`", ours, re.MULTILINE)
    assert len(quoted) >= 20
    said = texts_in_the_code()
    for text in quoted:
        for part in re.split(r"…|: |\((?:DNS|TCP)\)| \(|/mcp", text):
            assert part.strip(" .,()?").lower() in said, f"nothing says {part!r} of {text!r}"


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_has_a_configuration_on_its_page(client: str) -> None:
    assert f"connect {client}" in DOCS["clients.md"] or client in DOCS["clients.md"].lower()


def test_what_the_page_on_clients_shows_as_json_is_json() -> None:
    shown = re.findall(r"^```json\n(.*?)^```", DOCS["clients.md"], re.MULTILINE | re.DOTALL)
    assert len(shown) >= 3
    for text in shown:
        json.loads(text)


def test_the_readme_fits_on_a_screen() -> None:
    assert len(README.splitlines()) <= 60
