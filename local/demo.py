"""``demo``: a real server, a real client, a real graph, and what an agent gets from them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent
from rich.console import Console as RichConsole
from rich.table import Table

from core.errors import LocalError
from core.settings import Settings
from local.console import Console
from local.database import embedded_database
from local.emulators.callers import Caller
from local.emulators.platforms import PLATFORMS, module_of
from local.sample.questions import QUESTIONS, Question
from local.settings import LocalSettings

__all__ = ["run_demo"]

_SERVER_STOP_SECONDS = 20

_TITLES = {
    "aws": "AWS Bedrock AgentCore: a Lambda function behind function URLs",
    "azure": "Azure AI Foundry: an Azure Function",
    "databricks": "Databricks Agent Bricks: a Databricks App",
}

_LOGGED = re.compile(r"INFO [\w.]+: ?|(?=\{)")
"""The start of a line of a log: as a JSON object, or with the level and the logger before that or before a text."""

_AGENTS_QUESTION = (
    "MATCH (a:Airline)-[:OPERATES]->(p:Plane) RETURN a.name AS airline, count(p) AS planes ORDER BY planes DESC LIMIT 3"
)

_REFUSED: tuple[tuple[str, str], ...] = (
    ("And a statement that writes?", "MATCH (a:Airport {faa: 'JFK'}) SET a.name = 'Idlewild' RETURN a.name"),
    (
        "And one that hides the reading of a file in an expression, where a plan does not show it?",
        "RETURN [i IN [1] | COLLECT { LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line }] AS secrets",
    ),
)


def run_demo(settings: LocalSettings, console: Console) -> int:
    """Start ``serve``, ask it the sample graph's questions over HTTP; then call the graph as an agent of each platform
    would. Print what happens on stdout, and stop what was started.

    Returns 0 if every question was answered with rows, every agent was served, and every forbidden statement and caller
    was refused; else 1.

    Raises:
        LocalError: NEO4J_URI names another database, or the server does not start.
    """
    if settings.neo4j_uri is not None:
        raise LocalError(
            "The demo asks about its own sample graph, and NEO4J_URI names another database. "
            "Unset NEO4J_URI for the demo; `neo4j-m2m serve` serves yours."
        )
    started = time.monotonic()
    with embedded_database(settings, console):
        with _started(console, "serve", "--port", "0") as serving:
            console.say(f"Ready after {time.monotonic() - started:.1f} s.")
            failures = asyncio.run(_ask(serving.ready["url"]))
        for platform in PLATFORMS:
            with _started(console, "emulate", platform) as emulated:
                failures += asyncio.run(_call_as_agents(platform, emulated))
    return 1 if failures else 0


@dataclass
class _Child:
    """A command in a process of its own: the line it printed when it was ready, and its log, lines of JSON."""

    ready: dict[str, Any]
    log: list[dict[str, Any]]


@contextmanager
def _started(console: Console, *arguments: str) -> Iterator[_Child]:
    """Run a command until the context is left; its output goes on to ``console``, except the log.

    It gets no setting of this process but where files are kept: a policy or a form of answers would change the demo.
    """
    command = [sys.executable, "-m", "cli.main", *arguments]
    kept = {LocalSettings.variable(field) for field in LocalSettings.model_fields.keys() - Settings.model_fields.keys()}
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NEO4J_") or name in kept}
    log: list[dict[str, Any]] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=environ
    ) as process:
        listener = threading.Thread(target=_listen, args=(process.stderr, log, console))
        listener.start()
        try:
            line = next(iter(process.stdout or ()), "")
            if not line:
                raise LocalError(f"{' '.join(arguments)} did not start; the lines above say why.")
            yield _Child(json.loads(line), log)
        finally:
            process.terminate()
            try:
                process.wait(_SERVER_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            listener.join()


def _listen(said: Iterable[str], log: list[dict[str, Any]], console: Console) -> None:
    for line in said:
        logged = _LOGGED.match(line)
        if logged is None:
            console.say(line.rstrip())
        elif line.startswith("{", logged.end()):
            with suppress(ValueError):  # looks like a line of the log but is not valid JSON
                log.append(json.loads(line[logged.end() :]))


def _out() -> RichConsole:
    return RichConsole(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)


async def _ask(url: str) -> int:
    """Ask the questions; returns how many went wrong."""
    out = _out()
    failures = 0
    async with Client(url) as client:
        out.print(f"\nAn MCP client ({client.protocol_version}) talks to {url}", style="bold", markup=False)
        listed = await client.list_tools()
        for tool in listed.tools:
            out.print(f"  {tool.name:<15} {tool.title}", markup=False)
        schema = await client.call_tool("get-schema", {})
        _print_schema(out, schema)
        for number, question in enumerate(QUESTIONS, 1):
            failures += not await _ask_one(out, client, number, question)
        for text, statement in _REFUSED:
            failures += not await _is_refused(out, client, text, statement)
    questions = f"{len(QUESTIONS)} questions asked"
    out.print(f"\n{questions}, {failures} went wrong." if failures else f"\n{questions}, all answered.", style="bold")
    return failures


async def _call_as_agents(platform: str, emulated: _Child) -> int:
    """Call a platform as its agents would, and as others; returns how many calls went wrong."""
    out = _out()
    out.print(f"\n{_TITLES[platform]}", style="bold", markup=False)
    failures = 0
    for caller in module_of(platform).callers(emulated.ready):
        out.print(f"  {caller.who}", style="cyan", markup=False)
        said, well = await _call_as(caller)
        failures += not well
        out.print(f"    {said}", style=None if well else "red", markup=False)
    audited = [line for line in emulated.log if line.get("audit") == "call" and line.get("tool") == "read-cypher"]
    if audited:
        about = {name: audited[0][name] for name in ("principal", "rule", "tool", "outcome", "rows", "duration_ms")}
        out.print(
            f"  and of the first of these reads the audit says\n    {json.dumps(about)}", style="dim", markup=False
        )
    return failures


async def _call_as(caller: Caller) -> tuple[str, bool]:
    """The result of one call by ``caller``, and whether it is the expected one."""
    async with httpx2.AsyncClient(auth=caller.auth, trust_env=False, timeout=60) as http:
        if not caller.admitted:
            message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
            response = await http.post(caller.url, json=message, headers={"accept": "text/plain"})
            return f"{response.status_code}: {response.text.strip()}", response.status_code in (401, 403)
        async with Client(streamable_http_client(caller.url, http_client=http)) as client:
            await client.list_tools()
            started = time.perf_counter()
            result = await client.call_tool("read-cypher", {"query": _AGENTS_QUESTION})
            milliseconds = (time.perf_counter() - started) * 1000
            written = await client.call_tool("write-cypher", {"query": "CREATE (:Never)"})
        if result.is_error:
            return f"failed: {_text(result)}", False
        rows = "; ".join(" ".join(map(_cell, row)) for row in result.structured_content["rows"])
        writes = "cannot write" if written.is_error else "CAN WRITE"
        return f"reads in {milliseconds:.0f} ms, and {writes}: {rows}", bool(rows) and written.is_error


def _print_schema(out: RichConsole, schema: CallToolResult) -> None:
    data: dict[str, Any] = schema.structured_content
    nodes = ", ".join(f"{entry['label']} {entry['count']:,}" for entry in data["nodes"])
    relationships = ", ".join(f"{entry['type']} {entry['count']:,}" for entry in data["relationships"])
    out.print(f"\nget-schema\n  nodes          {nodes}\n  relationships  {relationships}", markup=False)


async def _ask_one(out: RichConsole, client: Client, number: int, question: Question) -> bool:
    """Ask and print; returns whether there was an answer with rows."""
    out.print(f"\n{number}. {question.text}", style="bold", markup=False)
    out.print(_indented(question.cypher), style="cyan", markup=False)
    started = time.perf_counter()
    result = await client.call_tool("read-cypher", {"query": question.cypher, "params": question.params})
    milliseconds = (time.perf_counter() - started) * 1000
    if result.is_error:
        out.print(f"  failed: {_text(result)}", style="red", markup=False)
        return False
    answer: dict[str, Any] = result.structured_content
    table = Table(*answer["columns"])
    for row in answer["rows"]:
        table.add_row(*(_cell(value) for value in row))
    out.print(table)
    out.print(f"  {answer['row_count']} rows in {milliseconds:.0f} ms. {question.note}", style="dim", markup=False)
    return bool(answer["rows"])


async def _is_refused(out: RichConsole, client: Client, question: str, statement: str) -> bool:
    """Try a statement that must not run, and print; returns whether it was refused."""
    out.print(f"\n{question}", style="bold", markup=False)
    out.print(_indented(statement), style="cyan", markup=False)
    result = await client.call_tool("read-cypher", {"query": statement})
    out.print(f"  {'refused' if result.is_error else 'IT RAN'}: {_text(result)}", markup=False)
    return result.is_error


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines())


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)  # a year is not a quantity
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
