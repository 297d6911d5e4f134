from __future__ import annotations

from core.access.grant import Grant
from core.database_scopes import DatabaseScope, DatabaseScopes
from core.identity.principal import LOCAL_PRINCIPAL, Principal
from core.settings import Settings


def views() -> DatabaseScopes:
    return DatabaseScopes(Settings(neo4j_uri="bolt://db", neo4j_password="p", neo4j_database="main"))


def opened(seen: DatabaseScopes, grant: Grant, principal: Principal = LOCAL_PRINCIPAL) -> DatabaseScope:
    return seen.of(grant, principal)


def test_grants_that_see_the_same_share_what_is_remembered() -> None:
    seen = views()
    assert opened(seen, Grant("a")) is seen.default
    assert opened(seen, Grant("b", max_rows=1)) is seen.default
    assert opened(seen, Grant("c", database="main")) is seen.default


def test_nothing_that_is_remembered_crosses_databases_or_database_users() -> None:
    seen = views()
    grants = [
        Grant("a"),
        Grant("b", database="second"),
        Grant("c", impersonate="alice"),
        Grant("d", impersonate="bob"),
        Grant("e", credential="other"),
        Grant("f", credential="other", database="main"),
    ]
    views_opened = [opened(seen, grant) for grant in grants]
    for part in ("database", "guard", "schema"):
        assert len({id(getattr(view, part)) for view in views_opened}) == len(grants)


def test_only_so_many_views_are_kept_and_the_default_stays_usable() -> None:
    seen = views()
    first = opened(seen, Grant("first", database="first"))
    for number in range(100):
        opened(seen, Grant("many", database=f"database{number}"))
    assert opened(seen, Grant("first", database="first")) is not first
    assert len(seen._scopes) <= 64


def test_what_one_user_on_behalf_of_whom_is_acted_sees_is_not_shown_to_another() -> None:
    seen, grant = views(), Grant("a")
    alice, bob = (Principal("azure", "user_on_behalf", name) for name in ("alice", "bob"))
    assert opened(seen, grant, alice) is opened(seen, grant, alice)
    assert len({id(opened(seen, grant, user)) for user in (alice, bob, LOCAL_PRINCIPAL)}) == 3
