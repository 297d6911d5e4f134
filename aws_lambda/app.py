"""The Lambda function: ``aws_lambda.app.handler``, behind a function URL.

A wrong setting does not stop the import: `core.misconfigured` answers 503 in place of the application, and the log says
which setting it is.

One execution environment answers one call at a time and is frozen between two. One event loop lives as long as it does,
since the driver's connections belong to the loop that opened them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from mangum import Mangum

from aws_lambda.identity import IAM_CLAIM, iam_caller
from aws_lambda.payload import can_send
from aws_lambda.secrets import SecretsManager
from aws_lambda.settings import AwsSettings
from core.application import Application, Authenticate
from core.asgi import AsgiApp, PlatformRequest, Scope
from core.deadline import Deadline
from core.errors import SettingsError
from core.from_settings import configured_grants, stored_api_keys, token_door
from core.http import Request, Response, as_asked
from core.misconfigured import Misconfigured

__all__ = [
    "MARGIN",
    "application",
    "application_of",
    "handler",
    "logger",
    "loop",
    "platform_request",
    "refused",
    "report",
    "settings",
]

MARGIN = 1.0
"""Seconds before Lambda ends the call by which the answer must be ready."""

_REPORT_SECONDS = 0.5
"""Seconds that the end of a call may wait for a collector of telemetry: less than `MARGIN`."""

_REFUSALS = frozenset({"unauthenticated", "forbidden", "limited", "not_granted", "refused"})
_FAILURES = frozenset({"unavailable", "failed"})
_EVENTS = {"credential_changed": "CredentialRefreshes", "statement_survived": "SurvivingStatements"}

_wrong: Exception | None = None
try:
    settings = AwsSettings.from_environ(os.environ)
except SettingsError as error:
    _wrong, settings = error, AwsSettings.from_environ({})
# The audit's lines have level INFO, and are written whatever the level of the others is.
logger = Logger(
    service="neo4j-m2m", level="DEBUG" if settings.log_level == "DEBUG" else "INFO", log_uncaught_exceptions=False
)
_core = logging.getLogger("core")
_core.setLevel(settings.log_level)
_core.handlers[:] = [logger.registered_handler]  # as JSON, with the request's id
_core.propagate = False
metrics = Metrics(namespace="Neo4jM2M", service="neo4j-m2m")
metrics.set_default_dimensions(function_name=os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "local"))


def platform_request(scope: Scope) -> PlatformRequest:
    """What Lambda says about a request: its id, the time left, and the caller that the function URL verified."""
    event, context = scope["aws.event"], scope["aws.context"]
    request = event["requestContext"]
    left = context.get_remaining_time_in_millis() / 1000 - MARGIN
    iam = (request.get("authorizer") or {}).get("iam")
    return PlatformRequest(request.get("requestId") or context.aws_request_id, Deadline.after(left), {IAM_CLAIM: iam})


def application_of(settings: AwsSettings, secrets: SecretsManager) -> Application:
    """The server, with the door that ``settings`` ask for.

    Raises:
        PolicyError, IssuerError: What the settings hold does not parse.
    """
    door: Authenticate = iam_caller
    if settings.caller_auth == "jwt":
        door = token_door(settings, stored_api_keys(settings, secrets, platform="aws")).authenticate
    return Application(
        settings,
        door,
        grant_for=configured_grants(settings),
        secrets=secrets,
        audit=write_down,
        can_send=can_send,
    )


def write_down(line: dict[str, Any]) -> None:
    """Write a line of the audit to the function's log, and count it in the metrics."""
    logger.info(line["audit"], extra={name: value for name, value in line.items() if name != "time"})
    if line["audit"] in _EVENTS:
        metrics.add_metric(_EVENTS[line["audit"]], MetricUnit.Count, 1)
        return
    metrics.add_metric("Calls", MetricUnit.Count, 1)
    if line.get("outcome") in _REFUSALS:
        metrics.add_metric("Refusals", MetricUnit.Count, 1)
    if line.get("outcome") in _FAILURES:
        metrics.add_metric("Failures", MetricUnit.Count, 1)


loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)  # Mangum runs each call on the current loop
secrets = SecretsManager()
application: Application | Misconfigured
try:
    application = application_of(settings, secrets) if _wrong is None else Misconfigured(_wrong)
except Exception as error:  # noqa: BLE001 - whatever is wrong, a function that cannot be imported says nothing
    application = Misconfigured(error)
if isinstance(application, Application):
    _http = Mangum(AsgiApp(application, platform_request), lifespan="off")


def _serve(event: Any, context: Any) -> dict[str, Any]:
    if not isinstance(event, dict) or not isinstance(event.get("requestContext"), dict) or "version" not in event:
        logger.warning("an event was refused: it is not a request of a function URL")
        metrics.add_metric("Refusals", MetricUnit.Count, 1)
        return _plain(403, "Call this function through its URL.")
    if isinstance(application, Misconfigured):
        response = refused(application, request_of(event))
        return {
            "statusCode": response.status,
            "headers": response.headers,
            "body": response.body.decode(),
            "isBase64Encoded": False,
        }
    answer: dict[str, Any] = _http(event, context)
    return answer


def request_of(event: Mapping[str, Any]) -> Request:
    """What a refusal has to know about the request in ``event``: all but the body."""
    context = event["requestContext"]
    headers = event.get("headers")
    return Request(
        method=str((context.get("http") or {}).get("method", "")),
        path=str(event.get("rawPath", "")),
        headers=tuple(headers.items()) if isinstance(headers, dict) else (),
        body=b"",
        request_id=str(context.get("requestId", "")),
    )


def refused(by: Misconfigured, request: Request) -> Response:
    """The refusal of ``request`` by a server that is ``misconfigured``; it counts as a failure, for an alarm to see."""
    metrics.add_metric("Calls", MetricUnit.Count, 1)
    metrics.add_metric("Failures", MetricUnit.Count, 1)
    return as_asked(loop.run_until_complete(by.handle(request)), request.method, request.headers)


def _plain(status: int, reason: str) -> dict[str, Any]:
    headers = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}
    return {"statusCode": status, "headers": headers, "body": f"{reason}\n", "isBase64Encoded": False}


@logger.inject_lambda_context(clear_state=True)
def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer one request of the function URL; ``event`` has payload format 2.0, as has the answer.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads .
    """
    try:
        return _serve(event, context)
    finally:
        report()


def report() -> None:
    """Log what this call counted, and send its telemetry: once the answer is given, this process may be frozen."""
    if metrics.provider.metric_set:  # a health check counts nothing
        metrics.flush_metrics()
    if isinstance(application, Application) and application.telemetry is not None:
        application.telemetry.flush(_REPORT_SECONDS)


def _before_snapshot() -> None:
    """Put into the snapshot what the first call would import, but no connection: its copies could not share one."""
    import boto3  # noqa: F401

    loop.run_until_complete(application.close())


def _after_restore() -> None:
    """Start over, with the role's current keys and with randomness of this copy's own.

    What is remembered about issuers and API keys stays: it is not secret, and its age is known by the wall clock, which
    no snapshot stops.
    """
    secrets.forget()
    if isinstance(application, Application):
        application.forget()
    random.seed()


try:
    from snapshot_restore_py import register_after_restore, register_before_snapshot
except ImportError:  # Lambda's own runtimes have it, if they can restore snapshots
    pass
else:
    register_before_snapshot(_before_snapshot)
    register_after_restore(_after_restore)
