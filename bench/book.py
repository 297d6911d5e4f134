"""Runs the benchmarks, keeps what they measured, and writes ``BENCHMARKS.md``: ``python -m bench.book``.

Each part runs in a process of its own, against one database. What a part measured is stored as soon as it ends, in
``docs/benchmarks/results.json``. A part that fails, or takes too long, is named in the book; the others go on, and the
status at the end is 1. ``--part NAME``, more than once if wanted, runs these parts and leaves the others as they are.
``--render`` measures nothing. ``--brief`` runs everything for a moment and writes nothing into the tree.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.machine import about, busy_cores, now
from bench.render import write
from local.console import Console
from local.database import embedded_database
from local.settings import LocalSettings

ROOT = Path(__file__).parent.parent

PARTS = {
    "read_latency": "Reads by distance",
    "throughput": "Reads without distance, and memory",
    "schemes": "Reads with TLS and routing",
    "session": "A session of an agent",
    "cold_start": "Cold starts",
    "shims": "What a platform's shim adds",
    "schema_size": "Large schemas",
    "memory": "Rows asked for",
    "checks": "Guard, tokens, keys and policy",
    "connections": "Connections",
    "packages": "Package sizes",
    "answer_size": "Answers in bytes and tokens",
    "payload": "Answers on Lambda",
}
"""The modules that measure, and the titles of their chapters."""

LONGEST = 300
"""Seconds after which a part counts as failed."""


def run_part(name: str, *, brief: bool) -> dict[str, Any]:
    """What a part measured, or why it did not."""
    command = [sys.executable, "-m", f"bench.{name}", "--json", *(["--brief"] if brief else [])]
    before, at, begun = None if brief else busy_cores(), now(), time.perf_counter()
    failed, findings = "", []
    with (
        tempfile.TemporaryFile("w+") as told,
        tempfile.TemporaryFile("w+") as complaints,
        subprocess.Popen(command, stdout=told, stderr=complaints, cwd=ROOT, start_new_session=True) as process,
    ):
        try:
            process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            failed = f"it took longer than {LONGEST} seconds"
        finally:
            _end(process)
        told.seek(0)
        complaints.seek(0)
        if not failed and process.returncode:
            said = complaints.read().strip().splitlines() or [f"status {process.returncode}"]
            print("\n".join(said[-20:]), file=sys.stderr)
            failed = said[-1].replace(str(ROOT), ".")[:200]
        elif not failed:
            findings = json.loads(told.read())
    seconds = round(time.perf_counter() - begun, 1)
    others = None if before is None else max(before, busy_cores())
    conditions = {"title": PARTS[name], "begun": at, "seconds": seconds, "others": others}
    return {**conditions, "failed": failed, "findings": findings}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the part, with the servers that it started, if it runs."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def run(names: list[str], stored: dict[str, Any], file: Path, *, brief: bool) -> dict[str, Any]:
    """Run the parts called ``names``, add them to what is ``stored``, and keep that in ``file`` after each."""
    results = {"about": about(), "parts": dict(stored.get("parts", {}))}
    with embedded_database(LocalSettings.from_environ({}), Console()):
        for number, name in enumerate(names, 1):
            print(f"[{number}/{len(names)}] {PARTS[name]} …", flush=True)
            part = run_part(name, brief=brief)
            results["parts"][name] = part
            results["parts"] = {one: results["parts"][one] for one in PARTS if one in results["parts"]}
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
            print(f"    {part['failed'] or 'done'}, {part['seconds']:.0f} s", flush=True)
    return results


def main() -> int:
    """Run, keep, render; 1 if a part failed."""
    parser = argparse.ArgumentParser(description="Runs the benchmarks and writes BENCHMARKS.md.")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; the others stay as they are")
    parser.add_argument("--render", action="store_true", help="write the book again from what is stored")
    parser.add_argument("--brief", action="store_true", help="run everything briefly, and write nothing into the tree")
    parser.add_argument("--folder", type=Path, default=ROOT, help="where the book is written; the root of the tree")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # the part that runs is ended, too
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if arguments.brief else arguments.folder
        pictures = folder / "docs" / "benchmarks"
        file = pictures / "results.json"
        stored: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        if not arguments.render:
            stored = run(arguments.part or list(PARTS), stored, file, brief=arguments.brief)
        elif not stored:
            parser.error(f"nothing is stored in {file}")
        write(stored, folder / "BENCHMARKS.md", pictures)
    failed = [name for name, part in stored["parts"].items() if part["failed"]]
    for name in failed:
        print(f"failed: {name}: {stored['parts'][name]['failed']}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
