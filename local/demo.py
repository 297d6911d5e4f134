"""``demo``: a real server, a real client, a real graph, and what an agent gets out of them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mcp.client.client import Client
from mcp_types import CallToolResult, TextContent
from rich.console import Console as RichConsole
from rich.table import Table

from core.errors import LocalError
from local.console import Console
from local.sample.questions import QUESTIONS, Question
from local.settings import LocalSettings

__all__ = ["run_demo"]

_SERVER_START_SECONDS = 600
"""The first start downloads the database; a slow line must not end the demo."""

_SERVER_STOP_SECONDS = 20

_REFUSED: tuple[tuple[str, str], ...] = (
    ("And a statement that writes?", "MATCH (a:Airport {faa: 'JFK'}) SET a.name = 'Idlewild' RETURN a.name"),
    (
        "And one that hides the reading of a file in an expression, where a plan does not show it?",
        "RETURN [i IN [1] | COLLECT { LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line }] AS secrets",
    ),
)


def run_demo(settings: LocalSettings, console: Console) -> int:
    """Start ``serve``, ask it the sample graph's questions over HTTP, print the answers on stdout, stop it.

    Returns 0 if every question was answered with rows and what must not run was refused, else 1.

    Raises:
        LocalError: NEO4J_URI names another database, or the server does not start.
    """
    if settings.neo4j_uri is not None:
        raise LocalError(
            "The demo asks about its own sample graph, and NEO4J_URI names another database. "
            "Unset NEO4J_URI for the demo; `neo4j-m2m serve` serves yours."
        )
    started = time.monotonic()
    with _served() as url:
        console.say(f"Ready after {time.monotonic() - started:.1f} s.")
        return asyncio.run(_ask(url))


@contextmanager
def _served() -> Iterator[str]:
    """The URL of a ``serve`` in a process of its own; it and its children are gone when the context is left."""
    command = [sys.executable, "-m", "local.cli", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        try:
            line = next(iter(process.stdout or ()), "")
            if not line:
                raise LocalError("The server did not start; the lines above say why.")
            yield str(json.loads(line)["url"])
        finally:
            process.terminate()
            try:
                process.wait(_SERVER_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


async def _ask(url: str) -> int:
    out = RichConsole(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)
    failures = 0
    async with Client(url) as client:
        out.print(f"\nAn MCP client ({client.protocol_version}) talks to {url}", style="bold", markup=False)
        listed = await client.list_tools()
        for tool in listed.tools:
            out.print(f"  {tool.name:<12} {tool.title}", markup=False)
        schema = await client.call_tool("get-schema", {})
        _print_schema(out, schema)
        for number, question in enumerate(QUESTIONS, 1):
            failures += not await _ask_one(out, client, number, question)
        for text, statement in _REFUSED:
            failures += not await _is_refused(out, client, text, statement)
    questions = f"{len(QUESTIONS)} questions asked"
    out.print(f"\n{questions}, {failures} went wrong." if failures else f"\n{questions}, all answered.", style="bold")
    return 1 if failures else 0


def _print_schema(out: RichConsole, schema: CallToolResult) -> None:
    data: dict[str, Any] = schema.structured_content
    nodes = ", ".join(f"{entry['label']} {entry['count']:,}" for entry in data["nodes"])
    relationships = ", ".join(f"{entry['type']} {entry['count']:,}" for entry in data["relationships"])
    out.print(f"\nget-schema\n  nodes          {nodes}\n  relationships  {relationships}", markup=False)


async def _ask_one(out: RichConsole, client: Client, number: int, question: Question) -> bool:
    """Ask, print, and tell whether there was an answer with rows."""
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
    """Try a statement that must not run, print, and tell whether it was refused."""
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
        return f"{value:,}" if abs(value) >= 10_000 else str(value)  # a year is no quantity
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
