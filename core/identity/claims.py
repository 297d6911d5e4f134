"""Where the tokens of each platform say who calls: the client, the stable id, the roles, machine or person.

A claim is read only after the token's signature was verified. Claims that a platform's tokens always have are required,
so that a token made for another purpose, an ID token above all, does not pass for an access token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from core.errors import Unauthenticated
from core.identity.guid import folded
from core.identity.principal import PrincipalKind

__all__ = ["TokenCaller", "caller_of"]

Claims = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TokenCaller:
    """What a verified token says, in words that are the same for all platforms."""

    client: str
    kind: PrincipalKind
    id: str
    name: str
    tenant: str
    roles: frozenset[str]
    audiences: frozenset[str]
    blueprint: str = ""


def caller_of(platform: str, claims: Claims) -> TokenCaller:
    """The caller whom ``claims`` describe, read as claims of a token of ``platform``.

    Raises:
        Unauthenticated: A claim that such a token always has is missing, or has another form.
    """
    if claims.keys() & {"at_hash", "c_hash"}:
        # OpenID Connect Core section 3.1.3.6: these stand in ID tokens, which say who signed in, not who may call.
        raise Unauthenticated("the token is an ID token, not an access token")
    return _READERS[platform](claims)


def _entra(claims: Claims) -> TokenCaller:
    """Microsoft Entra, both forms.

    Sources: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference and
    https://learn.microsoft.com/entra/identity-platform/scenario-protected-web-api-verification-scope-app-roles (in a
    token of an application, ``oid`` and ``sub`` are the same). An ID token for this server has neither ``azp`` nor
    ``appid``. ``xms_par_app_azp`` is in tokens that an agent identity gets, and in no other; it names the agent's
    blueprint (https://learn.microsoft.com/entra/agent-id/agent-token-claims ).
    """
    clients = {_text(claims, name) for name in ("azp", "appid") if name in claims}
    if len(clients) != 1:
        raise Unauthenticated("the token does not say which application it was issued to")
    client, object_id, tenant = folded(clients.pop()), folded(_text(claims, "oid")), folded(_text(claims, "tid"))
    subject = claims.get("sub")
    declared = claims.get("idtyp")
    app = declared == "app" or (
        declared is None and "scp" not in claims and isinstance(subject, str) and folded(subject) == object_id
    )
    blueprint = _text(claims, "xms_par_app_azp") if "xms_par_app_azp" in claims else ""
    kind: PrincipalKind = "user_on_behalf"
    if app and "scp" not in claims:
        kind = "managed_identity" if "xms_mirid" in claims else "service_principal"
        kind = "agent_identity" if blueprint else kind
    name = (
        _label(claims, "app_displayname") if kind != "user_on_behalf" else _label(claims, "preferred_username", "upn")
    )
    roles = _words(claims, "roles") | _words(claims, "scp")
    return TokenCaller(
        client=client,
        kind=kind,
        id=object_id,
        name=name or client,
        tenant=tenant,
        roles=roles,
        audiences=frozenset(folded(audience) for audience in _audiences(claims)),
        blueprint=folded(blueprint),
    )


def _cognito(claims: Claims) -> TokenCaller:
    """Amazon Cognito's access tokens.

    Those of the client-credentials grant have no ``aud``: their scopes say what they are for, and begin with
    the identifier of the resource server, and the client itself counts too, as it does for API Gateway's authorizers.
    Source: the page "Understanding the access token" of Amazon Cognito's developer guide.
    """
    if claims.get("token_use") != "access":
        raise Unauthenticated("the token is not an access token of a user pool")
    client, subject = _text(claims, "client_id"), _text(claims, "sub")
    app = subject == client and "username" not in claims
    scopes = _words(claims, "scope")
    audiences = _audiences(claims)
    if "aud" not in claims:
        audiences = frozenset({client, *(scope.rpartition("/")[0] for scope in scopes if "/" in scope)})
    return TokenCaller(
        client=client,
        kind="service_principal" if app else "user_on_behalf",
        id=client if app else subject,
        name=client if app else _label(claims, "username"),
        tenant=_text(claims, "iss").rstrip("/").rpartition("/")[2],
        roles=scopes | _words(claims, "cognito:groups"),
        audiences=audiences,
    )


def _databricks(claims: Claims) -> TokenCaller:
    """Tokens of a workspace, or of an account: for a service principal, the subject is its application id.

    Source: https://docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m .
    """
    client, subject = _text(claims, "client_id"), _text(claims, "sub")
    host = urlsplit(_text(claims, "iss")).netloc
    kind: PrincipalKind = "service_principal" if subject == client else "user_on_behalf"
    return TokenCaller(client, kind, subject, subject, host, _words(claims, "scope"), _audiences(claims))


def _oidc(claims: Claims) -> TokenCaller:
    """Any other issuer.

    RFC 9068 section 2.2 makes the subject of a machine's token its client id, and Okta does so. Auth0 writes
    ``CLIENT@clients``, Keycloak the service account's own id and a ``client_id`` that tokens of users lack.
    """
    clients = {_text(claims, name) for name in ("azp", "client_id", "cid", "appid") if name in claims}
    if len(clients) != 1:
        raise Unauthenticated("the token does not say which client it was issued to")
    client, subject = clients.pop(), _text(claims, "sub")
    keycloak = "client_id" in claims and claims.get("preferred_username") == f"service-account-{client}"
    app = subject in {client, f"{client}@clients"} or keycloak
    return TokenCaller(
        client=client,
        kind="service_principal" if app else "user_on_behalf",
        id=client if app else subject,
        name=client if app else _label(claims, "preferred_username", "email"),
        tenant=_text(claims, "iss"),
        roles=_words(claims, "scope") | _words(claims, "scp") | _words(claims, "roles"),
        audiences=_audiences(claims),
    )


_READERS: dict[str, Callable[[Claims], TokenCaller]] = {
    "azure": _entra,
    "aws": _cognito,
    "databricks": _databricks,
    "oidc": _oidc,
}


def _text(claims: Claims, name: str) -> str:
    """The claim ``name``, an identifier: printable, since it appears in logs and the policy compares it."""
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 512 or not value.isprintable():
        raise Unauthenticated(f"the token lacks the claim {name}, or the claim is malformed")
    return value


def _label(claims: Claims, *names: str) -> str:
    """The first of the claims ``names`` that exists and is printable; for people only, it decides nothing."""
    value = next((claims[name] for name in names if isinstance(claims.get(name), str)), "")
    return "".join(character if character.isprintable() else " " for character in value)[:200]


def _words(claims: Claims, name: str) -> frozenset[str]:
    """The claim ``name`` as a set: a list of texts, or one text with spaces in it (RFC 6749 section 3.3)."""
    value = claims.get(name, [])
    words = value.split(" ") if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) and word.isprintable() for word in words):
        raise Unauthenticated(f"the token's claim {name} is malformed")
    return frozenset(word for word in words if word)


def _audiences(claims: Claims) -> frozenset[str]:
    """RFC 7519 section 4.1.3: one text, or several."""
    value = claims.get("aud", [])
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(audience, str) for audience in listed):
        raise Unauthenticated("the token's claim aud is malformed")
    return frozenset(listed)
