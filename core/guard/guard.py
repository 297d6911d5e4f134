"""What a statement of a reading tool may do: read the graph, and nothing else.

Each statement is checked twice, against lists of what is known to be harmless. The text's tokens are checked for
commands and calls that no read needs. The plan, from an EXPLAIN, shows what a statement runs, whatever its text looks
like. But a plan does not show what is inside a subquery expression that is nested in another expression: ``RETURN [x IN
[1] | COLLECT { LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line }]`` is planned as one Projection. Where the text
alone proves that a statement only reads (`core.guard.proof`), the plan would cost a round trip and show nothing more,
so no plan is requested. The READ access mode of the transaction is the second wall, and a least-privilege database user
the third.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from core.errors import NotReadOnly, StatementError
from core.guard.allow_lists import (
    READ_FUNCTIONS,
    READ_OPERATORS,
    READ_PROCEDURES,
    WRITE_OPERATORS,
    WRITE_PROCEDURES,
)
from core.guard.commands import execution_mode, forbidden_command, several_statements
from core.guard.lexer import Token, dotted_calls, tokenize
from core.guard.proof import proves_reading
from core.guard.replacements import instead_of_call
from core.guard.runaways import Endless, endless
from core.remembered import BoundedMap

if TYPE_CHECKING:
    from core.deadline import Deadline
    from core.graph.database import Database
    from core.graph.results import Explanation

__all__ = ["AllowList", "Guard"]

logger = logging.getLogger(__name__)

_VERDICTS_KEPT = 1000

_NO_SUCH_DATABASE = "Neo.ClientError.Database.DatabaseNotFound"

_USE = re.compile(r"\bUSE\b", re.IGNORECASE)

_LEAVES = (
    "The statement leaves the database that this tool reads, so it was not run. Leave out USE and commands that "
    "concern other databases."
)

_INSTEAD = "Use clauses that read the graph, such as MATCH, OPTIONAL MATCH, WITH, UNWIND, CALL { … } and RETURN."


@dataclass(frozen=True)
class AllowList:
    """Procedures and functions, by their full names, that a read may call besides the harmless ones built in.

    A name may end in ``*`` and then stands for all names that begin so: ``apoc.text.*``.
    """

    procedures: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()

    def has_procedure(self, name: str) -> bool:
        """Whether a read may call the procedure ``name``."""
        return name in READ_PROCEDURES or _matches(name, self.procedures)

    def has_function(self, name: str) -> bool:
        """Whether a read may call the function ``name``. Built-in names match in any letter case.

        A name without a namespace is built in: the database lets no plugin define one.
        """
        return "." not in name or name.lower() in _FUNCTIONS_IN_LOWER_CASE or _matches(name, self.functions)


_FUNCTIONS_IN_LOWER_CASE = frozenset(name.lower() for name in READ_FUNCTIONS)


def _matches(name: str, patterns: frozenset[str]) -> bool:
    return name in patterns or any(pattern[-1:] == "*" and name.startswith(pattern[:-1]) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """The decision on a statement: why it is refused, or None; which parameters may make it endless; and whether its
    text alone proves that it only reads.
    """

    refusal: str | None
    endless: Endless = field(default_factory=Endless)
    proved: bool = False


class Guard:
    """Decides whether statements only read, and remembers what it decided.

    A verdict is remembered by the statement's text, for the server, database and allow-list of this instance, and is
    valid as long as they are. What a statement does is fixed by its clauses and the names that it calls, which are its
    text. A new schema, index or statistic changes which reading operators fetch the data, but turns no reading clause
    into a writing one. Parameters are values. They can name labels, properties, files, even graphs
    (``USE graph.byName($name)``), but whether these are allowed depends on the text alone, whatever the value. A
    statement without CYPHER 5 or 25 is read in the database's default language. If that changes, three things still
    hold: the check of the text is the same for both languages; both have the same words for clauses that write, so a
    plan without writing operators in one language does not write in the other; and READ access stays. So a statement
    that was found to only read needs no second EXPLAIN.

    The memory is limited: a fixed number of verdicts, each by a digest of its text; too long texts are not remembered.
    """

    def __init__(self, graph: Database, allowed: AllowList, *, longest: int) -> None:
        """``longest`` is the most characters that a statement may have: callers cause the work of planning."""
        self._graph = graph
        self.allowed = allowed
        self._longest = longest
        self._verdicts: BoundedMap[tuple[bytes, bool], _Verdict] = BoundedMap(_VERDICTS_KEPT)

    async def require_read(
        self,
        statement: str,
        parameters: Mapping[str, Any],
        *,
        deadline: Deadline,
        explanation: Explanation | None = None,
    ) -> None:
        """Return if ``statement`` only reads the graph. It is not run, only planned, and sometimes not even planned.

        ``explanation`` is the EXPLAIN of this very statement, if the caller has it already.

        Raises:
            NotReadOnly: It would do more; the text says what was refused and what to do instead.
            StatementError, DeadlineExceeded, DatabaseUnavailable: as `Database.read`.
        """
        await self._require(statement, parameters, deadline, explanation, writes=False)

    async def require_data_only(self, statement: str, parameters: Mapping[str, Any], *, deadline: Deadline) -> None:
        """Return if ``statement`` only reads and changes data of the graph: no schema, no administration, no files.

        Raises: as `require_read`.
        """
        await self._require(statement, parameters, deadline, None, writes=True)

    async def explain(self, statement: str, parameters: Mapping[str, Any], *, deadline: Deadline) -> Explanation:
        """How the database would run ``statement``, without running it.

        Raises:
            NotReadOnly: It is too long, already has EXPLAIN or PROFILE, or names a database that does not exist: nobody
                may find out which ones exist.
            StatementError, DeadlineExceeded, DatabaseUnavailable: as `Database.explain`.
        """
        refusal = self._refusal_of_length(statement)
        if refusal is None:
            tokens = tokenize(statement)
            refusal = several_statements(statement, tokens) or execution_mode(tokens)
        if refusal is not None:
            raise NotReadOnly(refusal)
        try:
            return await self._graph.explain(statement, parameters, deadline=deadline)
        except StatementError as error:
            if error.code == _NO_SUCH_DATABASE and _USE.search(statement):
                raise NotReadOnly(_LEAVES) from None
            raise

    async def _require(
        self,
        statement: str,
        parameters: Mapping[str, Any],
        deadline: Deadline,
        explanation: Explanation | None,
        *,
        writes: bool,
    ) -> None:
        refusal = self._refusal_of_length(statement)
        if refusal is not None:
            raise NotReadOnly(refusal)
        key = (hashlib.sha256(statement.encode("utf-8", "surrogatepass")).digest(), writes)
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._look_at_text(statement, writes=writes)
            self._require_end(verdict, parameters)
            if verdict.refusal is None and not (verdict.proved and not writes):
                if explanation is None:
                    explanation = await self.explain(statement, parameters, deadline=deadline)
                verdict = replace(verdict, refusal=self._refusal_of_plan(explanation, writes=writes))
            self._verdicts[key] = verdict
        if verdict.refusal is not None:
            raise NotReadOnly(verdict.refusal)
        self._require_end(verdict, parameters)

    @staticmethod
    def _require_end(verdict: _Verdict, parameters: Mapping[str, Any]) -> None:
        """Return if a statement is not known to run away, with these parameters."""
        refusal = verdict.endless.refusal(parameters)
        if refusal is not None:
            raise NotReadOnly(refusal)

    def _refusal_of_length(self, statement: str) -> str | None:
        if len(statement) > self._longest:
            return (
                f"The statement has {len(statement)} characters, and at most {self._longest} are accepted. Pass lists "
                "and texts as $parameters instead of writing them into the statement."
            )
        return None

    def _look_at_text(self, statement: str, *, writes: bool) -> _Verdict:
        try:
            tokens = tokenize(statement)
        except NotReadOnly as error:
            return _Verdict(str(error))
        refusal = (
            several_statements(statement, tokens)
            or forbidden_command(tokens)
            or self._refusal_of_calls(tokens, writes=writes)
        )
        proved = refusal is None and proves_reading(
            tokens, may_call=self.allowed.has_procedure, has_function=self.allowed.has_function
        )
        return _Verdict(refusal, endless(tokens), proved)

    def _refusal_of_calls(self, tokens: list[Token], *, writes: bool) -> str | None:
        for name in dotted_calls(tokens):
            if not self.allowed.has_function(name) and not self._may_call(name, writes=writes):
                return _refused_call(name)
        return None

    def _may_call(self, procedure: str, *, writes: bool) -> bool:
        return self.allowed.has_procedure(procedure) or (writes and procedure in WRITE_PROCEDURES)

    def _refusal_of_plan(self, explanation: Explanation, *, writes: bool) -> str | None:
        known = READ_OPERATORS | WRITE_OPERATORS if writes else READ_OPERATORS
        if explanation.query_type not in ("r", "s") and not writes:
            return f"The statement writes, and this tool only reads, so it was not run. {_INSTEAD}"
        for operator, details in _operators(explanation.plan):
            name, _, database = operator.partition("@")
            if database and database != explanation.database:
                return _LEAVES
            if name == "ProcedureCall":
                procedure = details.partition("(")[0].strip()
                if not self._may_call(procedure, writes=writes):
                    return _refused_call(procedure)
            elif name.replace(" ", "") not in known:
                logger.warning("refused a statement: its plan has the operator %s", name)
                what = "read and change data of the graph" if writes else "read the graph"
                instead = "Use clauses that concern data only, in one transaction." if writes else _INSTEAD
                return (
                    f"The statement would run {name}, which is not known to only {what}, so it was not run. {instead}"
                )
        return None


def _refused_call(name: str) -> str:
    method = name.removeprefix("?.")
    if method != name:
        return (
            f"The statement calls .{method}() on a value, so it was not run: Cypher has no methods. A component of a "
            f"value has no parentheses, such as date(x).year or n.date.dayOfWeek; a function has the value in them, "
            f"such as size(x)."
        )
    return (
        f"The statement calls {name}, which is not on this server's list of procedures and functions that only read "
        f"the graph, so it was not run. {instead_of_call(name) or 'Do without it, or ask the operator to allow it.'}"
    )


def _operators(plan: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every operator of a plan with its details, depth first."""
    waiting = [plan]
    while waiting:
        node = waiting.pop()
        yield str(node["operatorType"]), str(node.get("args", {}).get("Details", ""))
        waiting.extend(node.get("children", ()))
