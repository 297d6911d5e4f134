"""The agent example of infra/foundry on the emulated Azure: by hand, ``make azure-agent``.

Microsoft's Agent Framework is in an environment of its own. The example gets its token by azure-identity from the
emulated tenant over TLS, and calls the function; only the model is a script.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from local.console import Console
from local.emulators.azure.emulate import platform
from local.settings import LocalSettings

EXAMPLE = Path(__file__).parents[2] / "infra/foundry/framework_agent.py"


def run(python: str, line: dict[str, str], identity: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The example, run by the interpreter ``python`` as ``identity``."""
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environ |= {
        "MCP_URL": line["url"],
        "AUDIENCE": line["audience"],
        "TENANT_ID": line["tenant"],
        "CLIENT_ID": identity["client_id"],
        "CLIENT_SECRET": identity["client_secret"],
        "AUTHORITY": line["authority_url"],
        "AUTHORITY_CA": line["authority_ca"],
    }
    command = [python, str(EXAMPLE), "Which airline flies to Honolulu?"]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=180, check=False)


def main(python: str) -> int:
    """Run the check with the interpreter ``python``; 0 if the agent read the graph and the intruder did not."""
    with platform(LocalSettings.from_environ(os.environ), Console()) as azure:
        agent = run(python, azure.line, azure.line)
        intruder = run(python, azure.line, azure.line["intruder"])
    print(agent.stderr, end="", file=sys.stderr)
    if agent.returncode != 0:
        return 1
    answer = json.loads(agent.stdout)["answer"]
    print(answer)
    read = "Hawaiian Airlines" in answer
    refused = intruder.returncode != 0 and "answer" not in intruder.stdout
    print(f"the agent read the graph: {read}; the intruder was refused: {refused}")
    return 0 if read and refused else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
