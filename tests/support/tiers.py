"""A pytest plugin that tells apart what is quick and what needs more than this process.

A test has the mark ``processes`` if it uses a database, or says so itself, or its module does. ``make test-fast``
leaves those out. Nobody has to remember the mark: a test without it that starts a process, or that uses a fixture which
does, fails in every run, and the failure names the mark.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import Any

import pytest

STARTERS = frozenset({"sample_database", "scratch_database", "open_database"})
"""Fixtures that start processes and are used in modules that need none besides: each a database."""

MARK = "processes"
_STARTS = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system"})
_ADVICE = f"a test without the mark {MARK!r} starts a process: mark it, or its module, with @pytest.mark.{MARK}"


class ProcessGuard:
    """Sees every process that starts, and knows for whom: a test that is marked, one that is not, a fixture."""

    def __init__(self) -> None:
        self.watching = False
        self.item: pytest.Item | None = None
        self.setting_up: list[pytest.FixtureDef[Any]] = []
        self.starting_fixtures: set[tuple[str, str]] = set()
        self.started: list[str] = []

    def see(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Refuse the start of a process where a test without the mark runs."""
        if not self.watching or event not in _STARTS or _asks_for_the_processor(event, arguments):
            return
        self.starting_fixtures.update((fixture.baseid, fixture.argname) for fixture in self.setting_up)
        if self.item is not None and self.item.get_closest_marker(MARK) is None:
            self.started.append(str(arguments[:1] if arguments else event))
            pytest.fail(_ADVICE)

    def uses(self, item: pytest.Item) -> str | None:
        """The fixture of ``item`` that has started a process in this run, if any."""
        definitions = item._fixtureinfo.name2fixturedefs  # type: ignore[attr-defined]
        for name, found in definitions.items():
            if any((fixture.baseid, name) in self.starting_fixtures for fixture in found[-1:]):
                return str(name)
        return None


def _asks_for_the_processor(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether it is ``uname -p``, which Python's own module ``platform`` runs once, when an SDK names its system."""
    return event == "subprocess.Popen" and list(arguments[1]) == ["uname", "-p"]


GUARD = ProcessGuard()
sys.addaudithook(GUARD.see)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARK}: needs a database or starts a process; not in `make test-fast`")
    config.addinivalue_line("markers", "exhaustive: one of the dearest; run by `make exhaustive`, not by `make test`")
    GUARD.watching = True


def pytest_unconfigure(config: pytest.Config) -> None:
    GUARD.watching = False


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses one of ``STARTERS``. Modules with marked tests come first; quick ones fill the gaps at the end."""
    for item in items:
        if STARTERS & set(getattr(item, "fixturenames", ())):
            item.add_marker(MARK)
    heavy = {item.path for item in items if item.get_closest_marker(MARK) is not None}
    items.sort(key=lambda item: item.path not in heavy)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    GUARD.item = item
    GUARD.started.clear()
    try:
        return (yield)
    finally:
        GUARD.item = None


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
    GUARD.setting_up.append(fixturedef)
    try:
        return (yield)
    finally:
        GUARD.setting_up.pop()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker(MARK) is None and (name := GUARD.uses(item)) is not None:
        pytest.fail(f"the fixture {name!r} starts a process: {_ADVICE}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Where the refusal was raised in a thread or caught, the test fails all the same."""
    result = yield
    if GUARD.started:
        pytest.fail(f"{_ADVICE} ({', '.join(GUARD.started)})")
    return result
