"""An AWS account: its users and roles, their keys, and what each may do with a function.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html (both permissions are needed since October 2025)
and https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html .
"""

from __future__ import annotations

import fnmatch
import secrets
import string
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

__all__ = ["AccessKey", "Account", "IamUser", "Role", "invoke_statements"]

_ALPHABET = string.ascii_uppercase + "234567"


def _unique(prefix: str, length: int = 17) -> str:
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _secret() -> SecretStr:
    return SecretStr(secrets.token_urlsafe(30))


@dataclass(frozen=True)
class Role:
    """A role, with the statements of its identity policies."""

    name: str
    statements: tuple[Mapping[str, Any], ...] = ()
    path: str = "/"
    unique_id: str = field(default_factory=lambda: _unique("AROA"))


@dataclass(frozen=True)
class IamUser:
    """A user, with the statements of its identity policies."""

    name: str
    statements: tuple[Mapping[str, Any], ...] = ()
    path: str = "/"
    unique_id: str = field(default_factory=lambda: _unique("AIDA"))


@dataclass(frozen=True)
class AccessKey:
    """A key to sign with: a user's, which lasts, or one of a role's session, which has a token and an expiry."""

    id: str
    secret: SecretStr
    owner: Role | IamUser
    session: str = ""
    session_token: SecretStr | None = None
    expires_at: float = float("inf")


class Account:
    """An account in one region."""

    def __init__(self, account_id: str = "111122223333", region: str = "eu-central-1") -> None:
        self.id = account_id
        self.region = region
        self._keys: dict[str, AccessKey] = {}

    def key(self, key_id: str) -> AccessKey | None:
        """The access key ``key_id``, if there is one."""
        return self._keys.get(key_id)

    def create_key(self, user: IamUser) -> AccessKey:
        """A lasting key of ``user``."""
        return self._kept(AccessKey(_unique("AKIA", 16), _secret(), user))

    def assume(self, role: Role, session: str, seconds: float = 3600) -> AccessKey:
        """A key of a session of ``role``, valid for ``seconds``, as STS issues it."""
        token = SecretStr(secrets.token_urlsafe(200))
        key = AccessKey(_unique("ASIA", 16), _secret(), role, session, token, time.time() + seconds)
        return self._kept(key)

    def _kept(self, key: AccessKey) -> AccessKey:
        self._keys[key.id] = key
        return key

    def function_arn(self, name: str, alias: str = "live") -> str:
        """The ARN of an alias of the function ``name``."""
        return f"arn:aws:lambda:{self.region}:{self.id}:function:{name}:{alias}"

    def described(self, key: AccessKey) -> dict[str, Any]:
        """Who signs with ``key``, as in ``requestContext.authorizer.iam`` of an event.

        Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-request-payload .
        """
        owner = key.owner
        if isinstance(owner, Role):
            # STS's ARN of a session contains the role's name without its path.
            arn = f"arn:aws:sts::{self.id}:assumed-role/{owner.name}/{key.session}"
            caller = f"{owner.unique_id}:{key.session}"
        else:
            arn, caller = f"arn:aws:iam::{self.id}:user{owner.path}{owner.name}", owner.unique_id
        return {
            "accessKey": key.id,
            "accountId": self.id,
            "callerId": caller,
            "cognitoIdentity": None,
            "principalOrgId": "aws:PrincipalOrgID",
            "userArn": arn,
            "userId": caller,
        }

    def may_call(self, key: AccessKey, function_arn: str) -> bool:
        """Whether the owner of ``key`` may call the function URL of ``function_arn``: both permissions are needed."""
        url = {"lambda:FunctionUrlAuthType": "AWS_IAM", "lambda:InvokedViaFunctionUrl": "true"}
        return all(
            _allowed(key.owner.statements, action, function_arn, url)
            for action in ("lambda:InvokeFunctionUrl", "lambda:InvokeFunction")
        )


def invoke_statements(function_arn: str) -> tuple[dict[str, Any], ...]:
    """The statements that let a principal call the function URL of ``function_arn``, and nothing else."""
    return (
        {
            "Effect": "Allow",
            "Action": "lambda:InvokeFunctionUrl",
            "Resource": function_arn,
            "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}},
        },
        {
            "Effect": "Allow",
            "Action": "lambda:InvokeFunction",
            "Resource": function_arn,
            "Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}},
        },
    )


def _allowed(statements: Sequence[Mapping[str, Any]], action: str, resource: str, context: Mapping[str, str]) -> bool:
    effects = {
        statement["Effect"]
        for statement in statements
        if _fits(statement["Action"], action.lower(), lower=True)
        and _fits(statement["Resource"], resource)
        and _holds(statement.get("Condition", {}), context)
    }
    return effects == {"Allow"}


def _fits(patterns: str | Sequence[str], value: str, *, lower: bool = False) -> bool:
    listed = [patterns] if isinstance(patterns, str) else patterns
    return any(fnmatch.fnmatchcase(value, pattern.lower() if lower else pattern) for pattern in listed)


def _holds(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    for operator, wanted in conditions.items():
        if operator not in ("StringEquals", "Bool"):
            raise ValueError(f"the condition operator {operator} is not known here")
        for name, value in wanted.items():
            said = [str(one) for one in (value if isinstance(value, list) else [value])]
            if context.get(name) not in said:
                return False
    return True
