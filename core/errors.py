"""Every error that this project raises on purpose, one tree.

::

    Neo4jM2mError               whatever can go wrong here; the text says what to do next
    ├── SettingsError           a setting is unknown, missing or does not parse (names it, never its value)
    ├── PolicyError             the policy does not parse, or a rule is invalid (names source and line)
    ├── CredentialError         a stored database credential has a form that cannot be used (quotes no value)
    ├── SecretError             a secret could not be fetched (in `core.credentials.secret_store`)
    │   ├── SecretNotFound      there is no such secret, or it has no value
    │   ├── SecretDenied        this server's identity may not read it
    │   │   └── SecretUndecryptable  … for the key that encrypts it does not decrypt it
    │   ├── SecretThrottled     the store gets too many requests
    │   ├── SecretUnreachable   the store does not answer
    │   └── SecretMalformed     the secret's content cannot be used
    ├── RotationError           a credential was not rotated (in `core.credentials.rotation_errors`)
    │   ├── RotationRefused     … an operator has to look at something
    │   │   └── UserRefused     the database refuses a login (in `core.credentials.database_users`)
    │   ├── RotationUnderWay    … another rotation of the same secret runs
    │   └── RotationInterrupted … the database does not answer, or takes no changes
    ├── TokenUnavailable        a token for the database could not be fetched: its issuer does not answer
    │   └── TokenRefused        … or refuses this server, or its caller
    ├── StillRefused            the database refused this login a moment ago (in `core.credentials.database_auth`)
    ├── IssuerError             the list of token issuers does not parse (names source and line)
    ├── KeyRingError            the ring of API keys does not parse (in `core.identity.key_ring`)
    ├── Refusal                 what a caller presented does not prove their identity; the text goes to the caller
    │   ├── Unauthenticated     there is no valid proof (401)
    │   ├── Forbidden           the caller lacks a role or scope (403)
    │   └── IssuerUnavailable   the proof cannot be checked: its issuer's keys are out of reach (503)
    │       └── KeyRingUnavailable  … or the ring of API keys is (in `core.identity.api_keys`)
    ├── ToolError               a tool call failed; the text goes to the agent as an ``isError`` answer
    │   ├── InvalidArguments    the arguments do not fit the tool's input schema
    │   ├── StatementError      the database refused the statement; carries Neo4j's status code
    │   ├── NotReadOnly         a statement on a reading tool would do more than read
    │   ├── DeadlineExceeded    the call's time was up before the database had answered
    │   ├── WriteUncertain      a write may have taken effect, or not
    │   ├── TooManySurvivors    the caller's stopped statements still run in the database
    │   └── DatabaseUnavailable the database cannot be reached, or refused this server's login
    ├── TooManyCalls            the caller has reached a limit of their rule: 429 (in `core.access.limits`)
    └── LocalError              something on this machine: the embedded database, its files, a port

No error text carries a credential, the database's address or a stack trace: all of them may be shown to a caller.
"""

from __future__ import annotations

__all__ = [
    "CredentialError",
    "DatabaseUnavailable",
    "DeadlineExceeded",
    "Forbidden",
    "InvalidArguments",
    "IssuerError",
    "IssuerUnavailable",
    "LocalError",
    "Neo4jM2mError",
    "NotReadOnly",
    "PolicyError",
    "Refusal",
    "SettingsError",
    "StatementError",
    "TokenRefused",
    "TokenUnavailable",
    "TooManySurvivors",
    "ToolError",
    "Unauthenticated",
    "WriteUncertain",
]


class Neo4jM2mError(Exception):
    """Root of the tree. ``str(error)`` is one or more sentences for the person or agent that reads it.

    ``withdrawn`` says whether the error takes back a value that was given before: whoever remembers it must soon
    stop using it. Other failures to fetch a value say nothing about the remembered one. ``transient`` says whether the
    same may succeed soon without an operator's action.
    """

    withdrawn = False
    transient = False


class SettingsError(Neo4jM2mError):
    """A setting is unknown, missing or does not parse. The text names the setting and never quotes its value."""


class CredentialError(Neo4jM2mError):
    """A stored database credential has a form that cannot be used. The text names it and quotes no value of it."""


class TokenUnavailable(Neo4jM2mError):
    """A token for the database could not be fetched. The text is for the operator, and quotes no answer."""

    transient = True


class TokenRefused(TokenUnavailable):
    """The issuer of tokens for the database refuses this server, or the caller on whose behalf it asks."""

    transient = False


class PolicyError(Neo4jM2mError):
    """The policy does not parse, or a rule is invalid. The text gives the source, the line and the reason."""


class IssuerError(Neo4jM2mError):
    """The list of issuers does not parse, or an entry is invalid. The text gives source, line and reason."""


class Refusal(Neo4jM2mError):
    """What a caller presented does not prove their identity. The text is for the caller, and quotes nothing."""


class Unauthenticated(Refusal):
    """No proof of identity, or an invalid one: 401."""


class Forbidden(Refusal):
    """The caller is known but lacks what all callers of their issuer need: 403. ``scopes`` names what is missing."""

    def __init__(self, message: str, scopes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.scopes = scopes


class IssuerUnavailable(Refusal):
    """The issuer's keys cannot be fetched, so its tokens can be neither accepted nor refused: 503.

    ``retry_after`` is the number of seconds after which to try again.
    """

    retry_after: float = 5.0


class ToolError(Neo4jM2mError):
    """A tool call failed in a way that the agent can act on.

    The message is this server's own. ``detail`` is what comes from the graph, or from the database about it: an answer
    marks it as data and cuts it, and no log holds it. ``outcome`` is the one-word class for logs.
    """

    outcome = "failed"

    def __init__(self, message: str, *, detail: str | None = None) -> None:
        super().__init__(message)
        self.detail = detail


class InvalidArguments(ToolError):
    """The arguments do not fit the tool's input schema. The text names the argument."""

    outcome = "invalid_arguments"


class StatementError(ToolError):
    """The database refused the statement.

    ``code`` is Neo4j's status code, such as ``Neo.ClientError.Statement.SyntaxError``.
    """

    outcome = "statement_error"

    def __init__(self, message: str, code: str, *, detail: str | None = None) -> None:
        super().__init__(message, detail=detail)
        self.code = code


class WriteUncertain(ToolError):
    """The connection broke during the commit: the changes may have been made, or not."""

    outcome = "uncertain"


class NotReadOnly(ToolError):
    """A statement given to a reading tool would do more than read the graph. The text says what, and what to do."""

    outcome = "refused"


class DeadlineExceeded(ToolError):
    """The call's time was up before the database had answered."""

    outcome = "timeout"


class TooManySurvivors(ToolError):
    """Statements of the caller still run in the database after they were told to stop: no more are run for now."""

    outcome = "refused"


class DatabaseUnavailable(ToolError):
    """The database cannot be reached, or refused this server's own login."""

    outcome = "unavailable"


class LocalError(Neo4jM2mError):
    """Something on this machine does not work: a port, a directory, a download, the embedded database."""
