"""Every error that this project raises on purpose, one tree.

::

    Neo4jM2mError               whatever can go wrong here; the text says what to do next
    ├── SettingsError           a setting is unknown, missing or does not parse (names it, never its value)
    ├── ToolError               a tool call failed; the text goes to the agent as an ``isError`` answer
    │   ├── InvalidArguments    the arguments do not fit the tool's input schema
    │   ├── StatementError      the database refused the statement; carries Neo4j's status code
    │   ├── NotReadOnly         a statement on a reading tool would do more than read
    │   ├── DeadlineExceeded    the call's time was up before the database had answered
    │   └── DatabaseUnavailable the database cannot be reached, or refused this server's login
    └── LocalError              something on this machine: the embedded database, its files, a port

No error text carries a credential, the database's address or a stack trace: all of them may be shown to a caller.
"""

from __future__ import annotations

__all__ = [
    "DatabaseUnavailable",
    "DeadlineExceeded",
    "InvalidArguments",
    "LocalError",
    "Neo4jM2mError",
    "NotReadOnly",
    "SettingsError",
    "StatementError",
    "ToolError",
]


class Neo4jM2mError(Exception):
    """Root of the tree. ``str(error)`` is one or more sentences for the person or agent that reads it."""


class SettingsError(Neo4jM2mError):
    """A setting is unknown, missing or does not parse. The text names the setting and never quotes its value."""


class ToolError(Neo4jM2mError):
    """A tool call failed in a way that the agent can act on. ``outcome`` is the one-word class for logs."""

    outcome = "failed"


class InvalidArguments(ToolError):
    """The arguments do not fit the tool's input schema. The text names the argument."""

    outcome = "invalid_arguments"


class StatementError(ToolError):
    """The database refused the statement.

    ``code`` is Neo4j's status code, such as ``Neo.ClientError.Statement.SyntaxError``.
    """

    outcome = "statement_error"

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class NotReadOnly(ToolError):
    """A statement given to a reading tool would do more than read the graph. The text says what, and what to do."""

    outcome = "refused"


class DeadlineExceeded(ToolError):
    """The call's time was up before the database had answered."""

    outcome = "timeout"


class DatabaseUnavailable(ToolError):
    """The database cannot be reached, or refused this server's own login."""

    outcome = "unavailable"


class LocalError(Neo4jM2mError):
    """Something on this machine is in the way: a port, a directory, a download, the embedded database."""
