"""How large answers are for Lambda: ``python -m bench.payload``.

Prints, for rows of the most bytes that the function may be set to, the bytes of the answer's body and those of the
payload, which Lambda counts. No database is needed: the answer is made as the tool ``read-cypher`` makes it.
"""

from __future__ import annotations

import json
from itertools import count

from aws_lambda.payload import LARGEST_ANSWER, LARGEST_PAYLOAD, payload_size
from core.graph.results import Limits, RowCollector
from core.settings import Settings
from core.tools.answer import success

FILLS = {
    "letters": "x",
    "lines of text": "\n",
    "quotation marks": '"',
    "backslashes": "\\",
    "umlauts": "ä",
    "control characters": "\x01",
}


def sizes(fill: str) -> tuple[int, int, int]:
    """Bytes of rows, body and payload, with rows of 1,000 times ``fill`` up to the limit."""
    collector = RowCollector(Limits(rows=1_000_000, bytes=LARGEST_ANSWER))
    next(number for number in count() if not collector.add([fill * 1_000]))
    payload = {"columns": ["text"], "rows": collector.rows, "row_count": len(collector.rows), "truncated": True}
    result = success(payload, settings=Settings()).model_dump(mode="json", by_alias=True, exclude_none=True)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}, ensure_ascii=False, separators=(",", ":"))
    answer = {"statusCode": 200, "isBase64Encoded": False, "headers": {}, "body": body}
    return collector.size, len(body.encode()), payload_size(answer)


def main() -> None:
    print(f"{'rows of':<20} {'rows':>10} {'body':>10} {'payload':>10}   of {LARGEST_PAYLOAD:,} bytes")
    for name, fill in FILLS.items():
        rows, body, payload = sizes(fill)
        print(f"{name:<20} {rows:10,} {body:10,} {payload:10,}   {payload / LARGEST_PAYLOAD:6.1%}")


if __name__ == "__main__":
    main()
