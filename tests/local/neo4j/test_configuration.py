from __future__ import annotations

import neo4j
import pytest
from neo4j.exceptions import TransientError


def test_one_statement_cannot_take_the_memory_of_all(empty_neo4j_driver: neo4j.Driver) -> None:
    statement = "UNWIND range(1, 100000000) AS x RETURN size(collect(toString(x) + 'aaaaaaaaaaaaaaaaaaaaaaaaa')) AS n"
    with empty_neo4j_driver.session() as session:
        with pytest.raises(TransientError, match="256") as refused:
            session.run(statement).consume()
        assert refused.value.code == "Neo.TransientError.General.MemoryPoolOutOfMemoryError"
        assert session.run("RETURN 1 AS one").single(strict=True)["one"] == 1
