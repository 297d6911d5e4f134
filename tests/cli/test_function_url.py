"""The region that a function URL names.

Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html .
"""

from __future__ import annotations

import pytest

from cli.function_url import region_in


@pytest.mark.parametrize(
    "url",
    [
        "https://abcdef.lambda-url.eu-central-1.on.aws/mcp",
        "https://ABCDEF.LAMBDA-URL.EU-CENTRAL-1.ON.AWS",
        "https://abcdef.lambda-url.eu-central-1.on.aws:443/mcp",
    ],
)
def test_a_function_url_names_its_region(url: str) -> None:
    assert region_in(url) == "eu-central-1"


@pytest.mark.parametrize(
    "url",
    [
        "https://HOST/mcp",
        "https://graph.example.com/abcdef.lambda-url.eu-central-1.on.aws/mcp",
        "https://abcdef.lambda-url.eu-central-1.on.aws.example.com/mcp",
        "https://abcdef.lambda-url.eu-central-1.on.aws@example.com/mcp",
    ],
)
def test_any_other_url_names_none(url: str) -> None:
    assert region_in(url) is None
