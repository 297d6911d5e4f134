"""What a function URL of AWS Lambda says of itself."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

__all__ = ["region_in"]

_HOST = re.compile(r"[a-z0-9-]+\.lambda-url\.([a-z0-9-]+)\.on\.aws")


def region_in(url: str) -> str | None:
    """The AWS region that ``url`` names; None if it is not a function URL."""
    found = _HOST.fullmatch(urlsplit(url).hostname or "")
    return found[1] if found else None
