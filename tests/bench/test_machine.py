"""What is told of the machine that benchmarks run on."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.machine import busy_cores
from bench.rivals import processor_seconds

SPIN = "print('begun', flush=True)\nwhile True: pass"


@pytest.mark.processes
def test_the_work_of_another_process_is_seen_and_counted() -> None:
    with subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout is not None
            other.stdout.readline()
            assert busy_cores() >= 0.5
            assert processor_seconds(other.pid) > 0
        finally:
            other.kill()
