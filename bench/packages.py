"""What is shipped: the packages that a function needs, copied and compiled as `sam build` does, and their sizes.

``python -m bench.packages`` prints the sizes, each as it is installed, beside those of the other servers.
"""

from __future__ import annotations

import compileall
import importlib.metadata
import inspect
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from py_compile import PycInvalidationMode

from bench.figures import Measurement, Table
from bench.parts import alone
from bench.rivals import RIVALS, installed_rivals
from local.neo4j import EmbeddedNeo4j

__all__ = ["compiled", "copied", "megabytes_in", "pruned"]

ROOT = Path(__file__).parent.parent
OWN = ("core", "aws_lambda")


def distributions(names: Sequence[str]) -> Iterator[importlib.metadata.Distribution]:
    """Those of the distributions ``names`` that are installed here; some are for another system or Python."""
    for name in names:
        try:
            yield importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue


def needed(requirement: str, found: set[str]) -> None:
    """Add to ``found`` the distributions that ``requirement`` needs."""
    name, extra = re.match(r"([\w.-]+)\s*(?:\[([\w,-]+)\])?", requirement).groups()  # type: ignore[union-attr]
    for distribution in distributions([name]):
        key = distribution.metadata["Name"].lower() + (f"[{extra}]" if extra else "")
        if key in found:
            continue
        found.add(key)
        for further in distribution.requires or ():
            _, _, marker = further.partition(";")
            wanted = re.search(r"extra\s*==\s*['\"]([\w-]+)", marker)
            if wanted is None or (extra and wanted.group(1) in extra.split(",")):
                needed(further, found)


def copied(directory: Path) -> int:
    """Put what `sam build` would ship into ``directory``, without byte code; returns the number of Python files."""
    found: set[str] = set()
    needed("neo4j-m2m[aws]", found)
    for distribution in distributions(sorted({key.partition("[")[0] for key in found} - {"neo4j-m2m"})):
        for file in distribution.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                target = directory / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file.locate(), target)
    for package in OWN:
        shutil.copytree(ROOT / package, directory / package, ignore=shutil.ignore_patterns("__pycache__"))
    return sum(1 for _ in directory.rglob("*.py"))


def compiled(directory: Path, *, beside: bool = False) -> None:
    """Compile what is in ``directory``, into the place of caches or ``beside`` the source."""
    mode = PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(directory, quiet=2, workers=0, invalidation_mode=mode, legacy=beside)


def in_makefile(variable: str) -> list[str]:
    """The words that ``variable`` of the Makefile has."""
    found = re.search(rf"^{variable} := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"the Makefile has no {variable} any more")
    return found[1].split()


def pruned(directory: Path) -> None:
    """Make of ``directory`` what `sam build` ships: the Makefile's target build-Function does the same."""
    services = in_makefile("LAMBDA_SERVICES")
    for model in (directory / "botocore" / "data").iterdir():
        if model.is_dir() and model.name not in services:
            shutil.rmtree(model)
    for unused in in_makefile("LAMBDA_UNUSED"):
        shutil.rmtree(directory / unused, ignore_errors=True)  # pip puts programs into bin, and this does not
    own = [directory / name for name in OWN]
    compiled(directory, beside=True)
    for file in directory.rglob("*.py"):
        if not any(file.is_relative_to(one) for one in own):
            file.unlink()
    for one in own:
        for file in one.rglob("*.pyc"):
            file.unlink()
        compiled(one)


def megabytes_in(directory: Path) -> float:
    """The size of all files in ``directory``."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()) / 1e6


_CLOSURE = f"""
from __future__ import annotations
import importlib.metadata, json, re, sys
from collections.abc import Iterator, Sequence
{inspect.getsource(distributions)}
{inspect.getsource(needed)}
found = set()
needed(sys.argv[1], found)
names = sorted({{key.partition("[")[0] for key in found}} - {{"neo4j-m2m"}})
files = [file.locate() for one in distributions(names) for file in one.files or () if "__pycache__" not in file.parts]
print(json.dumps([len(names), sum(file.stat().st_size for file in files if file.exists()) / 1e6]))
"""


def installed(python: Path, requirement: str) -> tuple[int, float]:
    """How many packages ``requirement`` means in the environment of ``python``, and their megabytes without caches."""
    said = subprocess.run([str(python), "-c", _CLOSURE, requirement], capture_output=True, text=True, check=True).stdout
    packages, megabytes = json.loads(said)
    return packages, megabytes


def own_megabytes(*packages: str) -> float:
    """The size of the source of packages of this project."""
    return sum(path.stat().st_size for package in packages for path in (ROOT / package).rglob("*.py")) / 1e6


def shipped() -> list[str | float | int | None]:
    """The row of the Lambda package as `sam build` makes it."""
    with tempfile.TemporaryDirectory() as place:
        copied(Path(place))
        pruned(Path(place))
        own, size = own_megabytes(*OWN), megabytes_in(Path(place))
    return ["neo4j-m2m, on Lambda, as it is shipped", round(own, 2), None, None, round(size, 1)]


def measure(database: EmbeddedNeo4j, *, brief: bool) -> list[Measurement]:
    """The sizes of what is shipped, and of the other servers."""
    here = Path(sys.executable)
    rows: list[list[str | float | int | None]] = []
    for what, requirement, own in (
        (
            "neo4j-m2m, the wheel",
            "neo4j-m2m",
            ("core", "cli", "local", "aws_lambda", "azure_function", "databricks_app"),
        ),
        ("neo4j-m2m, on Lambda, before it is pruned", "neo4j-m2m[aws]", OWN),
        ("neo4j-m2m, on Azure Functions", "neo4j-m2m[azure]", ("core", "azure_function")),
        ("neo4j-m2m, on Databricks Apps", "neo4j-m2m[databricks]", ("core", "databricks_app")),
    ):
        packages, size = installed(here, requirement)
        mine = own_megabytes(*own)
        rows.append([what, round(mine, 2), packages, round(size, 1), round(mine + size, 1)])
    if not brief:
        rows.insert(2, shipped())
    for name, program in installed_rivals().items():
        packages, size = installed(RIVALS / "python", program.name)
        rows.append([name, None, packages, round(size, 1), round(size, 1)])
    return [
        Table(
            "Package sizes",
            ["what", "its own source MB", "packages that it needs", "their MB", "MB in all"],
            rows,
            "Without byte code, unless it is shipped: the Lambda package has byte code in place of the source of other "
            "packages. The Go servers are one program each; theirs counts as one package.",
        )
    ]


if __name__ == "__main__":
    alone(measure, __doc__)
