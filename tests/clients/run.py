"""Asks real MCP clients what they show of a refusal, each in an environment of its own.

``python -m tests.clients.run``; names after it choose some of them. A server with a policy that admits nobody refuses
each one; a client shows the reason if the server's sentence is in what it raises or prints. The newest version of each
is installed, under ``.venv-clients``: can the agents of today read a refusal? It needs npm, too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from core.application import NOT_ADMITTED
from tests.support.processes import environment, finished, running

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parent.parent / ".venv-clients"
INSTALL_SECONDS = 900
ASK_SECONDS = 120


@dataclass(frozen=True)
class ClientUnderTest:
    """A client: how it is installed (``pip`` or ``npm``), and the script that calls with it."""

    name: str
    installer: str
    packages: tuple[str, ...]
    script: str
    reports: str
    """The package whose version the table shows."""
    hides: str = ""
    """Why the client shows no reason, whatever the server answers; empty for those that do."""


CLIENTS = (
    ClientUnderTest("python-sdk", "pip", ("mcp",), "python_sdk.py", "mcp"),
    ClientUnderTest("fastmcp", "pip", ("fastmcp",), "fastmcp_client.py", "fastmcp"),
    ClientUnderTest(
        "langchain", "pip", ("langchain-mcp-adapters",), "langchain_client.py", "langchain-mcp-adapters", "status alone"
    ),
    ClientUnderTest(
        "langchain-with-hook",
        "pip",
        ("langchain-mcp-adapters",),
        "langchain_with_hook.py",
        "langchain-mcp-adapters",
    ),
    ClientUnderTest("openai-agents", "pip", ("openai-agents",), "openai_agents.py", "openai-agents"),
    ClientUnderTest("pydantic-ai", "pip", ("pydantic-ai-slim[mcp]",), "pydantic_ai_client.py", "pydantic-ai-slim"),
    ClientUnderTest("strands", "pip", ("strands-agents",), "strands_client.py", "strands-agents"),
    ClientUnderTest(
        "typescript-sdk", "npm", ("@modelcontextprotocol/sdk",), "typescript_sdk.mjs", "@modelcontextprotocol/sdk"
    ),
    ClientUnderTest("mcp-remote", "npm", ("mcp-remote", "@modelcontextprotocol/sdk"), "mcp_remote.mjs", "mcp-remote"),
)


def install(client: ClientUnderTest) -> tuple[list[str], str]:
    """The command that runs the client's script, and its version; installed now unless it is there."""
    place = ENVIRONMENTS / client.name
    if client.installer == "pip":
        python = place / "bin" / "python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", place], check=True)
            quiet = ["--disable-pip-version-check", "--quiet"]
            subprocess.run(
                [python, "-m", "pip", "install", *quiet, *client.packages], check=True, timeout=INSTALL_SECONDS
            )
        code = f"import importlib.metadata as m; print(m.version({client.reports!r}))"
        version = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
        return [str(python), str(HERE / "scripts" / client.script)], version
    modules = place / "node_modules"
    if not modules.exists():
        place.mkdir(parents=True, exist_ok=True)
        npm = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(place)]
        subprocess.run([*npm, *client.packages], check=True, timeout=INSTALL_SECONDS)
    # A module is looked for beside the script that imports it.
    copied = place / client.script
    copied.write_text((HERE / "scripts" / client.script).read_text())
    version = json.loads((modules / client.reports / "package.json").read_text())["version"]
    return ["node", str(copied)], version


def shown(command: list[str], url: str, key: str) -> str:
    """All that the client says when it is refused."""
    ended = subprocess.run(
        [*command, url],
        env={**os.environ, "GRAPH_KEY": key, "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=ASK_SECONDS,
        stdin=subprocess.DEVNULL,
    )
    return ended.stdout + ended.stderr


def main(wanted: list[str]) -> int:
    """Print a table of the clients; 1 if one does not do as is known of it."""
    rows: list[tuple[str, str, str]] = []
    with tempfile.TemporaryDirectory() as directory:
        environ = environment(
            NEO4J_URI="bolt://127.0.0.1:1",
            NEO4J_PASSWORD="canary-clients",
            NEO4J_M2M_KEYS_FILE=f"{directory}/keys.json",
            NEO4J_M2M_POLICY='[[rule]]\nname = "somebody else"\nid = "somebody-else"',
        )
        key = json.loads(finished("keys", "create", "--name", "agent", "--json", environ=environ).stdout)["key"]
        with running("serve", "--port", "0", environ=environ) as server:
            for client in CLIENTS:
                if wanted and client.name not in wanted:
                    continue
                try:
                    command, version = install(client)
                    said = shown(command, server.ready["url"], key)
                except (subprocess.SubprocessError, OSError) as error:
                    version, said = "?", f"it could not be tried: {error}"
                shows = NOT_ADMITTED in said
                note = client.hides or "yes"
                rows.append((client.name, version, note if shows is not bool(client.hides) else "UNEXPECTED"))
                print(f"{'✓' if shows else '✗'} {client.name} {version}", flush=True)
                if rows[-1][2] == "UNEXPECTED":
                    print(said[-2000:], flush=True)
    print("\n| client | version | shows the reason |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    return 1 if any(note == "UNEXPECTED" for _, _, note in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
