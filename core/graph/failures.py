"""What the driver's errors mean, in words for an agent: what went wrong and what to do, no address or credential."""

from __future__ import annotations

import logging
import re

from neo4j.exceptions import (
    BrokenRecordError,
    ClientError,
    ConfigurationError,
    ConnectionAcquisitionTimeoutError,
    DriverError,
    Neo4jError,
    ServiceUnavailable,
    SessionExpired,
    TransientError,
)

from core.errors import DatabaseUnavailable, DeadlineExceeded, NotReadOnly, StatementError, ToolError

__all__ = ["error_too_long", "explain_failure", "is_lost_connection", "may_pass", "too_deep", "without_prefix"]

logger = logging.getLogger(__name__)

_TYPE_ERROR = "Neo.ClientError.Statement.TypeError"


_RIGHTS_OUTDATED = "Neo.ClientError.Security.AuthorizationExpired"
"""The database must check again what the user may do; a new connection makes it do so."""

_PLACE = re.compile(r"\(line (\d+), column (\d+) \(offset: (\d+)\)\)")

_PLACE_IN_SENTENCE = re.compile(r", at line \d+, column \d+")

_CLASS_NAME = re.compile(r"\b(?:java|javax|scala|org|com)(?:\.[A-Za-z_$][\w$]*){2,}")

_ACCESS_MODE = "Neo.ClientError.Statement.AccessMode"
_TIMED_OUT = (
    "Neo.ClientError.Transaction.TransactionTimedOut",
    "Neo.ClientError.Transaction.TransactionTimedOutClientConfiguration",
)
_TOO_LARGE = (
    "Neo.TransientError.General.MemoryPoolOutOfMemoryError",
    "Neo.TransientError.General.TransactionOutOfMemoryError",
    "Neo.TransientError.General.StackOverFlowError",
)
"""Errors that the database calls transient, but that the same statement will meet again, after the same work."""


def is_lost_connection(error: BaseException) -> bool:
    """Whether ``error`` means that the connection broke, so that a read may be tried on another one."""
    return isinstance(error, ServiceUnavailable | SessionExpired)


def too_deep() -> StatementError:
    """The error to raise if the driver's own decoding of a result exceeds the stack."""
    return StatementError(
        "The result holds lists or maps nested too deeply. Flatten them in the statement, or return parts of them.",
        _TYPE_ERROR,
    )


def error_too_long() -> StatementError:
    """The error to raise if the database's own error exceeds what this server reads."""
    return StatementError(
        "The database refused the statement, with an error too long to read: it quotes a value of the statement. Use a "
        "smaller value where an error may quote it.",
        "Neo.ClientError.Statement.ExecutionFailed",
    )


def may_pass(error: Neo4jError | DriverError) -> bool:
    """Whether ``error`` may not occur again on a retry.

    The database itself marks some errors so. The others are: no free connection, and an idle one that does not answer.
    """
    if isinstance(error, ConnectionAcquisitionTimeoutError):
        return True
    if isinstance(error, Neo4jError) and error.code == _RIGHTS_OUTDATED:
        return True
    return isinstance(error, TransientError) and error.is_retryable() and error.code not in _TOO_LARGE


def explain_failure(error: Neo4jError | DriverError) -> ToolError:
    """The error of this project's tree that says what ``error`` means.

    The driver's own text names hosts and ports, so it goes to the log of this server, never into the new error.
    """
    if is_lost_connection(error) or isinstance(error, ConnectionAcquisitionTimeoutError):
        logger.warning("the database cannot be reached: %s", type(error).__name__)
        return DatabaseUnavailable(
            "The database cannot be reached at the moment. Try again in some seconds; if it lasts, tell the operator."
        )
    if isinstance(error, ConfigurationError):
        logger.error("the driver refuses its configuration: %s", type(error).__name__)
        return DatabaseUnavailable("This server's connection to the database is misconfigured: tell the operator.")
    if isinstance(error, Neo4jError):
        return _explain_server_error(error)
    if isinstance(error, BrokenRecordError):
        return StatementError(
            "A value in the result is beyond what this server can read. Return toString(x) instead of x.", _TYPE_ERROR
        )
    logger.error("the driver failed: %s", type(error).__name__)
    return DatabaseUnavailable("This server's connection to the database failed: tell the operator.")


def _explain_server_error(error: Neo4jError) -> ToolError:
    code = error.code or "Neo.DatabaseError.General.UnknownError"
    message = _words(error.message or "no message")
    if code == _ACCESS_MODE:
        return NotReadOnly(
            "The database refused the statement, since it would write. This tool only reads: "
            "leave out clauses that create, change or delete."
        )
    if code in _TIMED_OUT:
        return DeadlineExceeded(
            "The call's time was up, and the database was told to stop the statement. "
            "Ask for less: match on an indexed property, add a LIMIT, or aggregate in the statement."
        )
    if code in _TOO_LARGE:
        return StatementError(
            "The statement needs more memory than the database allows one transaction. Ask for less: "
            f"filter earlier, add a LIMIT, or avoid collecting everything at once. ({code})",
            code,
        )
    if isinstance(error, ClientError):
        return StatementError(f"The database refused the statement: {code}{_place(message)}.", code, detail=message)
    if isinstance(error, TransientError):
        sentence = f"The database could not run the statement now: {code}. Try again in some seconds."
        return StatementError(sentence, code, detail=message)
    logger.error("the database failed: %s", code)
    return StatementError(f"The database failed at the statement: {code}{_place(message)}.", code, detail=message)


def without_prefix(error: StatementError, prefix: str) -> StatementError:
    """``error`` with positions in the caller's own statement, where ``prefix``, whole lines, was sent before it."""
    lines = prefix.count("\n")

    def moved(found: re.Match[str]) -> str:
        line, column, offset = int(found[1]) - lines, found[2], int(found[3]) - len(prefix)
        return f"(line {line}, column {column} (offset: {offset}))"

    if error.detail is None:
        return error
    detail = _PLACE.sub(moved, error.detail)
    return StatementError(_PLACE_IN_SENTENCE.sub(_place(detail), str(error)), error.code, detail=detail)


def _place(message: str) -> str:
    """Where in the statement the database's ``message`` says that something is wrong, for a sentence of our own."""
    found = _PLACE.search(message)
    return f", at line {found[1]}, column {found[2]}" if found else ""


def _words(message: str) -> str:
    """The database's ``message`` without names of classes of its own code, which say nothing to an agent."""
    return _CLASS_NAME.sub(lambda found: found[0].rpartition(".")[2], message)
