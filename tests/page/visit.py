"""One visit to a page in a real browser, and all that the page must not do. It needs nothing else of this project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

GENEROUS = 60_000
"""Milliseconds: the machine may be busy."""

WATCH = """
globalThis.__blocked = [];
document.addEventListener("securitypolicyviolation", (event) =>
  globalThis.__blocked.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
"""

SHAPES = """() => [...document.querySelectorAll(".drawing canvas")].some((canvas) => {
  const { width, height } = canvas;
  if (!width || !height) return false;
  const seen = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  let painted = 0;
  for (let at = 3; at < seen.length; at += 4) if (seen[at] > 200) painted += 1;
  return painted > 400;
})"""
"""Whether a canvas of the drawing has been painted on."""


class Visit:
    """One page in one browser, with all that it must not do."""

    def __init__(self, page: Page, origin: str, out: Path) -> None:
        self.page = page
        self.origin = origin
        self.out = out
        self.wrong: list[str] = []
        self.expected: set[str] = set()
        page.set_default_timeout(GENEROUS)
        page.add_init_script(WATCH)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(text in message.text for text in self.expected):
            self.wrong.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.wrong.append(f"asked another host: {request.url}")

    def end(self) -> None:
        """Fail if the page did what it must not."""
        self.wrong += [f"blocked: {what}" for what in self.page.evaluate("globalThis.__blocked")]
        assert self.page.evaluate("globalThis.__owned") is None, "text of the graph ran as a script"
        assert not self.wrong, "\n".join(self.wrong)

    def shot(self, name: str, *, whole: bool = True) -> None:
        """Write what is seen to a file."""
        self.page.screenshot(path=str(self.out / f"{name}.png"), full_page=whole)

    def ready(self) -> None:
        """Wait until the schema is drawn and the tools are listed."""
        expect(self.page.locator("#schema .canvas canvas").first).to_be_attached(timeout=GENEROUS)
        expect(self.page.locator("#tools details").first).to_be_attached(timeout=GENEROUS)
        self.page.wait_for_function(SHAPES)

    def run(self, statement: str, parameters: str = "") -> None:
        """Type a statement and click."""
        self.page.fill("#statement", statement)
        if parameters:
            self.page.locator("#read details").evaluate("it => { it.open = true }")
        self.page.locator("#parameters").evaluate("(it, text) => { it.value = text }", parameters)
        self.page.click("#run")
        expect(self.page.locator("#run")).to_be_enabled(timeout=GENEROUS)

    def cells(self) -> list[str]:
        """The text of the table's cells."""
        self.page.get_by_role("tab", name="Table").click()
        return self.page.locator("#panel td").all_inner_texts()


@contextmanager
def visiting(browser: Browser, url: str, out: Path, **options: Any) -> Iterator[Visit]:
    parts = urlsplit(url)
    context = browser.new_context(viewport={"width": 1360, "height": 900}, **options)
    try:
        visit = Visit(context.new_page(), f"{parts.scheme}://{parts.netloc}", out)
        yield visit
        visit.end()
    finally:
        context.close()
