"""JSON that has one reading only: whoever inspects it on the way must have read the same.

Source: RFC 8259 sections 4 (names should be unique), 6 (NaN and the infinities are not numbers) and 8.1 (UTF-8, without
a byte order mark).
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

__all__ = ["NotJson", "strict_json"]


class NotJson(Exception):
    """The bytes are not JSON, or JSON that could be read in more than one way. The text is for the sender."""


def strict_json(body: bytes) -> Any:
    """The value that ``body`` holds.

    Raises:
        NotJson: It is not UTF-8, not JSON, has a name twice in one object, or is nested too deeply.
    """
    try:
        return json.loads(body.decode(), parse_constant=_no_json, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise NotJson("The body is not valid JSON in UTF-8") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NotJson("A name stands twice in an object of the body")
    return found


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
