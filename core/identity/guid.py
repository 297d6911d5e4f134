"""GUIDs, which are the same in capitals and in small letters: people paste either, and Entra writes small ones.

Source: RFC 9562 section 4 (a UUID is read without regard to case).
"""

from __future__ import annotations

import re

__all__ = ["folded"]

_GUID = re.compile(r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}")


def folded(text: str) -> str:
    """``text`` in small letters if it is a GUID, or one after ``api://``; anything else as it is."""
    return text.lower() if _GUID.fullmatch(text.removeprefix("api://")) else text
