"""Databricks' own MCP client in front of the emulated app: by hand, ``make databricks-mcp-check``.

It lives in an environment of its own, since it brings mlflow. It finds the way to a token with its own discovery, lists
the tools and calls one as the agent does, and is refused as the intruder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from local.console import Console
from local.emulators.databricks.emulate import platform
from local.settings import LocalSettings

CLIENT = """
import json, sys
from databricks.sdk import WorkspaceClient
from databricks_mcp import DatabricksMCPClient
from databricks_mcp.connector import discover_protected_resource_metadata

line = json.load(sys.stdin)


def client(of):
    workspace = WorkspaceClient(
        host=line["host"], client_id=of["client_id"], client_secret=of["client_secret"], auth_type="oauth-m2m"
    )
    return DatabricksMCPClient(server_url=line["url"], workspace_client=workspace)


metadata, _ = discover_protected_resource_metadata(line["url"])
agent = client(line)
question = {"query": "MATCH (a:Airport) RETURN count(a) AS airports"}
answer = agent.call_tool("read-cypher", question)
wrote = agent.call_tool("write-cypher", {"query": "CREATE (:Never)"})
content = getattr(answer, "structured_content", None) or getattr(answer, "structuredContent", None)
try:
    client(line["intruder"]).list_tools()
    refused = False
except BaseException:
    refused = True
print(json.dumps({
    "servers": metadata["authorization_servers"],
    "tools": [tool.name for tool in agent.list_tools()],
    "rows": content["rows"],
    "wrote": not getattr(wrote, "is_error", getattr(wrote, "isError", None)),
    "intruder_refused": refused,
}))
"""


def main(python: str) -> int:
    """Run the check with the interpreter ``python``; 0 if all went as it should."""
    console = Console()
    with platform(LocalSettings.from_environ(os.environ), console) as databricks:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("DATABRICKS_", "NEO4J_"))}
        ended = subprocess.run(
            [python, "-c", CLIENT],
            input=json.dumps(databricks.line),
            capture_output=True,
            text=True,
            env=environ,
            timeout=300,
        )
        if ended.returncode != 0:
            console.say(ended.stderr)
            return 1
        said = json.loads(ended.stdout.splitlines()[-1])
        console.say(json.dumps(said, indent=2))
        expected = {"servers": [f"{databricks.line['host']}/oidc"], "wrote": False, "intruder_refused": True}
        as_expected = all(said[name] == value for name, value in expected.items())
        return 0 if as_expected and "read-cypher" in said["tools"] and said["rows"][0][0] > 1000 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
