"""The files of the page: read when a browser asks for them, and a fixed list of names.

They lie in the folder ``page`` beside ``core``, so that a function which has no page does not carry them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import core
from core.errors import SettingsError
from core.http import Request, Response, plain

__all__ = ["ASSETS", "FOLDER", "HTML", "INDEX", "PAGE_HEADERS", "asset", "index", "require_files"]

FOLDER: Final = Path(core.__file__).parent.parent / "page"

INDEX: Final = "index.html"

ASSETS: Final = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "answers.js": "text/javascript; charset=utf-8",
    "drawing.js": "text/javascript; charset=utf-8",
    "elements.js": "text/javascript; charset=utf-8",
    "schema.js": "text/javascript; charset=utf-8",
    "server.js": "text/javascript; charset=utf-8",
    "values.js": "text/javascript; charset=utf-8",
    "cytoscape.min.js": "text/javascript; charset=utf-8",
    "cytoscape.LICENSE.txt": "text/plain; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""What is served under ``/page/``, to anyone: it is the same everywhere, and holds nothing of a graph or a caller."""

PAGE_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""Only scripts and styles of `ASSETS` count. No text can become markup, no other host is asked, nobody frames the page.

Source: https://www.w3.org/TR/CSP3/ and https://www.w3.org/TR/trusted-types/ .
"""

HTML: Final = "text/html; charset=utf-8"

_ALLOWED = "GET, HEAD"


def require_files(variable: str) -> None:
    """Check that the files are there, which a function's package leaves out unless it is built with them.

    Raises:
        SettingsError: They are not. ``variable`` is the setting that asks for the page.
    """
    missing = [name for name in (INDEX, *ASSETS) if not (FOLDER / name).is_file()]
    if missing:
        raise SettingsError(
            f"{variable} asks for the page, and this package has been built without its files. docs/page.md says how "
            "to build it with them."
        )


def index(method: str) -> Response:
    """The page itself."""
    headers = {**PAGE_HEADERS, "content-type": HTML, "cache-control": "no-store"}
    return Response(200, headers, b"" if method == "HEAD" else (FOLDER / INDEX).read_bytes())


def asset(name: str, request: Request) -> Response:
    """The file ``name``, one of `ASSETS`; 304 if the browser has it already."""
    if request.method not in ("GET", "HEAD"):
        return plain(405, "Ask for the page's files with GET.", _ALLOWED)
    body = (FOLDER / name).read_bytes()
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {**PAGE_HEADERS, "content-type": ASSETS[name], "cache-control": "no-cache", "etag": tag}
    if request.header("if-none-match") == tag:
        return Response(304, headers)
    return Response(200, headers, b"" if request.method == "HEAD" else body)
