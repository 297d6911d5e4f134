"""The configuration of Neo4j and its JVM: for one user's machine, on loopback, with little memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

__all__ = ["jvm_arguments", "neo4j_configuration"]

_MAIN_CLASS = "org.neo4j.server.Neo4jCommunity"

_SETTINGS = {
    # Nothing but Bolt listens, and nothing is reported to anyone. Fleet discovery, on by default, is a UDP broadcast.
    "server.bolt.enabled": "true",
    "server.http.enabled": "false",
    "server.https.enabled": "false",
    "server.fleet_discovery.enabled": "false",
    "dbms.usage_report.enabled": "false",
    "server.default_listen_address": "127.0.0.1",
    "server.default_advertised_address": "127.0.0.1",
    # No statement reads files of this machine.
    "dbms.security.allow_csv_import_from_file_urls": "false",
    "server.memory.pagecache.size": "128m",
    # One statement does not take the memory of all, where the database counts what it takes (docs/guard.md); and none
    # outlives a server that died before it could tell it to stop.
    "db.memory.transaction.max": "256m",
    "db.transaction.timeout": "10m",
    "db.tx_log.rotation.retention_policy": "1 files",
    "db.tx_log.rotation.size": "32m",
    "server.config.strict_validation.enabled": "true",
    # Without it, stopping waits ten seconds for connections that are closed already.
    "internal.dbms.bolt.netty_server_shutdown_quiet_period_duration": "0s",
}

_JVM_FLAGS = (
    *(
        f"--add-opens=java.base/{package}=ALL-UNNAMED"
        for package in ("java.nio", "java.io", "sun.nio.ch", "java.util.concurrent")
    ),
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
    # The quick compiler only: this database lives for minutes, and starting and loading are what a person waits for.
    "-XX:TieredStopAtLevel=1",
    "-Xms256m",
    "-Xmx1g",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-OmitStackTraceInFastThrow",
    "-XX:-UsePerfData",
    "-XX:+DisableAttachMechanism",
    "-Djava.awt.headless=true",
    "-Djdk.nio.maxCachedBufferSize=1024",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dlog4j2.disable.jmx=true",
    "-Dfile.encoding=UTF-8",
)


def neo4j_configuration(port: int, settings: Mapping[str, str] | None = None) -> str:
    """The text of ``neo4j.conf``, for a database that serves Bolt on ``port`` of the loopback interface.

    ``settings`` are more settings of Neo4j, or other values for some of those here; the address is not changed.
    """
    settings = {
        **_SETTINGS,
        **(settings or {}),
        "server.bolt.listen_address": f"127.0.0.1:{port}",
        "server.bolt.advertised_address": f"127.0.0.1:{port}",
    }
    return "# Written again at every start.\n" + "".join(f"{name}={value}\n" for name, value in settings.items())


def jvm_arguments(home: Path, jars: Sequence[Path]) -> str:
    """The text of an argument file for ``java``: flags, class path, main class and its arguments."""
    arguments = [
        *_JVM_FLAGS,
        f"-XX:ErrorFile={home}/logs/hs_err_%p.log",
        "-cp",
        ":".join(str(jar) for jar in jars),
        _MAIN_CLASS,
        f"--home-dir={home}",
        f"--config-dir={home}/conf",
    ]
    return _argument_file(arguments)


def _argument_file(arguments: Iterable[str]) -> str:
    """``arguments`` as ``java @file`` reads them: one per line, quoted."""
    return "".join('"' + argument.replace("\\", "\\\\").replace('"', '\\"') + '"\n' for argument in arguments)
