"""What the benchmarks ran on: the machine, the versions, how busy it was."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil

from bench.figures import OURS
from bench.rivals import RIVALS, installed_rivals
from local.neo4j.jars import NEO4J_VERSION

__all__ = ["about", "busy_cores", "now"]

ROOT = Path(__file__).parent.parent
_VERSIONS = "import importlib.metadata as m, json, sys; print(json.dumps([m.version(name) for name in sys.argv[1:]]))"


def busy_cores() -> float:
    """How many cores are busy while no benchmark runs: the work of others. Takes two seconds.

    A load average would not tell: it goes on counting the benchmark that has just ended.
    """
    time.sleep(1)
    shares = psutil.cpu_times_percent(interval=1)
    idle = shares.idle + getattr(shares, "iowait", 0)
    return round((os.cpu_count() or 1) * (100 - idle) / 100, 2)


def now() -> str:
    """The time of day, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())


def about() -> dict[str, Any]:
    """The machine and the versions, for JSON."""
    return {
        "begun": now(),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory": f"{psutil.virtual_memory().total / 1e9:.0f} GB",
            "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        },
        "versions": _versions(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def _versions() -> dict[str, str]:
    found = {
        OURS: f"{importlib.metadata.version('neo4j-m2m')}, commit {_commit()}",
        "Neo4j Community": NEO4J_VERSION,
        "Python": platform.python_version(),
    }
    found |= {name: importlib.metadata.version(name) for name in ("neo4j", "mcp", "pydantic", "uvicorn")}
    programs = installed_rivals()
    if programs:
        names = [path.name for path in programs.values()]
        command = [str(RIVALS / "python"), "-c", _VERSIONS, *names]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found |= dict(zip(programs, json.loads(said), strict=True))
    return found


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=10"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
