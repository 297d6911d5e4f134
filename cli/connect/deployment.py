"""What is known of a deployed server: from the command line, or from the outputs of its deployment."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cli.function_url import region_in
from core.errors import LocalError

__all__ = ["Deployment", "Snippet", "as_json", "deployment_of"]


@dataclass(frozen=True)
class Snippet:
    """One thing to paste. ``method`` is the way of authentication, ``where`` says where it belongs, ``text`` is it.

    ``value`` is the same as data, where the text is JSON or holds some.
    """

    method: str
    where: str
    text: str
    value: Any = None


@dataclass(frozen=True)
class Deployment:
    """A value that is not known is a word in capitals, for the reader to replace."""

    url: str | None
    name: str
    known: dict[str, str] = field(default_factory=dict)

    def get(self, what: str, placeholder: str) -> str:
        """The value called ``what``, or ``placeholder``."""
        return self.known.get(what) or placeholder

    @property
    def address(self) -> str:
        """The URL of the MCP endpoint."""
        return self.url or "https://HOST/mcp"

    @property
    def is_function_url(self) -> bool:
        """Whether the URL is one of AWS Lambda's."""
        return ".lambda-url." in self.address

    @property
    def region(self) -> str:
        """The AWS region, which a function URL names."""
        return self.known.get("region") or region_in(self.address) or "REGION"


_OUTPUTS = {
    "McpUrl": "url",
    "mcpUrl": "url",
    "url": "url",
    "audience": "audience",
    "tokenUrl": "token_url",
    "authorizationUrl": "authorization_url",
}
"""What deployments call their outputs: of `sam`, of `az deployment`, of `databricks apps get`."""


def deployment_of(arguments: argparse.Namespace) -> Deployment:
    """What ``arguments`` say; what they leave out comes from the file of outputs, if one is named.

    Raises:
        LocalError: The file cannot be read, or holds no JSON; or the URL is not valid.
    """
    known = _outputs(Path(arguments.outputs)) if arguments.outputs else {}
    for name in ("audience", "client_id", "region", "gateway_id", "project", "host", "token_url", "discovery_url"):
        value = getattr(arguments, name)
        if value:
            known[name] = value
    url = arguments.url or known.pop("url", None)
    if url is not None:
        parts = urlsplit(url if "://" in url else f"https://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"[\s'\"\\`$]", url):
            raise LocalError(f"{url!r} is not a URL. Write it as https://HOST/mcp.")
        path = parts.path.rstrip("/")
        url = f"{parts.scheme}://{parts.netloc}{path if path.endswith('/mcp') else f'{path}/mcp'}"
    return Deployment(url, arguments.name, known)


def _outputs(path: Path) -> dict[str, str]:
    """Source: ``sam list stack-outputs --output json`` gives a list of OutputKey and OutputValue, ``az deployment group
    show --query properties.outputs`` an object of objects with ``value``, ``databricks apps get`` a plain object.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise LocalError(f"The outputs in {path} cannot be read ({type(error).__name__}).") from None
    except ValueError:
        raise LocalError(f"The outputs in {path} are not JSON.") from None
    if isinstance(document, list):
        pairs = {str(entry.get("OutputKey")): entry.get("OutputValue") for entry in document if isinstance(entry, dict)}
    elif isinstance(document, dict):
        pairs = {
            name: entry["value"] if isinstance(entry, dict) and "value" in entry else entry
            for name, entry in document.items()
        }
    else:
        pairs = {}
    return {ours: str(pairs[theirs]) for theirs, ours in _OUTPUTS.items() if pairs.get(theirs)}


def as_json(value: Any) -> str:
    """``value`` as people read JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False)
