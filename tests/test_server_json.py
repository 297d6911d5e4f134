"""``server.json``, which the MCP registry takes, says what this project is and has.

``python -m tests.test_server_json SCHEMA`` holds it against the registry's own schema: ``make server-json``.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import jsonschema

from cli.parser import build_parser
from cli.settings import CommandLineSettings
from core.version import server_version

ROOT = Path(__file__).parent.parent
SERVER: dict[str, Any] = json.loads((ROOT / "server.json").read_text())


def test_the_version_is_that_of_the_project() -> None:
    assert {SERVER["version"], *(package["version"] for package in SERVER["packages"])} == {server_version()}


def test_the_name_and_the_description_fit_the_registry() -> None:
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", SERVER["name"])
    assert 1 <= len(SERVER["description"]) <= 100
    assert f"mcp-name: {SERVER['name']}" in (ROOT / "README.md").read_text(), (
        "how the registry sees who owns the package"
    )


def test_the_command_is_one_that_there_is() -> None:
    (package,) = SERVER["packages"]
    arguments = [argument.get("name") or argument["value"] for argument in package["packageArguments"]]
    assert build_parser().parse_args(arguments).stdio


def test_the_variables_are_settings_and_the_password_is_a_secret() -> None:
    (package,) = SERVER["packages"]
    known = {CommandLineSettings.variable(name): field for name, field in CommandLineSettings.model_fields.items()}
    for variable in package["environmentVariables"]:
        field = known[variable["name"]]
        assert variable.get("isSecret", False) is ("Secret" in str(field.annotation))
        assert variable.get("default") == field.default


def main(schema: Path) -> int:
    """Hold ``server.json`` against the registry's ``schema``; 1 if it does not fit."""
    document = json.loads(schema.read_text())
    assert document["$id"] == SERVER["$schema"]
    problems = list(jsonschema.Draft7Validator(document).iter_errors(SERVER))
    for problem in problems:
        print(f"{problem.json_path}: {problem.message}")
    print("server.json fits" if not problems else "server.json does not fit", document["$id"])
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
