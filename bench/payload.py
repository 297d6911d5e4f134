"""How large answers are for Lambda: ``python -m bench.payload``.

Measures, for rows of the most bytes that the function may be set to, the bytes of the answer's body and those of the
payload, which Lambda counts. No database is needed: the answer is made as the tool ``read-cypher`` makes it.
"""

from __future__ import annotations

import json
from itertools import count

from aws_lambda.payload import LARGEST_ANSWER, LARGEST_PAYLOAD, payload_size
from bench.figures import Measurement, Table
from bench.parts import alone
from core.graph.results import Limits, RowCollector
from core.settings import Settings
from core.tools.answer import success
from local.neo4j import EmbeddedNeo4j

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
    result = success(payload, settings=Settings.from_environ({})).model_dump(
        mode="json", by_alias=True, exclude_none=True
    )
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}, ensure_ascii=False, separators=(",", ":"))
    answer = {"statusCode": 200, "isBase64Encoded": False, "headers": {}, "body": body}
    return collector.size, len(body.encode()), payload_size(answer)


def measure(database: EmbeddedNeo4j, *, brief: bool) -> list[Measurement]:
    """The sizes with each kind of text; the database is not asked."""
    rows: list[list[str | float | int | None]] = []
    for name, fill in FILLS.items():
        collected, body, payload = sizes(fill)
        rows.append([name, collected, body, payload, f"{payload / LARGEST_PAYLOAD:.1%}"])
    columns = ["rows of", "bytes of rows", "of the body", "of the payload", "of what Lambda takes"]
    return [
        Table("The largest answers on Lambda", columns, rows, "The limit of bytes is set to the most that it may be.")
    ]


if __name__ == "__main__":
    alone(measure, __doc__)
