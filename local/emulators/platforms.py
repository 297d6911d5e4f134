"""``emulate`` and ``invoke``: the platforms on this machine, from the command line."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from core.errors import LocalError
from core.http import MCP_PATH
from core.tools import ALL_TOOLS

if TYPE_CHECKING:
    from local.console import Console
    from local.emulators.callers import Caller
    from local.settings import LocalSettings

__all__ = ["PLATFORMS", "PlatformModule", "Running", "emulate", "invoke", "module_of"]

PLATFORMS = {
    "aws": "local.emulators.aws.emulate",
    "azure": "local.emulators.azure.emulate",
    "databricks": "local.emulators.databricks.emulate",
}
"""The one list of platforms, with the module of each, a `PlatformModule`."""

_SECONDS_BETWEEN_CHECKS = 0.5


class Running(Protocol):
    """A running platform: ``line`` is what `emulate` prints, a contract for clients from outside."""

    line: dict[str, Any]


class PlatformModule(Protocol):
    """What each platform's module has."""

    def platform(self, settings: LocalSettings, console: Console, *, port: int = 0) -> AbstractContextManager[Running]:
        """Run it while the context lasts; its front is on ``port``, 0 for any free one.

        Raises:
            LocalError: A port is taken, or the embedded database does not start.
        """

    def callers(self, line: dict[str, Any]) -> list[Caller]:
        """The callers of the platform that printed ``line``: agents, and those whom it must refuse."""

    def invoke(self, settings: LocalSettings, console: Console, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The tool result of one call of the platform's function, in this process.

        Raises:
            LocalError: The embedded database does not start.
        """


def module_of(platform: str) -> PlatformModule:
    """The module of ``platform``, imported now: each one imports its cloud's SDK."""
    module: Any = importlib.import_module(PLATFORMS[platform])
    loaded: PlatformModule = module
    return loaded


def emulate(platform: str, settings: LocalSettings, console: Console, *, port: int | None) -> None:
    """Run ``platform`` until stopped; prints one JSON line once it answers.

    Raises:
        LocalError: A port is taken, or the embedded database does not start.
    """
    with module_of(platform).platform(settings, console, port=port or 0) as running:
        print(json.dumps(running.line), flush=True)
        console.say(f"{platform} answers at {running.line['url']}. Ctrl-C stops it.")
        if platform == "databricks":
            page = running.line["url"].removesuffix(MCP_PATH)
            console.say(f"For people, in a browser: {page}/ (sign in with pat of the line above)")
        console.say(
            f"Next, with client_id and client_secret of the line above: {_next_command(platform, running.line)}"
        )
        while True:
            time.sleep(_SECONDS_BETWEEN_CHECKS)


def _next_command(platform: str, line: dict[str, Any]) -> str:
    """Examines the platform as a caller would; its secrets are for the reader to fill in."""
    url = line.get("url_jwt", line["url"])
    scope = {"azure": f" --scope {line.get('audience')}/.default", "databricks": f" --scope {line.get('scope')}"}
    return (
        f"NEO4J_M2M_CALLER_CLIENT_ID=… NEO4J_M2M_CALLER_CLIENT_SECRET=… neo4j-m2m doctor {platform} --url {url} "
        f"--auth client-credentials --token-url {line['token_url']}{scope.get(platform, '')}"
    )


def invoke(platform: str, settings: LocalSettings, console: Console, tool: str, pairs: Sequence[str]) -> int:
    """Call ``tool`` through the function of ``platform`` in this process and print the result; 1 if it failed.

    Raises:
        LocalError: An argument has no value, or the embedded database does not start.
    """
    known = [declared.name for declared in ALL_TOOLS]
    if tool not in known:
        raise LocalError(f"Unknown tool: {tool}; there are {', '.join(known)}.")
    result = module_of(platform).invoke(settings, console, tool, dict(_argument(pair) for pair in pairs))
    if result.get("isError"):
        console.say("\n".join(part.get("text", "") for part in result["content"]) or "The function refused the call.")
        return 1
    print(json.dumps(result["structuredContent"], indent=2, ensure_ascii=False))
    return 0


def _argument(pair: str) -> tuple[str, Any]:
    """``key=value``; the value is JSON if it can be read as JSON, else text."""
    name, equals, value = pair.partition("=")
    if not equals or not name:
        raise LocalError(f"{pair!r} is not an argument of a tool: write key=value, such as query='RETURN 1'.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
