from __future__ import annotations

import pytest

from core.errors import IssuerError
from core.identity.issuers import parse_issuers

GOOD = """
# Whose tokens are accepted.
[[issuer]]
name = "contoso"
platform = "azure"
issuer = ["https://login.microsoftonline.com/TENANT/v2.0", "https://sts.windows.net/TENANT/"]
audience = ["6f9619ff-8b86-d011-b42d-00c04fc964ff", "api://neo4j"]
clients = ["7c9e6679-7425-40de-944b-e07fc1f90ae7"]
roles = ["Graph.Read"]
tenant = "TENANT"

[[issuer]]
name = "pool"
platform = "aws"
issuer = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbC"
audience = "neo4j"
roles = ["neo4j/read", "neo4j/write"]
app_only = false
leeway = 0
"""

MINIMAL = '[[issuer]]\nname = "a"\nplatform = "oidc"\nissuer = "https://a.example"\naudience = "x"\n'


def test_one_or_several_may_stand_where_several_may() -> None:
    contoso, pool = parse_issuers(GOOD, source="issuers.toml")
    assert contoso.issuer[1] == "https://sts.windows.net/TENANT/"
    assert (pool.issuer, pool.audience) == (
        ("https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbC",),
        ("neo4j",),
    )


def test_what_is_left_out_is_the_safe_choice() -> None:
    (issuer,) = parse_issuers(MINIMAL, source="issuers.toml")
    assert (issuer.app_only, issuer.leeway) == (True, 30)
    assert (issuer.clients, issuer.roles, issuer.tenant, issuer.jwks_uri) == (None, None, None, None)


def test_clients_are_told_to_ask_for_what_the_platform_gives_them() -> None:
    contoso, pool = parse_issuers(GOOD, source="issuers.toml")
    assert contoso.asked_scopes == ("api://neo4j/.default",)
    assert pool.asked_scopes == ("neo4j/read", "neo4j/write")
    (chosen,) = parse_issuers(MINIMAL + 'scopes = ["mine"]', source="issuers.toml")
    assert chosen.asked_scopes == ("mine",)
    (databricks,) = parse_issuers(MINIMAL.replace("oidc", "databricks"), source="issuers.toml")
    assert databricks.asked_scopes == ("all-apis",)


def test_this_machine_may_do_without_tls() -> None:
    for host in ("127.0.0.1:8080", "localhost", "[::1]:1"):
        parse_issuers(MINIMAL.replace("https://a.example", f"http://{host}/x"), source="i")


@pytest.mark.parametrize(
    ("changed", "line", "reason"),
    [
        ((MINIMAL, ""), 1, "no [[issuer]]"),
        (('name = "a"\n', "name = \n"), 2, "Invalid value"),
        (('name = "a"\n', ""), 1, "has no name"),
        (('audience = "x"', ""), 1, "has no audience"),
        (('audience = "x"', "audience = []"), 5, "audience"),
        (('audience = "x"', 'audience = ""'), 5, "audience"),
        (('audience = "x"', 'audience = "api://*"'), 5, "no patterns"),
        (('audience = "x"', 'audience = " x"'), 5, "no space"),
        (('audience = "x"', "audience = 3"), 5, "audience"),
        (('"oidc"', '"gcp"'), 3, "platform"),
        (("https://a.example", "http://a.example"), 4, "https://"),
        (("https://a.example", "http://127.0.0.1.evil.example"), 4, "https://"),
        (("https://a.example", "https://a.example?x=1"), 4, "query"),
        (("https://a.example", "https://a.example#x"), 4, "fragment"),
        (("https://a.example", "https://user:canary@a.example"), 4, "user name"),
        (("https://a.example", "https://"), 4, "URL"),
        (("https://a.example", "https://login.microsoftonline.com/{tenantid}/v2.0"), 4, "URL"),
        (("https://a.example", "file:///etc/passwd"), 4, "URL"),
        (('audience = "x"', 'audience = "x"\njwks_uri = "http://a.example"'), 6, "https://"),
        (('audience = "x"', 'audience = "x"\nclients = []'), 6, "clients"),
        (('audience = "x"', 'audience = "x"\nleeway = 61'), 6, "leeway"),
        (('audience = "x"', 'audience = "x"\nleeway = "5"'), 6, "leeway"),
        (('audience = "x"', 'audience = "x"\napp_only = "no"'), 6, "app_only"),
        (('audience = "x"', 'audience = "x"\nscopes = ["a b"]'), 6, "scope"),
        (('audience = "x"', 'audience = "x"\nclient = "y"'), 6, "an issuer has no such key"),
        (("[[issuer]]", "[issuer]"), 1, "[[issuer]]"),
        (("[[issuer]]", "[[issuers]]"), 1, "'issuers' means nothing"),
        (('audience = "x"\n', 'audience = "x"\n' + MINIMAL), 7, "name 'a' already"),
        (
            ('audience = "x"\n', 'audience = "x"\n' + MINIMAL.replace('"a"', '"b"')),
            9,
            "issuer 'https://a.example' already",
        ),
        ((MINIMAL, 'issuer = [{name = "a"}]'), 1, "[[issuer]]"),
    ],
)
def test_a_list_that_does_not_parse_names_file_line_and_reason(
    changed: tuple[str, str], line: int, reason: str
) -> None:
    with pytest.raises(IssuerError) as caught:
        parse_issuers(MINIMAL.replace(*changed), source="issuers.toml")
    assert f"issuers.toml, line {line}:" in str(caught.value)
    assert reason in str(caught.value)
    assert "canary" not in str(caught.value)
