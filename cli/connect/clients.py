"""Desktop clients: the entry for each one's own configuration file.

Sources: https://modelcontextprotocol.io/docs/develop/connect-local-servers (Claude Desktop),
https://docs.claude.com/en/docs/claude-code/mcp , https://cursor.com/docs/context/mcp ,
https://code.visualstudio.com/docs/copilot/reference/mcp-configuration ,
https://github.com/modelcontextprotocol/inspector (``--cli``), https://github.com/aws/mcp-proxy-for-aws ,
https://github.com/geelen/mcp-remote .
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cli.connect.deployment import Deployment, Snippet, as_json

__all__ = ["CLIENTS"]

_KEY_VARIABLE = "GRAPH_KEY"
_CLAUDE_FILE = "claude_desktop_config.json (Claude: Settings, Developer, Edit Config)"
_PASSED_ON = ("NEO4J_URI", "NEO4J_USERNAME", "NEO4J_DATABASE", "NEO4J_M2M_POLICY", "NEO4J_M2M_CREDENTIALS_DIR")


def _own_command() -> str:
    """The absolute path of this program: a desktop client starts it from a directory and a PATH of its own."""
    program = Path(sys.argv[0])
    if program.name.startswith("neo4j-m2m"):
        return str(program.absolute())
    return str(Path(sys.executable).absolute().parent / "neo4j-m2m")


def _stdio() -> dict[str, Any]:
    """The server as a child of the client, for the database that the environment names; the password is not copied."""
    environ = {name: os.environ[name] for name in _PASSED_ON if os.environ.get(name)}
    if not environ:
        environ = {"NEO4J_URI": "neo4j+s://ID.databases.neo4j.io", "NEO4J_USERNAME": "neo4j"}
    return {
        "command": _own_command(),
        "args": ["serve", "--stdio"],
        "env": {**environ, "NEO4J_PASSWORD": "PASSWORD"},
    }


def _signed(deployment: Deployment) -> dict[str, Any]:
    """Through AWS's proxy, which signs; it would take the URL's id for the service, so the service is named."""
    return {
        "command": "uvx",
        "args": [
            "mcp-proxy-for-aws-cli@1.7.0",
            deployment.address,
            *("--service", "lambda"),
            *("--region", deployment.region),
        ],
        "env": {"AWS_PROFILE": "PROFILE"},
    }


def _remote(deployment: Deployment, *, key: bool) -> dict[str, Any]:
    """Through mcp-remote, for clients that start children only. Its header has no space, which Windows would break."""
    header = ["--header", f"X-API-Key:${{{_KEY_VARIABLE}}}"] if key else []
    plain = ["--allow-http"] if deployment.address.startswith("http://") else []
    entry: dict[str, Any] = {"command": "npx", "args": ["-y", "mcp-remote", deployment.address, *header, *plain]}
    return {**entry, "env": {_KEY_VARIABLE: "KEY"}} if key else entry


def _wrapped(deployment: Deployment, entry: dict[str, Any], top: str = "mcpServers") -> dict[str, Any]:
    return {top: {deployment.name: entry}}


def _json(method: str, where: str, value: dict[str, Any]) -> Snippet:
    return Snippet(method, where, as_json(value), value)


def _claude(deployment: Deployment) -> list[Snippet]:
    if deployment.url is None:
        return [_json("stdio", _CLAUDE_FILE, _wrapped(deployment, _stdio()))]
    name, url = deployment.name, shlex.quote(deployment.address)
    code = f"claude mcp add --transport http {name} {url}"
    found = [
        _json("none", _CLAUDE_FILE, _wrapped(deployment, _remote(deployment, key=False))),
        Snippet("none", "Claude Code, in a shell", code),
        _json("api-key", _CLAUDE_FILE, _wrapped(deployment, _remote(deployment, key=True))),
        Snippet("api-key", "Claude Code, in a shell", f'{code} --header "X-API-Key: ${_KEY_VARIABLE}"'),
        Snippet("bearer", "Claude Code, in a shell", f'{code} --header "Authorization: Bearer $TOKEN"'),
    ]
    if deployment.is_function_url:
        found = [_json("sigv4", _CLAUDE_FILE, _wrapped(deployment, _signed(deployment))), *found[2:]]
    return found


def _vscode(deployment: Deployment) -> list[Snippet]:
    where = ".vscode/mcp.json"
    if deployment.url is None:
        entry = {"type": "stdio", **_stdio()}
        return [_json("stdio", where, _wrapped(deployment, entry, "servers"))]

    def asking(what: str, description: str, header: str, prefix: str = "") -> dict[str, Any]:
        entry = {"type": "http", "url": deployment.address, "headers": {header: f"{prefix}${{input:{what}}}"}}
        prompt = {"type": "promptString", "id": what, "description": description, "password": True}
        return {**_wrapped(deployment, entry, "servers"), "inputs": [prompt]}

    found = [
        _json("none", where, _wrapped(deployment, {"type": "http", "url": deployment.address}, "servers")),
        _json("api-key", where, asking("neo4j-key", "API key of the Neo4j MCP server", "X-API-Key")),
        _json("bearer", where, asking("neo4j-token", "Access token", "Authorization", "Bearer ")),
    ]
    if deployment.is_function_url:
        signed = {"type": "stdio", **_signed(deployment)}
        found = [_json("sigv4", where, _wrapped(deployment, signed, "servers")), *found[1:]]
    return found


def _cursor(deployment: Deployment) -> list[Snippet]:
    where = ".cursor/mcp.json, or ~/.cursor/mcp.json"
    if deployment.url is None:
        return [_json("stdio", where, _wrapped(deployment, _stdio()))]

    def at_url(**headers: str) -> dict[str, Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        entry: dict[str, Any] = {"url": deployment.address, **({"headers": named} if named else {})}
        return _wrapped(deployment, entry)

    found = [
        _json("none", where, at_url()),
        _json("api-key", where, at_url(**{"X-API-Key": f"${{env:{_KEY_VARIABLE}}}"})),
        _json("bearer", where, at_url(Authorization="Bearer ${env:TOKEN}")),
    ]
    if deployment.is_function_url:
        found = [_json("sigv4", where, _wrapped(deployment, _signed(deployment))), *found[1:]]
    return found


def _inspector(deployment: Deployment) -> list[Snippet]:
    base = "npx -y @modelcontextprotocol/inspector --cli"
    where = "in a shell"
    if deployment.url is None:
        command = f"{base} {shlex.quote(_own_command())} serve --stdio --method tools/list"
        return [Snippet("stdio", where, command)]
    at = f"{base} {shlex.quote(deployment.address)} --transport http --method tools/list"
    found = [
        Snippet("none", where, at),
        Snippet("api-key", where, f'{at} --header "X-API-Key: ${_KEY_VARIABLE}"'),
        Snippet("bearer", where, f'{at} --header "Authorization: Bearer $TOKEN"'),
    ]
    if deployment.is_function_url:
        proxy = shlex.join([_signed(deployment)["command"], *_signed(deployment)["args"]])
        found = [Snippet("sigv4", where, f"{base} {proxy} --method tools/list"), *found[1:]]
    return found


CLIENTS: dict[str, Callable[[Deployment], list[Snippet]]] = {
    "claude": _claude,
    "vscode": _vscode,
    "cursor": _cursor,
    "inspector": _inspector,
}
"""What to paste into each client, for every way of authentication."""
