"""Who calls, as verified by the function URL.

With AuthType AWS_IAM, Lambda verifies the signature and the caller's permissions, and writes who it was into
``requestContext.authorizer.iam`` of the event. Anyone who may invoke the function directly could write that themselves:
so grant that permission through the function URL only (``lambda:InvokedViaFunctionUrl``).

Sources: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html (event),
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html (ARNs, unique ids).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from core.http import Request, Response, plain
from core.identity.principal import NOT_PROVED, Principal, PrincipalKind

__all__ = ["IAM_CLAIM", "iam_caller", "principal_of"]

IAM_CLAIM = "iam"
"""The platform claim that holds ``requestContext.authorizer.iam``."""

_ARN = re.compile(
    r"arn:(?P<partition>aws[\w-]*):(?P<service>iam|sts)::(?P<account>\d{12}):"
    r"(?P<type>assumed-role|user|federated-user|root)(?:/(?P<name>[\w+=,.@/-]+))?"
)


async def iam_caller(request: Request) -> Principal | Response:
    """The principal that the function URL has verified; 401 if it has verified none."""
    iam = request.platform_claims.get(IAM_CLAIM)
    principal = principal_of(iam) if isinstance(iam, Mapping) else None
    if principal is None:
        return plain(
            401,
            f"{NOT_PROVED}: the request did not come through a function URL with AuthType AWS_IAM. Sign it with SigV4 "
            "for the service lambda.",
        )
    return principal


def principal_of(iam: Mapping[str, Any]) -> Principal | None:
    """The principal that ``requestContext.authorizer.iam`` describes; None if it describes none.

    A session of a role counts as the role: ``arn:PARTITION:iam::ACCOUNT:role/NAME``. AWS gives the role's name without
    its path, so the id has no path either. The role's unique id (``AROA…``), which no other role of that name will ever
    have, is among the principal's roles, for policies that need to be exact.
    """
    arn, account, caller = (iam.get(name) for name in ("userArn", "accountId", "callerId"))
    found = _ARN.fullmatch(arn) if isinstance(arn, str) else None
    if found is None or account != found["account"] or not isinstance(caller, str) or not caller:
        return None
    kind: PrincipalKind = "iam_user"
    unique, _, session = caller.partition(":")
    identifier, name = str(arn), found["name"] or "root"
    if found["type"] == "assumed-role":
        role, slash, last = name.partition("/")
        if not slash or "/" in last or not session:
            return None
        kind, name = "iam_role", last
        identifier = f"arn:{found['partition']}:iam::{account}:role/{role}"
    return Principal(
        platform="aws",
        kind=kind,
        id=identifier,
        name=name,
        tenant=account,
        roles=frozenset({unique}),
        proved_by="aws iam, sigv4",
        issuer="aws iam",
    )
