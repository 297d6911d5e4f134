from __future__ import annotations

from typing import Any

import pytest

from aws_lambda.identity import iam_caller, principal_of
from core.access.policy import parse_policy
from core.http import Request, Response
from core.identity.principal import Principal
from core.tools import ALL_TOOLS

ROLE = {
    "accessKey": "ASIAEXAMPLE",
    "accountId": "111122223333",
    "callerId": "AROAEXAMPLEID:session-1",
    "cognitoIdentity": None,
    "principalOrgId": "aws:PrincipalOrgID",
    "userArn": "arn:aws:sts::111122223333:assumed-role/AgentCoreGateway/session-1",
    "userId": "AROAEXAMPLEID:session-1",
}


def test_every_session_of_a_role_is_the_role() -> None:
    principal = principal_of(ROLE)
    assert principal == Principal(
        platform="aws",
        kind="iam_role",
        id="arn:aws:iam::111122223333:role/AgentCoreGateway",
        name="session-1",
        tenant="111122223333",
        roles=frozenset({"AROAEXAMPLEID"}),
        proved_by="aws iam, sigv4",
        issuer="aws iam",
    )
    other = principal_of({**ROLE, "callerId": "AROAEXAMPLEID:x", "userArn": ROLE["userArn"].replace("session-1", "x")})
    assert other is not None
    assert other.id == principal.id


def test_a_policy_may_name_the_role_or_its_unique_id() -> None:
    principal = principal_of(ROLE)
    assert principal is not None
    by_arn = '[[rule]]\nname = "a"\nid = "arn:aws:iam::111122223333:role/AgentCoreGateway"\n'
    by_unique_id = '[[rule]]\nname = "u"\nrole = "AROAEXAMPLEID"\n'
    for policy in (by_arn, by_unique_id):
        assert parse_policy(policy, source="test", tools=ALL_TOOLS).grant_for(principal) is not None
    assert (
        parse_policy(by_unique_id.replace("AROAE", "AROAX"), source="test", tools=ALL_TOOLS).grant_for(principal)
        is None
    )


@pytest.mark.parametrize(
    ("arn", "caller", "kind", "identifier"),
    [
        ("arn:aws:iam::111122223333:user/staff/ada", "AIDAX", "iam_user", "arn:aws:iam::111122223333:user/staff/ada"),
        (
            "arn:aws-us-gov:sts::111122223333:assumed-role/R/s@x=1",
            "AROAX:s@x=1",
            "iam_role",
            "arn:aws-us-gov:iam::111122223333:role/R",
        ),
        ("arn:aws:iam::111122223333:root", "111122223333", "iam_user", "arn:aws:iam::111122223333:root"),
    ],
)
def test_users_and_other_partitions_are_known(arn: str, caller: str, kind: str, identifier: str) -> None:
    principal = principal_of({**ROLE, "userArn": arn, "callerId": caller})
    assert principal is not None
    assert (principal.kind, principal.id) == (kind, identifier)


@pytest.mark.parametrize(
    "changed",
    [
        {"userArn": None},
        {"userArn": ""},
        {"userArn": ["arn:aws:sts::111122223333:assumed-role/R/s"]},
        {"userArn": "arn:aws:sts::111122223333:assumed-role/R"},
        {"userArn": "arn:aws:sts::111122223333:assumed-role/R/s/t"},
        {"userArn": "arn:aws:sts::999999999999:assumed-role/R/s"},
        {"userArn": "arn:evil:sts::111122223333:assumed-role/R/s"},
        {"userArn": "arn:aws:sts::111122223333:assumed-role/R/s\n"},
        {"userArn": "arn:aws:s3:::bucket"},
        {"accountId": None},
        {"callerId": ""},
        {"callerId": None},
        {"callerId": "AROAX"},
    ],
)
def test_what_does_not_describe_a_caller_is_nobody(changed: dict[str, Any]) -> None:
    assert principal_of({**ROLE, **changed}) is None


@pytest.mark.parametrize("facts", [{}, {"iam": None}, {"iam": "arn"}, {"iam": {}}, {"lambda": ROLE}])
async def test_without_a_verified_caller_nobody_enters(facts: dict[str, Any]) -> None:
    answer = await iam_caller(Request("POST", "/mcp", (("iam", "x"),), b"", "r", platform_claims=facts))
    assert isinstance(answer, Response)
    assert answer.status == 401
