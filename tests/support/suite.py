"""A pytest plugin for the whole suite: it watches for secrets, and lets nothing be skipped in CI.

Where pytest-xdist shares the tests among several processes, each of them watches what it sees, and the one that was
started by hand has the last word.

A shell without job control starts what runs in the background with interrupts ignored, and children inherit that: tests
that interrupt a child would wait for ever. So interrupts count again here.
"""

from __future__ import annotations

import os
import signal
from typing import Any

import hypothesis
import pytest

from tests.support.canaries import WATCH, watch_the_log

_FOUND = "canaries"


def pytest_configure(config: pytest.Config) -> None:
    watch_the_log()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # How long an example takes depends on what else the machine does.
    hypothesis.settings.register_profile(
        "suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("suite")


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if not hasattr(report, "node"):  # one that a worker passed on: it was looked through there
        for name, text in report.sections:
            WATCH.look(text, f"{name} of {report.nodeid.partition('[')[0]}")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take over what a worker has found. One that crashed says nothing, and its crash is a failure."""
    texts, found = getattr(node, "workeroutput", {}).get(_FOUND, (0, []))
    WATCH.texts += texts
    WATCH.found += found


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a test that is skipped has failed: nothing that this suite needs may be missing there.

    A secret that shows in anything that the suite put out is a failure everywhere.
    """
    to_the_first: dict[str, object] | None = getattr(session.config, "workeroutput", None)
    if to_the_first is not None:
        to_the_first[_FOUND] = (WATCH.texts, WATCH.found)
        return
    if WATCH.found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"looked for secrets in {WATCH.texts:,} log lines and outputs")
    for found in sorted(set(WATCH.found)):
        terminalreporter.write_line(f"a secret shows: {found}", red=True)
