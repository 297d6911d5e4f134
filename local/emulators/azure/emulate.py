"""Azure on this machine: a function app behind its front, once for each kind of proof, its vault, and who may call."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import secrets
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from core.errors import LocalError
from core.http import MCP_PATH
from core.identity.api_keys import new_key
from core.identity.key_ring import ApiKey, KeyRing, render_key_ring
from local.console import Console
from local.database import open_database, stored_credential
from local.emulators.azure.certificates import loopback_certificates
from local.emulators.azure.functions_host import FunctionsHost, HostKeys
from local.emulators.azure.identity_endpoint import IdentityEndpoint
from local.emulators.azure.key_vault import KeyVaultApp
from local.emulators.azure.tenant import AUDIENCE, Tenant
from local.emulators.azure.worker_process import APP_ROOT, Worker
from local.emulators.callers import Caller, HeaderAuth, bearer
from local.emulators.in_process import HEADERS, become, tool_call, tool_result
from local.emulators.issuer import RunningIssuer, running_issuer
from local.emulators.issuer.running import secure_face
from local.emulators.loopback_server import served
from local.neo4j.readiness import free_port
from local.settings import LocalSettings

__all__ = ["AzurePlatform", "Subscription", "callers", "invoke", "platform", "subscription"]

_SECRET = "neo4j-agent"  # noqa: S105 - the name of a secret
_KEYS_SECRET = "neo4j-m2m-keys"  # noqa: S105 - the name of a secret
_KEY_PRINCIPAL = "foundry"
_HOST_KEY_PRINCIPAL = "foundry-host-key"


@dataclass
class Subscription:
    """The vault with its secrets, and everything that a function app needs to read them.

    ``authority_url`` is the tenant's origin over TLS. ``environ`` is the environment of such an app, and ``authority``
    the certificate authority that it must trust.
    """

    tenant: Tenant
    tokens: RunningIssuer
    vault: KeyVaultApp
    identities: IdentityEndpoint
    vault_url: str
    authority: Path
    authority_url: str
    environ: dict[str, str] = field(repr=False)
    administrators: KeyVaultApp
    rotation_environ: dict[str, str] = field(repr=False)


@dataclass
class AzurePlatform:
    """The running platform: ``line`` is what `emulate` prints, a contract for clients from outside."""

    line: dict[str, Any] = field(repr=False)
    subscription: Subscription
    workers: tuple[Worker, ...]


@contextlib.contextmanager
def subscription(tenant: Tenant | None = None) -> Iterator[Subscription]:
    """The tenant, its vault and the identity endpoint of a function app, while the context lasts."""
    tenant = tenant or Tenant()
    header = secrets.token_urlsafe(24)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="neo4j-m2m-azure-")))
        certificates = loopback_certificates(directory)
        tokens = stack.enter_context(running_issuer(tenant.issuer()))
        vault = KeyVaultApp(tokens.issuer, frozenset({tenant.function.object_id}))
        identities = IdentityEndpoint(tokens.issuer, (tenant.function,), header)
        vault_url = stack.enter_context(served(vault, name="Key Vault", certificate=certificates.server))
        authority_url = stack.enter_context(secure_face(tokens.issuer, certificates.server))
        endpoint = stack.enter_context(served(identities, name="the identity endpoint"))
        environ = {
            "IDENTITY_ENDPOINT": f"{endpoint}/msi/token",
            "IDENTITY_HEADER": header,
            "REQUESTS_CA_BUNDLE": str(certificates.authority),
            "NEO4J_M2M_VAULT_URL": vault_url,
            "NEO4J_M2M_IDENTITY_CLIENT_ID": tenant.function.id,
        }
        # The app that rotates: an identity and an endpoint of its own, and a vault that no other app reads.
        vault.readers |= {tenant.rotation.object_id}
        vault.writers = frozenset({tenant.rotation.object_id})
        administrators = KeyVaultApp(tokens.issuer, frozenset({tenant.rotation.object_id}))
        admin_url = stack.enter_context(served(administrators, name="the other vault", certificate=certificates.server))
        own = IdentityEndpoint(tokens.issuer, (tenant.rotation,), header)
        own_endpoint = stack.enter_context(served(own, name="the identity endpoint of the rotation"))
        rotation_environ = {
            **environ,
            "IDENTITY_ENDPOINT": f"{own_endpoint}/msi/token",
            "NEO4J_M2M_ADMIN_VAULT_URL": admin_url,
            "NEO4J_M2M_IDENTITY_CLIENT_ID": tenant.rotation.id,
        }
        yield Subscription(
            tenant,
            tokens,
            vault,
            identities,
            vault_url,
            certificates.authority,
            authority_url,
            environ,
            administrators,
            rotation_environ,
        )


@contextlib.contextmanager
def _with_secrets(
    settings: LocalSettings, console: Console, endpoint: str = ""
) -> Iterator[tuple[Subscription, SecretStr]]:
    """The vault with the database's credential and the hash of an API key in it; the key is yielded, too."""
    with open_database(settings, console) as complete, subscription(Tenant(endpoint=endpoint)) as running:
        running.vault.write(_SECRET, stored_credential(complete))
        key = new_key()
        now = datetime.datetime.now(datetime.UTC)
        ring = KeyRing(keys=(ApiKey(id=key.id, name=_KEY_PRINCIPAL, hash=key.hash, created=now, expires=None),))
        running.vault.write(_KEYS_SECRET, SecretStr(render_key_ring(ring)))
        running.environ |= {
            "NEO4J_M2M_SECRET": _SECRET,
            "NEO4J_M2M_LOG_LEVEL": settings.log_level,
            "NEO4J_M2M_SECRET_TTL": f"{settings.secret_ttl:g}",
        }
        yield running, key.text


def _policy(*rules: tuple[str, str]) -> str:
    return "".join(
        f'[[rule]]\nname = "{kind} reads"\nplatform = "azure"\nkind = "{kind}"\nid = "{identifier}"\n'
        for kind, identifier in rules
    )


def _modes(running: Subscription) -> dict[str, dict[str, str]]:
    """The additional settings for each kind of proof."""
    return {
        "entra": {
            "NEO4J_M2M_ISSUERS": running.tenant.issuers_text(running.tokens.issuer),
            "NEO4J_M2M_PUBLIC_URL": running.tenant.endpoint,
            "NEO4J_M2M_KEYS_SECRET": _KEYS_SECRET,
            "NEO4J_M2M_POLICY": _policy(
                ("service_principal", running.tenant.agent.object_id),
                ("managed_identity", running.tenant.project.object_id),
                ("api_key", _KEY_PRINCIPAL),
            ),
        },
        "function_key": {
            "NEO4J_M2M_CALLER_AUTH": "function_key",
            "NEO4J_M2M_FUNCTION_KEY_PRINCIPAL": _HOST_KEY_PRINCIPAL,
            "NEO4J_M2M_POLICY": _policy(("api_key", _HOST_KEY_PRINCIPAL)),
        },
    }


@contextlib.contextmanager
def platform(settings: LocalSettings, console: Console, *, port: int = 0) -> Iterator[AzurePlatform]:
    """Run it while the context lasts; the app that takes tokens is on ``port``, 0 for any free one.

    Raises:
        LocalError: A port is taken, a worker or the embedded database does not start.
    """
    keys = HostKeys(functions={"mcp": secrets.token_urlsafe(40)})
    with contextlib.ExitStack() as stack:
        # The registration names the endpoint, and so has to know where it will be.
        port = port or free_port()
        endpoint = f"http://127.0.0.1:{port}{MCP_PATH}"
        running, api_key = stack.enter_context(_with_secrets(settings, console, endpoint))
        workers = {}
        for mode, more in _modes(running).items():
            console.say(f"Starting the function app that proves callers by {mode} …")
            workers[mode] = Worker({**running.environ, **more})
            stack.callback(workers[mode].close)
        urls = {}
        for mode, worker in workers.items():
            worker.load()
            if worker.loading_error is not None:
                raise LocalError(f"The function app cannot be loaded: {worker.loading_error}")
            at = port if mode == "entra" else 0
            front = FunctionsHost(worker, keys)
            urls[mode] = stack.enter_context(served(front, name=f"the function app ({mode})", port=at)) + MCP_PATH
        tenant = running.tenant
        console.say(f"Key Vault's certificate is by the authority in {running.authority}.")
        line = {
            "platform": "azure",
            "url": urls["entra"],
            "token_url": running.tokens.issuer.token_url,
            "client_id": tenant.agent.id,
            "client_secret": tenant.agent.secret,
            "intruder": {"client_id": tenant.intruder.id, "client_secret": tenant.intruder.secret},
            "url_function_key": urls["function_key"],
            "function_key": keys.functions["mcp"],
            "audience": AUDIENCE,
            "api_key": api_key.get_secret_value(),
            "vault_url": running.vault_url,
            "secret_name": _SECRET,
            "tenant": tenant.id,
            "authority_url": running.authority_url,
            "authority_ca": str(running.authority),
        }
        yield AzurePlatform(line, running, tuple(workers.values()))


def callers(line: dict[str, Any]) -> list[Caller]:
    """The callers of the function apps of ``line``, which `emulate` has printed."""
    url, by_host_key, scope = line["url"], line["url_function_key"], f"{line['audience']}/.default"
    agent = bearer(line["token_url"], line, scope=scope)
    intruder = bearer(line["token_url"], line["intruder"], scope=scope)
    for_the_vault = bearer(line["token_url"], line, scope="https://vault.azure.net/.default")
    return [
        Caller("a service principal with its token of Entra", url, agent),
        Caller("whoever has one of this server's API keys", url, HeaderAuth("x-api-key", line["api_key"])),
        Caller("whoever has the host's key", by_host_key, HeaderAuth("x-functions-key", line["function_key"])),
        Caller("a service principal whom no rule admits", url, intruder, admitted=False),
        Caller("the first one, with a token for something else", url, for_the_vault, admitted=False),
        Caller("somebody without any", url, admitted=False),
    ]


def invoke(settings: LocalSettings, console: Console, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The tool result of one call of the function, in this process, with a token of the agent's.

    Raises:
        LocalError: The embedded database does not start.
    """
    with _with_secrets(settings, console) as (running, _), contextlib.redirect_stdout(sys.stderr):
        become({**running.environ, **_modes(running)["entra"]})
        token = running.tokens.issuer.token(running.tenant.agent.id)
        return tool_result(asyncio.run(_invoked(tool_call(tool, arguments), {"authorization": f"Bearer {token}"})))


async def _invoked(body: bytes, headers: Mapping[str, str]) -> bytes:
    from local.emulators.azure.worker import answered, indexed

    sys.path.insert(0, str(APP_ROOT))
    told = {
        "function": "mcp",
        "invocation_id": str(uuid.uuid4()),
        "trace_parent": f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01",
        "method": "POST",
        "url": f"https://localhost{MCP_PATH}",
        "headers": {**HEADERS, **headers},
        "params": {},
        "body": base64.b64encode(body).decode(),
    }
    _, functions = indexed()
    answer = await answered(functions["mcp"], told)
    from azure_function.app import application

    await application.close()
    return base64.b64decode(answer["body"])
