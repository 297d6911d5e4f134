"""How large an answer is for Lambda: it counts the bytes of its own JSON encoding of what the handler returns.

The body stands in that encoding as a string, so that each quotation mark and each backslash of it takes two bytes. A
body of 3.66 MB can make a payload of 7.32 MB. Above the limit Lambda fails the call, and the function URL answers 502.

Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (6 MB); the exact number is in Lambda's
own message, "Response payload size exceeded maximum allowed payload size (6291556 bytes)".
"""

from __future__ import annotations

import json
from typing import Any

from core.http import Response

__all__ = ["LARGEST_ANSWER", "LARGEST_PAYLOAD", "can_send", "payload_size"]

LARGEST_PAYLOAD = 6_291_556
"""Bytes that Lambda sends."""

_GROWTH = 6
"""Bytes of payload that one byte of a row can take, at worst.

A quotation mark is two bytes in a row's JSON. It is four in the payload where the row is structured content, and eight
where the row is text, which holds JSON as a string.
"""

LARGEST_ANSWER = 1_000_000
"""Bytes of rows that always fit: `_GROWTH` times as many leave 0.29 MB for the names of columns and the rest."""

_ENVELOPE = 2_048
"""Bytes, at most, of the payload around the body: status, headers and the JSON of both."""


def payload_size(answer: Any) -> int:
    """The bytes of ``answer`` as Lambda's runtime client encodes it: JSON, with non-ASCII characters as they are.

    Source: ``lambda_runtime_marshaller`` of awslambdaric, for Python 3.12 and later.
    """
    return len(json.dumps(answer, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def can_send(response: Response) -> bool:
    """Whether Lambda sends ``response``, whose body is UTF-8."""
    # No byte of a JSON body takes more than two: most answers need no second encoding.
    if 2 * len(response.body) + _ENVELOPE <= LARGEST_PAYLOAD:
        return True
    return payload_size(response.body.decode()) + _ENVELOPE <= LARGEST_PAYLOAD
