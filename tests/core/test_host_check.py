from __future__ import annotations

from typing import Any

import pytest

from tests.core.mcp_requests import HOSTS, application, legacy, post


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "[::1]"])
async def test_a_request_to_this_machines_own_names_is_served(host: str) -> None:
    response = await application(allowed_hosts=HOSTS).handle(post(legacy("ping"), ("host", host)))
    assert response.status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "localhost:80:80", "", "::1", None]
)
async def test_a_request_under_any_other_name_is_misdirected(host: str | None) -> None:
    headers = () if host is None else (("host", host),)
    response = await application(allowed_hosts=HOSTS).handle(post(legacy("ping"), *headers))
    assert response.status == 421


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:5173", 200),
        ("https://127.0.0.1", 200),
        ("http://evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("file://localhost", 403),
        ("null", 403),
        ("", 403),
    ],
)
async def test_a_web_page_from_elsewhere_may_not_call(origin: str, status: int) -> None:
    request = post(legacy("ping"), ("host", "localhost"), ("origin", origin))
    assert (await application(allowed_hosts=HOSTS).handle(request)).status == status


async def test_a_request_under_a_foreign_host_name_has_its_audit_line() -> None:
    lines: list[dict[str, Any]] = []
    app = application(allowed_hosts=frozenset({"localhost"}), audit=lines.append)
    response = await app.handle(post(legacy("ping"), ("host", "evil.example")))
    assert response.status == 421
    assert [(line["outcome"], line["status"]) for line in lines] == [("refused", 421)]
