"""What answers in place of an application that cannot be built, because a setting is wrong.

A function that fails while it is imported is worse than one that refuses: its platform then knows no route, and answers
404, or its own 500, on every path, with no reason anywhere that an operator looks. So a shim that cannot build its
application serves this instead. The caller learns that the server is not configured, and nothing about how. The
operator finds the whole reason in the log, with each request, since a host may lose the lines of a starting worker.

Sources: https://github.com/Azure/azure-functions-python-worker/issues/1338 and
https://github.com/Azure/azure-functions-host/issues/11915 .
"""

from __future__ import annotations

import logging

from core.errors import Neo4jM2mError
from core.http import HEALTH_PATH, JSON_HEADERS, Request, Response, as_asked, plain

__all__ = ["NOT_CONFIGURED", "Misconfigured"]

logger = logging.getLogger(__name__)

NOT_CONFIGURED = "This server is not configured, and answers nobody. Its operator finds the reason in its log."


class Misconfigured:
    """Answers every request with 503. ``reason`` is the text for the operator.

    It holds the whole text of an error of this project, which quotes no value of a setting, and of any other error only
    the type, since nobody knows what its text holds. ``waiting`` is put into Retry-After: a wrong setting does not mend
    itself, and a client that asks again at once only fills the log.
    """

    waiting = 60
    """Seconds."""

    def __init__(self, error: Exception) -> None:
        known = isinstance(error, Neo4jM2mError)
        self.reason = str(error) if known else f"{type(error).__name__}, while the server was built"
        logger.critical("this server is misconfigured, and answers 503 to every request: %s", self.reason)

    async def handle(self, request: Request) -> Response:
        """The refusal of ``request``, whatever it asks for."""
        logger.error(
            "request %s was refused with 503, since this server is misconfigured: %s", request.request_id, self.reason
        )
        if request.path == HEALTH_PATH:
            body = b"" if request.method == "HEAD" else b'{"status":"misconfigured"}'
            response = Response(503, dict(JSON_HEADERS), body)
        else:
            response = plain(503, NOT_CONFIGURED)
        response.headers["retry-after"] = str(self.waiting)
        return as_asked(response, request.method, request.headers)

    async def close(self) -> None:
        """Nothing is open."""
