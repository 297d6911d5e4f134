"""Runs the conformance suite of both protocol eras against the HTTP core: ``python -m tests.conformance.run``.

Exit status 0 means that every scenario a revision requires passed, save those that
``baseline-REVISION.yml`` names with a reason, and that none of those passed unexpectedly.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.conformance.server import build_server

HERE = Path(__file__).parent
NODE = Path(sys.prefix).parent / ".venv-node" / "bin" / "node"
SUITE = HERE / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"

REVISIONS = ("2025-11-25", "2026-07-28")
PENDING_SCENARIOS = ("http-header-validation", "http-custom-header-server-validation", "json-schema-2020-12")
"""Scenarios that the suite runs but does not score yet; this project holds itself to them all the same."""

FEWEST_CHECKS = {"2025-11-25": 40, "2026-07-28": 100}
"""A run in which fewer checks passed than this has tested nothing, whatever its exit status."""


def main() -> int:
    """Start the server, run the suite once a revision, stop the server."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = build_server(port)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        failed = [revision for revision in REVISIONS if not _passes(port, revision)]
    finally:
        server.should_exit = True
        thread.join(10)
    print(f"conformance: failed for {', '.join(failed)}" if failed else "conformance: both eras pass")
    return 1 if failed else 0


def _passes(port: int, revision: str) -> bool:
    common = ["--url", f"http://localhost:{port}/mcp", "--expected-failures", str(HERE / f"baseline-{revision}.yml")]
    output, status = _suite([*common, "--requirements", revision])
    print(output[output.rfind("=== SUMMARY ===") :], flush=True)
    total = re.search(r"^Total: (\d+) passed", output, re.MULTILINE)
    enough = total is not None and int(total.group(1)) >= FEWEST_CHECKS[revision]
    if not enough:
        print(f"conformance: too few checks ran for {revision}:\n{output[-2000:]}")
    pending = [
        name
        for name in PENDING_SCENARIOS
        if f"scenario: {name}" in output and not re.search(rf"✓ {re.escape(name)}: [1-9]\d* passed, 0 failed", output)
    ]
    if pending:
        print(f"conformance: {', '.join(pending)} must pass for {revision}, though not scored yet")
    return status == 0 and enough and not pending


def _suite(arguments: list[str]) -> tuple[str, int]:
    command = [str(NODE), str(SUITE), "server", *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    return finished.stdout + finished.stderr, finished.returncode


if __name__ == "__main__":
    sys.exit(main())
