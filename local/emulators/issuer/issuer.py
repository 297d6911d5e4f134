"""The issuer's tokens: in the form of Entra, Cognito, Databricks or any OpenID Connect provider."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from local.emulators.issuer.clients import Client, ClientAuthentication, OAuthError, Resource
from local.emulators.issuer.keys import Algorithm, SigningKeys
from local.emulators.issuer.subject_tokens import verified_claims
from local.emulators.issuer.users import User

__all__ = ["CLIENT_CREDENTIALS", "JWT_BEARER", "PASSWORD", "TOKEN_EXCHANGE", "Issuer", "Shape"]

CLIENT_CREDENTIALS = "client_credentials"
PASSWORD = "password"  # noqa: S105 - the name of a grant
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - the name of a grant

Shape = Literal["entra", "cognito", "databricks", "oidc"]


@dataclass(frozen=True)
class _Endpoints:
    """Paths below the issuer's origin: of the issuer itself, its metadata, its tokens and its keys."""

    issuer: str
    metadata: tuple[str, ...]
    token: str
    keys: str


class Issuer:
    """One issuer. ``tenant`` is Entra's tenant, Cognito's user pool; the other shapes have none.

    ``users`` are the people whose tokens it issues; in the shapes entra and oidc also to clients with their password.
    ``resources`` are what it issues tokens for; the first is used if a client names none and the shape allows that.
    ``lifetime`` is that of its tokens in seconds; it may be changed while requests are served. ``url`` is its origin,
    known when it is served.
    """

    def __init__(
        self,
        shape: Shape,
        clients: Iterable[Client],
        resources: Iterable[Resource],
        *,
        users: Iterable[User] = (),
        tenant: str = "9122040d-6c67-4c5b-b112-36a304b66dad",
        algorithm: Algorithm = "RS256",
        lifetime: int = 3600,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.shape = shape
        self.resources = tuple(resources)
        self.users = tuple(users)
        self.tenant = tenant
        self.lifetime = lifetime
        self.keys = SigningKeys(algorithm)
        self.authentication = ClientAuthentication(tuple(clients), clock)
        self.url = ""
        self._clock = clock
        self._by_path = self._endpoints()

    def _endpoints(self) -> tuple[_Endpoints, ...]:
        """The issuer's faces, the newest first; Entra has two."""
        openid, oauth = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"
        tenant = f"/{self.tenant}"
        faces: dict[Shape, tuple[_Endpoints, ...]] = {
            "entra": (
                _Endpoints(
                    f"{tenant}/v2.0",
                    (f"{tenant}/v2.0{openid}",),
                    f"{tenant}/oauth2/v2.0/token",
                    f"{tenant}/discovery/v2.0/keys",
                ),
                _Endpoints(f"{tenant}/", (f"{tenant}{openid}",), f"{tenant}/oauth2/token", f"{tenant}/discovery/keys"),
            ),
            "cognito": (
                _Endpoints(tenant, (f"{tenant}{openid}",), "/oauth2/token", f"{tenant}/.well-known/jwks.json"),
            ),
            "databricks": (
                _Endpoints("/oidc", (f"/oidc{oauth}", f"/oidc{openid}"), "/oidc/v1/token", "/oidc/jwks.json"),
            ),
            "oidc": (_Endpoints("", (openid, oauth), "/token", "/jwks.json"),),
        }
        return faces[self.shape]

    @property
    def clients(self) -> tuple[Client, ...]:
        """The clients that it knows, with their current secrets."""
        return self.authentication.clients

    def rotate_secret(self, client_id: str, new_secret: str, keep_old: bool = False) -> None:
        """Give a client another secret, as `ClientAuthentication.rotate_secret`."""
        self.authentication.rotate_secret(client_id, new_secret, keep_old=keep_old)

    @property
    def issuers(self) -> tuple[str, ...]:
        """The values of ``iss`` in its tokens; Entra's is that of version 2, then that of version 1."""
        return tuple(self.url + face.issuer for face in self._by_path)

    @property
    def token_url(self) -> str:
        """The token endpoint; Entra's is that of version 2."""
        return self.url + self._by_path[0].token

    def metadata_at(self, path: str, url: str | None = None) -> dict[str, Any] | None:
        """The metadata document at ``path`` (RFC 8414 section 2), if there is one at that path.

        ``url`` is the origin that the document names, where that is not the issuer's own.
        """
        url = self.url if url is None else url
        face = next((face for face in self._by_path if path in face.metadata), None)
        if face is None:
            return None
        # Nobody signs in here, but clients demand this URL in the metadata (RFC 8414 section 2: required).
        return {
            "issuer": url + face.issuer,
            "authorization_endpoint": url + face.token.removesuffix("token") + "authorize",
            "token_endpoint": url + face.token,
            "jwks_uri": url + face.keys,
            "response_types_supported": ["code"],
            "grant_types_supported": list(self.grant_types),
            "subject_types_supported": ["pairwise" if self.shape == "entra" else "public"],
            "id_token_signing_alg_values_supported": [self.keys.current.algorithm],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic", "private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["RS256", "PS256", "ES256"],
        }

    def serves_keys_at(self, path: str) -> bool:
        """Whether the keys are published at ``path``."""
        return any(face.keys == path for face in self._by_path)

    def token_version_at(self, path: str) -> int | None:
        """The version of the token endpoint at ``path``: 1 is Entra's older one, 2 any other; None without one."""
        for version, face in zip((2, 1), self._by_path, strict=False):
            if face.token == path:
                return version
        return None

    def assertion_audiences(self) -> tuple[str, ...]:
        """The allowed audiences of a client's assertion: the issuer, or its token endpoint (RFC 7523 section 3)."""
        return tuple(self.url + path for face in self._by_path for path in (face.issuer, face.token))

    @property
    def grant_types(self) -> tuple[str, ...]:
        """The grants that it accepts; those for users only if it has users."""
        for_users: dict[Shape, tuple[str, ...]] = {"entra": (PASSWORD, JWT_BEARER), "oidc": (PASSWORD, TOKEN_EXCHANGE)}
        return (CLIENT_CREDENTIALS, *(for_users.get(self.shape, ()) if self.users else ()))

    def response(self, claims: dict[str, Any], scopes: Iterable[str]) -> dict[str, Any]:
        """The token response with a token of ``claims`` (RFC 6749 section 5.1)."""
        lifetime = claims["exp"] - claims["iat"]
        response = {"token_type": "Bearer", "expires_in": lifetime, "access_token": self.sign(claims)}
        return response if self.shape == "entra" else {**response, "scope": " ".join(sorted(scopes))}

    def verified(self, token: str) -> dict[str, Any]:
        """The claims of ``token``, if it is one of this issuer's own that has not expired.

        Raises:
            jwt.PyJWTError: It is not.
        """
        return verified_claims(token, self.keys, self.issuers, self._clock())

    def resource_asked_for(self, form: dict[str, str], version: int) -> Resource:
        """The resource that a token request names, in the way of the shape.

        Raises:
            OAuthError: There is no resource of that name.
        """
        return self._entra_request(form, version) if self.shape == "entra" else self._resource(form)

    def _entra_request(self, form: dict[str, str], version: int) -> Resource:
        """Entra's first version takes a ``resource``, its second one ``RESOURCE/.default`` as the scope."""
        asked = form.get("resource", "") if version == 1 else form.get("scope", "").removesuffix("/.default")
        if version == 2 and not form.get("scope", "").endswith("/.default"):
            raise OAuthError("invalid_scope", "AADSTS1002012: The scope of an application is RESOURCE/.default.")
        if version == 2 and form.get("resource", asked) != asked:
            raise OAuthError("invalid_target", "AADSTS9010010: The resource does not match the requested scope.")
        for resource in self.resources:
            if asked and asked in (resource.identifier, resource.app_id, *resource.aliases):
                return resource
        raise OAuthError("invalid_resource", "AADSTS500011: The resource was not found in the tenant.")

    def _resource(self, form: dict[str, str]) -> Resource:
        """RFC 8707 section 2, and ``audience`` as in Auth0; Cognito and Databricks ignore both."""
        asked = form.get("resource") or form.get("audience")
        if asked is None or self.shape != "oidc":
            return self.resources[0]
        for resource in self.resources:
            if resource.identifier == asked:
                return resource
        raise OAuthError("invalid_target", "There is no such resource.")

    def claims(self, client: Client, resource: Resource, scopes: Iterable[str]) -> dict[str, Any]:
        """The claims of a token for ``client``, in the form of the shape."""
        now = int(self._clock())
        scopes = sorted(scopes)
        claims: dict[str, Any] = {"iss": self.issuers[0], "iat": now, "exp": now + self.lifetime}
        if self.shape == "entra":
            oid = client.object_id or client.id
            claims |= {"nbf": now, "aud": resource.app_id or resource.identifier, "oid": oid, "sub": oid}
            claims |= {"tid": self.tenant, "azp": client.id, "azpacr": "1", "roles": scopes, "ver": "2.0"}
            if resource.token_version == 1:
                del claims["azp"], claims["azpacr"]
                claims |= {"iss": self.issuers[1], "aud": resource.identifier, "appid": client.id, "appidacr": "1"}
                claims |= {"ver": "1.0", "idtyp": "app", "app_displayname": client.name or client.id}
            if client.managed_identity:
                claims["xms_mirid"] = client.managed_identity
            if client.blueprint:
                # Of the facets, 11 stands for an agent identity.
                claims |= {"xms_par_app_azp": client.blueprint, "xms_act_fct": "11 3 9", "xms_sub_fct": "11 3 9"}
            return claims if scopes else {name: value for name, value in claims.items() if name != "roles"}
        claims |= {"sub": client.id, "client_id": client.id, "scope": " ".join(scopes), "jti": str(uuid.uuid4())}
        if self.shape == "cognito":
            return claims | {"token_use": "access", "version": 2, "auth_time": now}
        return claims | {"aud": resource.identifier}

    def user_claims(self, client: Client, user: User, resource: Resource, scopes: Iterable[str]) -> dict[str, Any]:
        """The claims of a token that ``client`` is given for ``user``, in the form of the shape."""
        scopes = sorted(scopes)
        claims = self.claims(client, resource, scopes)
        if self.shape != "entra":
            more = {"username": user.name} if self.shape == "cognito" else {}
            return claims | {"sub": user.id} | more
        for name in ("roles", "xms_mirid", "xms_sub_fct", "app_displayname"):
            claims.pop(name, None)
        name = "upn" if resource.token_version == 1 else "preferred_username"
        # In a user's token, the subject differs for each application; only the object id is the same.
        pairwise = f"{user.id}@{resource.identifier}"
        said = {"oid": user.id, "sub": pairwise, "scp": " ".join(scopes), "idtyp": "user", name: user.name}
        return claims | said | ({"roles": sorted(user.roles)} if user.roles else {})

    def sign(self, claims: dict[str, Any], **headers: Any) -> str:
        """``claims`` as a token of this issuer, for tests with forged tokens; no request can choose claims."""
        types = {"entra": "JWT", "cognito": None, "databricks": "at+jwt", "oidc": "at+jwt"}
        return self.keys.current.sign(claims, {"typ": types[self.shape], **headers})

    def user_token(self, for_client: str, user: str, /, **changed: Any) -> str:
        """A token of the user named ``user`` for a client, with ``changed`` claims; None removes one.

        Raises:
            LookupError: There is no such client or user.
        """
        client = next((client for client in self.clients if client.id == for_client), None)
        person = next((person for person in self.users if person.name == user), None)
        if client is None or person is None:
            raise LookupError(f"there is no {'client ' + for_client if client is None else 'user ' + user}")
        claims = self.user_claims(client, person, self.resources[0], person.scopes) | changed
        return self.sign({name: value for name, value in claims.items() if value is not None})

    def token(self, for_client: str, /, **changed: Any) -> str:
        """A token for a client as the endpoint would issue it, with ``changed`` claims; None removes one."""
        client = next(client for client in self.clients if client.id == for_client)
        claims = self.claims(client, self.resources[0], client.scopes) | changed
        return self.sign({name: value for name, value in claims.items() if value is not None})
