from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from core.application import Application
from core.settings import Settings
from core.tools import ALL_TOOLS
from tests.core.fixture_tools import granting
from tests.core.mcp_requests import anybody, legacy, parsed, post

Ask = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]


def asking(application: Application) -> Ask:
    """Calls a tool through the whole of the HTTP core and returns the result."""

    async def ask(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        message = legacy("tools/call", {"name": name, "arguments": arguments})
        response = await application.handle(post(message, ("mcp-protocol-version", "2025-11-25")))
        result: dict[str, Any] = parsed(response)["result"]
        return result

    return ask


@pytest.fixture
async def ask(settings: Settings) -> AsyncIterator[Ask]:
    """Asks as a caller who reads the sample graph."""
    application = Application(settings, anybody)
    yield asking(application)
    await application.close()


@pytest.fixture
async def ask_writer(scratch_settings: Settings) -> AsyncIterator[Ask]:
    """Asks as a caller who may use every tool on a graph that tests may change."""
    application = Application(scratch_settings, anybody, grant_for=granting(ALL_TOOLS))
    yield asking(application)
    await application.close()
