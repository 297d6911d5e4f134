"""How the tests read a value as the server does: through a real database, kept exact, and as JSON."""

from __future__ import annotations

import json
from typing import Any

import neo4j

from core.values.exact_values import keep_exact_values
from core.values.plain_json import Form, to_json


def json_rows(
    driver: neo4j.Driver | neo4j.Session | neo4j.Transaction,
    statement: str,
    *,
    integers_as_text: bool = False,
    **parameters: Any,
) -> list[Any]:
    """The rows of a statement, each a list in the JSON form of this server, proven to be valid JSON."""
    if isinstance(driver, neo4j.Driver):
        with driver.session() as session:
            return json_rows(session, statement, integers_as_text=integers_as_text, **parameters)
    result = driver.run(f"CYPHER 25 {statement}", parameters)
    assert keep_exact_values(result)
    form = Form(integers_as_text=integers_as_text)
    rows = [[to_json(value, 0, form) for value in record.values()] for record in result]
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    return rows


def json_column(driver: neo4j.Driver, statement: str, **parameters: Any) -> list[Any]:
    """The only column of a statement."""
    return [value for (value,) in json_rows(driver, statement, **parameters)]
