"""The outside half: calls a deployed server as an agent of its platform would, and says where that ends."""

from __future__ import annotations

import json
import re
import statistics
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2

from cli.doctor.network import is_local, look_at_network, look_at_url
from cli.doctor.proofs import NO_PROOF, Asked, NoProof, Proof, prove
from cli.doctor.refusals import cause_of, object_in, said_by
from cli.settings import CommandLineSettings
from core.finding import Finding, with_rest
from core.http import HEALTH_PATH
from core.identity.resource_metadata import WELL_KNOWN

__all__ = ["OUTSIDE_LINKS", "Outside", "look_outside"]

OUTSIDE_LINKS = (
    *("URL", "network", "closed", "discovery", "proof", "admitted", "health", "tools"),
    *("rule", "read", "write refused", "latency"),
)
"""The links that `look_outside` looks at, in their order."""

_VERSION = "2025-11-25"
_SECONDS = 60.0
_WARM_CALLS = 5

_READ = "RETURN 1 AS one"
_WRITE = "CREATE (n:NeverMade) DELETE n"
"""Leaves nothing behind even where it is not refused."""

_MARKED = re.compile(r"<(untrusted-data-[0-9a-f]+)>\n(?P<data>.*)\n</\1>", re.DOTALL)
"""Data in a text, between boundaries; `core.tools.answer` puts them there."""


@dataclass
class Outside:
    """What to look at, and how: ``method`` is one of `cli.doctor.METHODS`."""

    url: str
    platform: str | None
    method: str
    settings: CommandLineSettings
    scope: str | None = None
    token_url: str | None = None


@dataclass
class _Look:
    """What is known so far."""

    asked: Outside
    client: httpx2.Client
    proof: Proof = NO_PROOF
    issuers: list[str] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    first_ms: float | None = None
    inside: list[Finding] = field(default_factory=list)


def look_outside(outside: Outside) -> tuple[list[Finding], list[Finding]]:
    """What is found at each link; and the inside half, if the server let this caller use its tool ``doctor``.

    Raises:
        LocalError: The packages of the platform are not installed.
    """
    with httpx2.Client(timeout=_SECONDS, follow_redirects=False, trust_env=not is_local(outside.url)) as client:
        look = _Look(outside, client)
        found: list[Finding] = []
        for step in (
            lambda look: look_at_url(look.asked.url),
            lambda look: look_at_network(look.asked.url),
            _closed,
            _discovery,
            _proof,
            _admitted,
            _health,
            _tools,
            _rule,
            _read,
            _write,
            _latency,
        ):
            try:
                finding = step(look)
            except httpx2.HTTPError as error:
                says = f"There is no answer ({type(error).__name__})."
                finding = Finding(OUTSIDE_LINKS[len(found)], "failed", says, "Look at the server's log.")
            found.append(finding)
            if finding.state == "failed" and finding.link not in ("closed", "discovery", "health", "write refused"):
                break
        return with_rest(found, OUTSIDE_LINKS), look.inside


def _closed(look: _Look) -> Finding:
    """Nobody may enter without a proof."""
    answer = _post(look, "tools/list", {}, proven=False)
    if answer.status_code in (401, 403) or 300 <= answer.status_code < 400:
        return Finding("closed", "ok", f"A call without a proof is refused ({answer.status_code}).")
    if answer.status_code == 200 and "result" in object_in(answer):
        if is_local(look.asked.url):
            return Finding("closed", "ok", "Whoever is on this machine may call: the server asks nobody for a proof.")
        return Finding(
            "closed", "failed", "ANYBODY MAY CALL: the server answers without a proof.", "Take it off the network now."
        )
    return Finding("closed", "failed", *cause_of(answer, look.asked.platform, ""))


def _discovery(look: _Look) -> Finding:
    """Source: RFC 9728 sections 3 and 5."""
    parts = urlsplit(look.asked.url)
    url = f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{parts.path.rstrip('/')}"
    try:
        answer = look.client.get(url)
    except httpx2.HTTPError as error:
        return Finding("discovery", "warning", f"The metadata do not arrive ({type(error).__name__}).")
    document = object_in(answer)
    if answer.status_code != 200 or "resource" not in document:
        return Finding(
            "discovery", "ok", f"There are no metadata ({answer.status_code}): the server takes no tokens here."
        )
    servers = document.get("authorization_servers")
    look.issuers = [str(server) for server in servers] if isinstance(servers, list) else []
    resource = str(document["resource"])
    if resource.rstrip("/") != look.asked.url.rstrip("/"):
        return Finding(
            "discovery",
            "failed",
            f"The metadata are of {resource}, and the server is called by {look.asked.url}; clients refuse that.",
            f"Set NEO4J_M2M_PUBLIC_URL={look.asked.url}",
        )
    return Finding("discovery", "ok", f"Tokens come from {', '.join(look.issuers) or 'nowhere'}.")


def _proof(look: _Look) -> Finding:
    asked = look.asked
    try:
        look.proof = prove(
            asked.method,
            Asked(asked.url, asked.settings, look.client, look.issuers, asked.scope, asked.token_url),
        )
    except NoProof as error:
        return Finding("proof", "failed", str(error))
    end = look.proof.claims.get("exp")
    if isinstance(end, int | float) and end < time.time():
        return Finding("proof", "failed", look.proof.says, "Set this machine's clock, or get a new token.")
    return Finding("proof", "ok", look.proof.says)


def _admitted(look: _Look) -> Finding:
    hello = {
        "protocolVersion": _VERSION,
        "capabilities": {},
        "clientInfo": {"name": "neo4j-m2m doctor", "version": "1"},
    }
    begun = time.perf_counter()
    answer = _post(look, "initialize", hello)
    look.first_ms = (time.perf_counter() - begun) * 1000
    result = object_in(answer).get("result")
    if answer.status_code != 200 or not isinstance(result, dict):
        return Finding("admitted", "failed", *cause_of(answer, look.asked.platform, _who(look)))
    server = result.get("serverInfo") or {}
    return Finding("admitted", "ok", f"{server.get('name')} {server.get('version')} lets this caller in.")


def _who(look: _Look) -> str:
    """The options of ``policy explain`` for this caller, as far as its token tells."""
    claims = look.proof.claims
    platform = look.asked.platform or "azure"
    identity = claims.get("oid") or claims.get("client_id") or claims.get("azp") or claims.get("sub") or "ID"
    kind = {"aws": "service_principal" if claims else "iam_role"}.get(platform, "service_principal")
    return f"--platform {platform} --kind {kind} --id {identity}"


def _health(look: _Look) -> Finding:
    parts = urlsplit(look.asked.url)
    url = f"{parts.scheme}://{parts.netloc}{HEALTH_PATH}"
    try:
        answer = look.client.get(url, headers=look.proof.headers, auth=look.proof.signer)
    except httpx2.HTTPError as error:
        return Finding("health", "warning", f"It does not answer ({type(error).__name__}).")
    document = object_in(answer)
    if document.get("database") == "up":
        return Finding("health", "ok", "The server reaches its database.")
    if document.get("database") == "down":
        return Finding(
            "health",
            "failed",
            "The server runs, and cannot use its database.",
            "Its log says which link is broken (the database cannot be used …); or run neo4j-m2m doctor where it runs, "
            "or give this caller the tool doctor in the policy.",
        )
    return Finding("health", "warning", f"It answers {answer.status_code}. {said_by(answer)}".strip())


def _tools(look: _Look) -> Finding:
    answer = _post(look, "tools/list", {})
    result = object_in(answer).get("result")
    if not isinstance(result, dict):
        return Finding("tools", "failed", *cause_of(answer, look.asked.platform, _who(look)))
    listed = result.get("tools")
    look.tools = [str(tool.get("name")) for tool in listed] if isinstance(listed, list) else []
    if not look.tools:
        return Finding("tools", "failed", "No tool is listed.", "Give the caller's rule some `tools`.")
    return Finding("tools", "ok", f"{', '.join(look.tools)}.")


def _rule(look: _Look) -> Finding:
    if "doctor" not in look.tools:
        return Finding(
            "rule",
            "not reached",
            'Which rule decides is told to no caller: the audit log has it, or a rule with tools = ["doctor", …].',
        )
    result = _call(look, "doctor", {})
    content = _payload(result)
    look.inside = [Finding(**finding) for finding in content.get("findings", [])]
    return Finding("rule", "ok", f"{content.get('rule')}.")


def _read(look: _Look) -> Finding:
    if "read-cypher" not in look.tools:
        return Finding("read", "warning", "This caller may not use read-cypher.")
    result = _call(look, "read-cypher", {"query": _READ})
    if result.get("isError") or _payload(result).get("rows") != [[1]]:
        return Finding("read", "failed", _text(result), "Look at the server's log: it names the broken link.")
    return Finding("read", "ok", "A read is answered.")


def _write(look: _Look) -> Finding:
    if "read-cypher" not in look.tools:
        return Finding("write refused", "not reached")
    result = _call(look, "read-cypher", {"query": _WRITE})
    if not result.get("isError"):
        return Finding(
            "write refused", "failed", "A READING TOOL WROTE.", "Take the server off the network; report this."
        )
    return Finding("write refused", "ok", "A write by the reading tool is refused.")


def _latency(look: _Look) -> Finding:
    times = []
    for _ in range(_WARM_CALLS):
        begun = time.perf_counter()
        answer = _post(look, "ping", {})
        if answer.status_code != 200:
            return Finding("latency", "warning", *cause_of(answer, look.asked.platform, _who(look)))
        times.append((time.perf_counter() - begun) * 1000)
    return Finding(
        "latency", "ok", f"First answer {look.first_ms or 0:.0f} ms, then {statistics.median(times):.0f} ms (median)."
    )


def _post(look: _Look, method: str, params: dict[str, Any], *, proven: bool = True) -> httpx2.Response:
    proof = look.proof if proven else NO_PROOF
    headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": _VERSION, **proof.headers}
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return look.client.post(look.asked.url, json=message, headers=headers, auth=proof.signer)


def _call(look: _Look, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        body = object_in(_post(look, "tools/call", {"name": tool, "arguments": arguments}))
    except httpx2.HTTPError as error:
        return {"isError": True, "content": [{"text": f"There is no answer ({type(error).__name__})."}]}
    result = body.get("result")
    if isinstance(result, dict):
        return result
    refused = body.get("error") or {}
    return {"isError": True, "content": [{"text": refused.get("message", "")}]}


def _payload(result: dict[str, Any]) -> dict[str, Any]:
    """What a tool answered; from its text if the server sends no `structuredContent` (NEO4J_M2M_ANSWER_FORM=text)."""
    if isinstance(result.get("structuredContent"), dict):
        return dict(result["structuredContent"])
    text = "".join(str(part.get("text", "")) for part in result.get("content", []))
    marked = _MARKED.search(text)
    try:
        payload = json.loads(marked["data"] if marked else text)
    except ValueError:
        return {}
    return payload if isinstance(payload, dict) else {}


def _text(result: dict[str, Any]) -> str:
    return " ".join(str(part.get("text", "")) for part in result.get("content", []))[:400] or "The answer is another."
