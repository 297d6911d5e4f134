from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar

import pytest

from core.fetch import SIZE_LIMIT, FetchFailed, fetch, get


class Handler(BaseHTTPRequestHandler):
    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.seen.append(self.path)
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("location", "/ok")
            self.send_header("content-length", "0")
            self.end_headers()
            return
        self.send_response(404 if self.path == "/missing" else 200)
        body = b"x" * (SIZE_LIMIT + 1) if self.path == "/large" else b"fine"
        if self.path == "/headers":
            body = self.headers.get("authorization", "").encode()
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


async def test_a_document_is_fetched_off_the_event_loop(server: str) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    assert await fetch(server + "/ok") == b"fine"
    ticking.cancel()
    assert ticks > 1


@pytest.mark.parametrize("path", ["/missing", "/redirect", "/large"])
async def test_no_redirect_is_followed_and_no_large_answer_read(server: str, path: str) -> None:
    Handler.seen.clear()
    with pytest.raises(FetchFailed):
        await fetch(server + path)
    assert Handler.seen == [path]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://issuer.example/", "file:///etc/passwd", "ftp://h.example/", "data:,x", "x"]
)
async def test_what_is_not_https_or_does_not_answer_is_an_error(url: str) -> None:
    with pytest.raises(FetchFailed):
        await fetch(url)


async def test_an_issuer_that_does_not_answer_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.fetch.TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(FetchFailed):
            await fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        assert time.monotonic() - began < 2


async def test_a_request_with_headers_is_answered_with_its_status_and_follows_no_redirect_either(server: str) -> None:
    known = await get(server + "/headers", {"authorization": "Bearer x"})
    assert (known.status, known.body) == (200, b"Bearer x")
    assert ((await get(server + "/missing", {})).status, (await get(server + "/missing", {})).body) == (404, b"")
    assert (await get(server + "/redirect", {"authorization": "Bearer x"})).status == 302
    with pytest.raises(FetchFailed):
        await get("http://example.org/headers", {"authorization": "Bearer x"})
