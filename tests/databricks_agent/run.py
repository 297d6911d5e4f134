"""The example of an agent, in its own environment, calls the emulated app: ``make databricks-agent``.

Its identity and its tokens are real, and so are the app, the policy and the graph; the model is a stand-in. It has to
read the schema, count with what the schema says, and be refused a write.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from local.console import Console
from local.emulators.databricks.emulate import platform
from local.settings import LocalSettings

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "infra/databricks"
MODEL = ROOT / "tests/databricks_agent/stub_model.py"
NOT_STRICT = {"read-cypher", "explain-cypher"}
"""``params`` may be any JSON object, which no strict schema can say."""


def main(python: str) -> int:
    """Run the example with the interpreter ``python``; 0 if it did what it should."""
    console = Console()
    theirs = ("DATABRICKS_", "NEO4J_", "OPENAI_")
    found = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
    with platform(LocalSettings.from_environ(os.environ), console) as databricks:
        line = databricks.line

        def asked_by(caller: dict[str, str]) -> subprocess.CompletedProcess[str]:
            environ = {
                **found,
                "DATABRICKS_HOST": line["host"],
                "DATABRICKS_CLIENT_ID": caller["client_id"],
                "DATABRICKS_CLIENT_SECRET": caller["client_secret"],
            }
            command = [python, str(MODEL), str(EXAMPLE), line["url"], "What is in the graph?"]
            return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300)

        agent, intruder = asked_by(line), asked_by(line["intruder"])
        if agent.returncode != 0:
            console.say(agent.stderr)
            return 1
        said = json.loads(agent.stdout.splitlines()[-1])
        console.say(said["answer"])
        console.say(f"tools with a strict schema: {json.dumps(said['strict'])}")
        console.say(f"the intruder ended with status {intruder.returncode}")
        counted, _, written = said["answer"].partition("A write was answered with:")
        read = " Airport" in counted and " Plane" in counted
        not_strict = {name for name, strict in said["strict"].items() if not strict}
        as_it_should = read and "only reads" in written and not_strict == NOT_STRICT
        return 0 if as_it_should and intruder.returncode != 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
