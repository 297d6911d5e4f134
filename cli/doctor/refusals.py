"""What an answer of a deployed server, or of the platform in front of it, means, and what mends it.

Each case was reported in public for the platform that it is listed under; docs/troubleshooting.md has the sources.
"""

from __future__ import annotations

from typing import Any

import httpx2

from core.application import NOT_ADMITTED, NOTHING_HERE
from core.identity.principal import CANNOT_CHECK, NO_CREDENTIAL, NOT_PROVED
from core.misconfigured import NOT_CONFIGURED

__all__ = ["cause_of", "object_in", "said_by"]

Cause = tuple[str, str]

_ADMIT = "Add a rule to the policy that fits this caller; try it with: neo4j-m2m policy explain --policy FILE "


def object_in(answer: httpx2.Response) -> dict[str, Any]:
    """The JSON object in the body; an empty one if there is anything else."""
    _, body = _json_in(answer)
    return body if isinstance(body, dict) else {}


def said_by(answer: httpx2.Response) -> str:
    """The sentence in the body: the message of a JSON-RPC error, AWS's ``Message``, or the text's first line."""
    is_json, body = _json_in(answer)
    if not is_json:
        return "" if "<" in answer.text[:200] else answer.text.strip().partition("\n")[0][:200]
    if not isinstance(body, dict):
        return ""
    error = body.get("error")
    if isinstance(error, dict):
        return str(error.get("message", ""))[:400]
    return str(body.get("Message") or body.get("message") or "")[:300]


def _json_in(answer: httpx2.Response) -> tuple[bool, Any]:
    """Whether the body is JSON, and what it then holds."""
    try:
        return True, answer.json()
    except ValueError:
        return False, None


def cause_of(answer: httpx2.Response, platform: str | None, who: str) -> Cause:
    """Why ``answer`` is not one of MCP: what is wrong, and what mends it. ``who`` is what `policy explain` takes."""
    said = said_by(answer)
    for known in (_ours, _PLATFORMS.get(platform or "", _nothing)):
        cause = known(answer, said, who)
        if cause is not None:
            return cause
    return _general(answer, said)


def _ours(answer: httpx2.Response, said: str, who: str) -> Cause | None:
    """What this project's own server says."""
    status = answer.status_code
    if said == NOT_ADMITTED:
        return said, _ADMIT + who
    if said == NOT_CONFIGURED:
        return said, "Look at the server's log: it names the setting and the reason. Correct it, and deploy again."
    if status == 401 and said.startswith(NOT_PROVED):
        if NO_CREDENTIAL in said:
            return said, "Choose a proof with --auth. If one was sent, a proxy in front of the server has removed it."
        if "expired" in said:
            return said, "Get a new token, and look at the clocks of this machine and the server."
        if "audience" in said:
            return said, "Ask for a token for the audience in NEO4J_M2M_ISSUERS (--scope), or list this one there."
        return said, "Look at docs/troubleshooting.md under this text; the server's audit log has the same reason."
    if status == 403 and answer.headers.get("www-authenticate", "").startswith("Bearer"):
        return said, "Give the caller a role or scope that NEO4J_M2M_ISSUERS asks for, then get a new token."
    if said == NOTHING_HERE:
        return said, "End the URL in /mcp."
    if status == 421:
        return said, "Call the server by localhost or 127.0.0.1, or start it with callers who prove who they are."
    if status == 429 and "error" in object_in(answer):
        return said, "Wait, and call less often; or raise the limits of this caller's rule in the policy."
    if status == 500 and "error" in object_in(answer):
        return said, "Look at the server's log."
    if status == 503 and said.startswith(CANNOT_CHECK):
        return said, "The issuer's keys or the key ring are out of reach: open the way from the server to them."
    return None


def _aws(answer: httpx2.Response, said: str, who: str) -> Cause | None:
    """Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html ."""
    status = answer.status_code
    low = said.lower()
    if status == 403 and ("signature" in low or "credential should be scoped" in low):
        if "expired" in low or "not yet current" in low:
            return f"AWS refuses the signature: {said}", "Set this machine's clock: AWS allows five minutes."
        return f"AWS refuses the signature: {said}", "Sign for the service lambda, in the function's region."
    if status == 403 and "security token" in low:
        return (
            f"AWS does not know the keys: {said}",
            "Get new credentials: aws sso login, or aws sts get-caller-identity.",
        )
    if status == 403:
        return (
            f"IAM does not let this caller through the function URL: {said or 'Forbidden'}",
            "Give it both lambda:InvokeFunctionUrl (FunctionUrlAuthType AWS_IAM) and lambda:InvokeFunction "
            "(InvokedViaFunctionUrl true) on the function's alias: since October 2025 both are needed.",
        )
    if status == 429:
        return "Lambda throttles the function.", "Raise its reserved concurrency, or the account's."
    if status in (500, 502):
        return (
            "The function failed before it could answer.",
            "Look at its log for an error of the import or a timeout: sam logs, or aws logs tail.",
        )
    if status == 404:
        return "There is no function URL of that name.", "Take the URL from the outputs of the stack."
    return None


def _azure(answer: httpx2.Response, said: str, who: str) -> Cause | None:
    """Sources: azure-functions-host#11915 and azure-functions-python-worker#1338 (404 everywhere)."""
    status, location = answer.status_code, answer.headers.get("location", "")
    if status == 404 and not said:
        return (
            "The function app has no such function.",
            "An error while the app is imported leaves none, and 404 everywhere: look at `func azure functionapp "
            'logstream`. If /health answers, host.json\'s routePrefix is not "".',
        )
    if status == 401 and not said:
        return (
            "The Functions host, or App Service's own authentication in front of it, wants a proof.",
            "Send a function key (x-functions-key), or look at allowedAudiences and allowedApplications of Easy Auth.",
        )
    if status == 403 and not answer.headers.get("content-type", "").startswith("application/json"):
        return (
            "App Service refuses the request before the function sees it.",
            "Look at allowedApplications of Easy Auth, and at the access restrictions by IP address.",
        )
    if status in (301, 302, 307) and "login." in location:
        return (
            "Easy Auth sends callers to a page to log in.",
            "Set unauthenticatedClientAction to Return401: agents follow no login page.",
        )
    if status == 503 and not said:
        return (
            "The Functions host does not run.",
            "Look at AzureWebJobsStorage and at the app's identity: without its storage the host does not start.",
        )
    return None


def _databricks(answer: httpx2.Response, said: str, who: str) -> Cause | None:
    """Sources: databrickslabs/mcp and community threads on Databricks Apps; dao-ai#303 for redirects."""
    status = answer.status_code
    if status in (301, 302, 303, 307):
        return (
            "The proxy of Databricks Apps sends callers to a page to log in: it saw no token that it accepts.",
            "Send an OAuth token of this workspace: personal access tokens do not open an app.",
        )
    if status == 401:
        return (
            f"The proxy of Databricks Apps does not accept the token{f': {said}' if said else ''}.",
            "Get an OAuth token of the app's own workspace: personal access tokens do not open an app.",
        )
    if status == 403:
        return (
            "The proxy of Databricks Apps does not let this caller in.",
            "Give it CAN_USE on the app: databricks apps update-permissions NAME",
        )
    if status == 502:
        return "The app does not run.", "Look at its log (https://APP/logz): it must listen on DATABRICKS_APP_PORT."
    if status == 504:
        return "The app took more than 120 seconds.", "Lower NEO4J_M2M_TIMEOUT, and ask for less."
    return None


def _nothing(answer: httpx2.Response, said: str, who: str) -> Cause | None:
    return None


_PLATFORMS = {"aws": _aws, "azure": _azure, "databricks": _databricks}


def _general(answer: httpx2.Response, said: str) -> Cause:
    status = answer.status_code
    if 300 <= status < 400:
        return (
            f"The URL redirects ({status}).",
            f"Use where it leads: {answer.headers.get('location', 'the header location')[:200]}",
        )
    if status == 429:
        return "The server is called too often.", "Wait, and call less often."
    if status in (502, 503, 504):
        return f"No server behind the URL answers ({status}). {said}".strip(), "Start it, and look at its log."
    if status == 404:
        return "There is nothing at this URL.", "End it in /mcp, and look whether the server is deployed."
    if status == 200 and not _json_in(answer)[0]:
        return "Something answers, but not MCP: it is a page.", "Correct the URL; a proxy may answer in between."
    return f"The answer has the status {status}. {said}".strip(), "Look at the server's log."
