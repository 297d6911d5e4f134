"""What the tools that answer rows share: their limits, their output, and how much of it was left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.graph.results import Limits, ReadResult, WriteResult
from core.tools.warnings import WARNINGS, useful_warnings

if TYPE_CHECKING:
    from core.call import Call
    from core.settings import Settings

__all__ = ["HOW_TO_GET_WHOLE_LISTS", "ROWS", "WHOLE_VECTORS", "limits_of", "rows_answered"]

HOW_TO_GET_WHOLE_LISTS = "Long lists of numbers are written as <… numbers>; whole_vectors: true returns them whole."

WHOLE_VECTORS: dict[str, Any] = {
    "type": "boolean",
    "description": "Return embeddings and other long lists of numbers whole, not as <1536 numbers>.",
}
"""The schema of the argument ``whole_vectors``."""

ROWS: dict[str, Any] = {
    "columns": {"type": "array", "items": {"type": "string"}},
    "rows": {
        "type": "array",
        "items": {"type": "array"},
        "description": "One array a row, in the order of columns; values in the plain JSON of Neo4j's Query API.",
    },
    "row_count": {"type": "integer"},
    "truncated": {"type": "boolean", "description": "Whether there were more rows than are returned."},
    "hint": {"type": "string", "description": "How to ask for less, or for what was left out."},
    "elided": {"type": "integer", "description": "How many lists are written as <1536 numbers>."},
    "warnings": WARNINGS,
}
"""The properties of an output schema for rows; the first four are required."""


def limits_of(settings: Settings, arguments: Mapping[str, Any]) -> Limits:
    """The limits that ``settings`` set, and ``arguments`` where they ask for less."""
    return Limits(
        rows=min(arguments.get("max_rows", settings.max_rows), settings.max_rows),
        bytes=min(arguments.get("max_bytes", settings.max_bytes), settings.max_bytes),
        whole_lists=arguments.get("whole_vectors", False),
        integers_as_text=settings.large_integers == "text",
    )


async def rows_answered(
    call: Call, statement: str, parameters: Mapping[str, Any], result: ReadResult | WriteResult, *, hint: str | None
) -> dict[str, Any]:
    """The properties `ROWS` of an answer with the rows of ``result``."""
    hints = [hint] if hint else []
    payload: dict[str, Any] = {
        "columns": result.columns,
        "rows": result.rows,
        "row_count": len(result.rows),
        "truncated": result.cut_by is not None,
    }
    if result.elided:
        payload["elided"] = result.elided
        hints.append(HOW_TO_GET_WHOLE_LISTS)
    if hints:
        payload["hint"] = " ".join(hints)
    warnings = []
    if result.cut_by is None:
        warnings = await useful_warnings(call, statement, parameters, result.warnings, rows=result.rows)
    if warnings:
        payload["warnings"] = warnings
    return payload
