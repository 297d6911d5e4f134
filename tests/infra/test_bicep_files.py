"""Each Bicep file of infra as such: its syntax, its names, its modules, and that it keeps no secret."""

from __future__ import annotations

import re

import pytest
from lark.exceptions import LarkError

from tests.infra.azure_templates import (
    CONNECTION,
    FILES,
    MAIN,
    described,
    every_file,
    is_secure,
    leaves,
    module_of,
    modules,
)
from tests.infra.bicep_source import Source, body_of


def test_the_files_are_there() -> None:
    assert len(FILES) >= 12


@every_file
def test_every_file_parses(source: Source) -> None:
    assert source.parsed["parameters"]
    assert {name for name, kind in source.declared.items() if kind == "module"} == set(modules(source))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("var isPrivate = network == 'private'", "var isPrivate network == 'private'"),
        ("var isPrivate = network == 'private'", "var isPrivate = network == 'private"),
        ("  location: location\n  tags: tags\n}\n", "  location: location\n  tags: tags\n"),
        ("module storage 'modules/storage.bicep' = {", "module storage = {"),
        ("param tags object = {}", "param tags object = {"),
    ],
)
def test_a_broken_file_does_not_parse(right: str, wrong: str) -> None:
    assert right in MAIN.text
    with pytest.raises(LarkError):
        assert Source(MAIN.text.replace(right, wrong, 1)).parsed is None


@every_file
def test_every_name_that_is_used_is_declared(source: Source) -> None:
    assert source.undeclared == set()


@every_file
def test_everything_that_is_declared_is_used(source: Source) -> None:
    idle = {name for name, what in source.declared.items() if what in {"param", "var"}} - source.used
    assert idle == set()


@pytest.mark.parametrize(
    ("right", "wrong", "name"),
    [
        ("tags: tags", "tags: tag", "tag"),
        ("'${loginUrl}/v2.0'", "'${logonUrl}/v2.0'", "logonUrl"),
        ("empty(alertEmail)", "isEmpty(alertEmail)", "isEmpty"),
        ("isPrivate ? privateNetwork!", "isPrivate ? privateNet!", "privateNet"),
    ],
)
def test_a_misspelt_name_is_found(right: str, wrong: str, name: str) -> None:
    assert right in MAIN.text
    assert Source(MAIN.text.replace(right, wrong, 1)).undeclared == {name}


def test_an_idle_parameter_is_found() -> None:
    source = Source("param idle string\n\nparam busy string\n\noutput said string = '${busy} // ${busy}'\n")
    assert set(source.declared) - source.used == {"idle"}


@pytest.mark.parametrize(
    ("source", "name"),
    [
        pytest.param(source, name, id=f"{path} {name}")
        for path, source in FILES.items()
        for name, kind in source.declared.items()
        if kind == "module"
    ],
)
def test_a_module_gets_what_it_asks_for_and_nothing_else(source: Source, name: str) -> None:
    module = modules(source)[name]
    asked = module_of(source, module).part("parameters")
    needed = {parameter for parameter, what in asked.items() if what["default"] is None}
    given = set(body_of(module)["params"])
    assert needed <= given <= set(asked)


@every_file
def test_every_output_of_a_module_that_is_used_exists(source: Source) -> None:
    of = {name: module_of(source, each) for name, each in modules(source).items()}
    uses = re.findall(r"(\w+)!?\.outputs\.(\w+)", source.code)
    assert len(uses) >= (10 if source is MAIN else 2 if of else 0)
    for module, output in uses:
        assert output in of[module].part("outputs"), f"{module} has no output {output}"


def test_what_is_deployed_at_the_same_time_has_names_of_its_own() -> None:
    """Modules are deployments of one resource group, where a name stands for one deployment."""
    names = [body_of(module)["name"] for source in FILES.values() for module in modules(source).values()]
    assert len(names) == len(set(names))


@every_file
def test_every_parameter_and_every_output_is_described(source: Source) -> None:
    for part in ("parameters", "outputs"):
        for name, what in source.part(part).items():
            decorators = what.get("decorators") or []
            assert described(decorators).endswith("."), f"{part}: {name}"


def test_a_type_of_resource_has_one_version_everywhere() -> None:
    versions: dict[str, set[str]] = {}
    for source in FILES.values():
        for resource in source.part("resources").values():
            versions.setdefault(resource["type"], set()).add(resource["api_version"])
    assert {kind: found for kind, found in versions.items() if len(found) > 1} == {}


# --- nothing secret


@every_file
def test_no_key_is_looked_up(source: Source) -> None:
    assert re.findall(r"\blist\w*\s*\(|\bgetSecret\b|\breference\s*\(", source.code) == []
    assert re.findall(r"AccountKey|SharedAccessSignature|InstrumentationKey", source.text) == []


@every_file
def test_no_output_holds_a_secret(source: Source) -> None:
    secure = {name for name, parameter in source.part("parameters").items() if is_secure(parameter)}
    for name, output in source.part("outputs").items():
        words = {word for leaf in leaves(output["value"]) for word in re.findall(r"\w+", str(leaf))}
        assert words & secure == set(), name


def test_the_function_s_deployment_is_given_no_secret_at_all() -> None:
    azure = [source for name, source in FILES.items() if name.startswith("azure/")]
    assert not any(is_secure(each) for source in azure for each in source.part("parameters").values())
    assert not any(source.resources("Microsoft.KeyVault/vaults/secrets") for source in azure)


def test_what_a_connection_keeps_secret_is_declared_so() -> None:
    parameters = CONNECTION.part("parameters")
    assert {name for name, parameter in parameters.items() if is_secure(parameter)} == {"key", "clientSecret"}
