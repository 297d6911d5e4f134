from __future__ import annotations

from core.credentials.credential import parse_credential
from core.graph.views import Views
from core.identity.grant import Grant
from core.settings import Settings

READS = frozenset({"read-cypher"})


def views() -> Views:
    other = parse_credential('{"uri": "bolt://other", "username": "other", "password": "p"}', source="other")
    return Views(Settings(neo4j_uri="bolt://db", neo4j_password="p", neo4j_database="main"), {"other": other})


def test_grants_that_see_the_same_share_what_is_remembered() -> None:
    seen = views()
    assert seen.of(Grant(READS, "a")) is seen.default
    assert seen.of(Grant(READS, "b", max_rows=1)) is seen.default
    assert seen.of(Grant(READS, "c", database="main")) is seen.default


def test_nothing_that_is_remembered_crosses_databases_or_database_users() -> None:
    seen = views()
    grants = [
        Grant(READS, "a"),
        Grant(READS, "b", database="second"),
        Grant(READS, "c", impersonate="alice"),
        Grant(READS, "d", impersonate="bob"),
        Grant(READS, "e", credential="other"),
        Grant(READS, "f", credential="other", database="main"),
    ]
    opened = [seen.of(grant) for grant in grants]
    for part in ("graph", "guard", "schema"):
        assert len({id(getattr(view, part)) for view in opened}) == len(grants)


def test_only_so_many_views_are_kept_and_the_default_stays_usable() -> None:
    seen = views()
    first = seen.of(Grant(READS, "first", database="first"))
    for number in range(100):
        seen.of(Grant(READS, "many", database=f"database{number}"))
    assert seen.of(Grant(READS, "first", database="first")) is not first
    assert len(seen._views) <= 64
