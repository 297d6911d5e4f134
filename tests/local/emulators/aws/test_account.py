from __future__ import annotations

from typing import Any

import pytest

from local.emulators.aws.account import Account, IamUser, Role, invoke_statements

ACCOUNT = Account()
ARN = ACCOUNT.function_arn("neo4j-m2m")
URL, FUNCTION = invoke_statements(ARN)
DENY = {"Effect": "Deny", "Action": "lambda:*", "Resource": "*"}


@pytest.mark.parametrize(
    ("statements", "may"),
    [
        ((URL, FUNCTION), True),
        ((URL,), False),
        ((FUNCTION,), False),
        ((), False),
        ((URL, FUNCTION, DENY), False),
        (({"Effect": "Allow", "Action": ["lambda:Invoke*"], "Resource": "*"},), True),
        (({"Effect": "Allow", "Action": "LAMBDA:invokefunction*", "Resource": ARN},), True),
        (({"Effect": "Allow", "Action": "s3:*", "Resource": "*"},), False),
        (tuple({**one, "Resource": ACCOUNT.function_arn("other")} for one in (URL, FUNCTION)), False),
        ((URL, {**FUNCTION, "Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "false"}}}), False),
        (({**URL, "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}}, FUNCTION), False),
    ],
)
def test_a_caller_needs_both_permissions_and_no_denial(statements: tuple[Any, ...], may: bool) -> None:
    assert ACCOUNT.may_call(ACCOUNT.assume(Role("Agent", statements), "s"), ARN) is may


def test_who_signs_is_described_as_aws_does() -> None:
    role = Role("Agent", path="/team/")
    described = ACCOUNT.described(ACCOUNT.assume(role, "run-1"))
    assert described["userArn"] == "arn:aws:sts::111122223333:assumed-role/Agent/run-1"
    assert described["callerId"] == f"{role.unique_id}:run-1"
    user = ACCOUNT.described(ACCOUNT.create_key(IamUser("ada", path="/staff/")))
    assert user["userArn"] == "arn:aws:iam::111122223333:user/staff/ada"
