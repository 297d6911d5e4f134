"""What a person sees and clicks, in a real Chromium: run by ``tests.page.run`` in an environment that has Playwright.

It gets a plan as JSON on standard input. Each check has a browser of its own profile; whatever a page writes to the
console as an error, whatever its policy blocks, and whatever it asks of another host fails the check.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.page.visit import GENEROUS, SHAPES, visiting

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


def who_they_are_and_what_the_graph_holds(browser: Browser, plan: dict[str, Any], out: Path) -> None:
    with visiting(browser, plan["serve"], out) as visit:
        response = visit.page.goto(plan["serve"])
        assert response is not None
        assert response.status == 200
        visit.ready()
        expect(visit.page.locator("#greeting")).to_contain_text("this machine")
        expect(visit.page.locator("#may")).to_contain_text("every proven caller reads")
        expect(visit.page.locator("#tools")).to_contain_text("read-cypher")
        expect(visit.page.locator("#schema")).to_contain_text("Airport")
        visit.shot("1-light")


def a_read_is_clicked_and_drawn(browser: Browser, plan: dict[str, Any], out: Path) -> None:
    with visiting(browser, plan["serve"], out) as visit:
        visit.page.goto(plan["serve"])
        visit.ready()
        visit.page.locator("#schema summary", has_text="Airline").first.click()
        visit.page.locator("#schema details[open]").get_by_role("button", name="Read some").click()
        assert "Airline" in visit.page.input_value("#statement")
        visit.page.click("#run")
        expect(visit.page.get_by_role("tab", name="Graph")).to_be_visible(timeout=GENEROUS)
        visit.page.wait_for_selector("#panel .canvas canvas")
        visit.page.wait_for_function(SHAPES)
        expect(visit.page.locator("#calls")).to_contain_text("read-cypher")
        visit.shot("2-graph")
        assert len(visit.cells()) > 10
        visit.shot("3-table")


def a_click_on_a_node_shows_what_it_holds(browser: Browser, plan: dict[str, Any], out: Path) -> None:
    with visiting(browser, plan["serve"], out) as visit:
        visit.page.goto(plan["serve"])
        visit.ready()
        visit.run("MATCH (a:Airport {faa: $faa}) RETURN a", '{"faa": "JFK"}')
        box = visit.page.locator("#panel .canvas").bounding_box()
        assert box is not None
        visit.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        expect(visit.page.locator("#panel .chosen")).to_contain_text("faa")
        expect(visit.page.locator("#panel .chosen")).to_contain_text("JFK")


def text_of_the_graph_stays_text(browser: Browser, plan: dict[str, Any], out: Path) -> None:
    hostile = plan["hostile"]
    with visiting(browser, plan["serve"], out) as visit:
        visit.page.goto(plan["serve"])
        visit.ready()
        expect(visit.page.locator("#schema")).to_contain_text(hostile)
        visit.run(f"MATCH (n:`{hostile}`)-[r]->(m) RETURN n, r, m, n.name AS `{hostile}`, {{x: n.name}} AS map")
        visit.page.wait_for_selector("#panel .canvas canvas")
        visit.page.wait_for_function(SHAPES)
        visit.shot("4-hostile")
        assert any(hostile in text for text in visit.cells())
        expect(visit.page.locator("#panel thead")).to_contain_text(hostile)
        visit.run(f"RETURN 1 AS x, '{hostile}' AS y UNION ALL RETURN 2 AS x")
        expect(visit.page.locator("#answer .problem")).to_be_visible()
        assert visit.page.locator("main img").count() == 0
        visit.run("RETURN $p AS p", json.dumps({"p": f"{hostile}<script>globalThis.__owned=1</script>"}))
        assert visit.cells() == [f"{hostile}<script>globalThis.__owned=1</script>"]


def numbers_keep_their_digits(browser: Browser, plan: dict[str, Any], out: Path) -> None:
    for place in ("serve", "numbers"):  # the second writes large integers as numbers
        with visiting(browser, plan[place], out) as visit:
            visit.page.goto(plan[place])
            visit.ready()
            visit.run(
                "RETURN 9007199254740993 AS big, -9223372036854775808 AS least, 1.0 AS one, 1e300 AS huge, 7 AS n"
            )
            found = visit.cells()
            assert found[:3] == ["9007199254740993", "-9223372036854775808", "1.0"], found
            assert float(found[3]) == 1e300
            assert found[4] == "7"


def errors_nothing_and_too_much(browser: Browser, plan: dict[str, Any], out: Path) -> None:
    with visiting(browser, plan["serve"], out) as visit:
        visit.page.goto(plan["serve"])
        visit.ready()
        visit.run("MATCH (n:Airport RETURN n")
        expect(visit.page.locator("#answer .problem")).to_contain_text("SyntaxError")
        visit.shot("5-error")
        visit.run("CREATE (n:Nothing)")
        expect(visit.page.locator("#answer .problem")).to_contain_text("only reads")
        visit.run("MATCH (n:Airprt) RETURN n")
        expect(visit.page.locator("#answer")).to_contain_text("found nothing")
        expect(visit.page.locator("#answer")).to_contain_text("does not exist")
        visit.run("UNWIND range(1, 10000) AS n RETURN n")
        expect(visit.page.locator("#answer")).to_contain_text("There are more rows")
        assert visit.page.locator("#panel tbody tr").count() == 100
        visit.page.locator("#panel").get_by_role("button", name="Show 100 more").click()
        assert visit.page.locator("#panel tbody tr").count() == 200
        visit.shot("6-many-rows")
        visit.run("MATCH (n:Airport) RETURN n.faa AS faa ORDER BY faa")
        visit.page.get_by_role("button", name="Next page").click()
        expect(visit.page.locator("#answer")).to_contain_text("462 rows")
        visit.run("RETURN 1", "[1]")
        expect(visit.page.locator("#answer .problem")).to_contain_text("not a JSON object")
        visit.run("MATCH (w:Weather) RETURN w LIMIT 600")
        visit.page.wait_for_function(SHAPES)
        expect(visit.page.locator("#panel")).to_contain_text("The drawing has 200 nodes")


def a_statement_is_stopped_by_hand(browser: Browser, plan: dict[str, Any], out: Path) -> None:
    with visiting(browser, plan["serve"], out) as visit:
        visit.page.goto(plan["serve"])
        visit.ready()
        visit.page.fill(
            "#statement", "MATCH (a:Weather), (b:Weather) WHERE a.temperatureF < b.humidityPercent RETURN count(*)"
        )
        visit.page.click("#run")
        visit.page.get_by_role("button", name="Stop").click()
        expect(visit.page.locator("#answer .problem")).to_contain_text("Stopped")
        expect(visit.page.locator("#calls")).to_contain_text("cancelled", timeout=GENEROUS)


def limits_are_said_and_answers_of_text_alone_are_shown(browser: Browser, plan: dict[str, Any], out: Path) -> None:
    with visiting(browser, plan["limited"], out) as visit:
        visit.expected.add("429 (Too Many Requests)")
        visit.page.goto(plan["limited"])
        expect(visit.page.locator("#schema pre")).to_contain_text("Airport 1462", timeout=GENEROUS)
        expect(visit.page.locator("#may")).to_contain_text("2 calls")
        expect(visit.page.locator("#tools")).to_contain_text("get-schema")
        expect(visit.page.locator("#read")).to_be_hidden()
        expect(visit.page.locator("#answer")).to_contain_text("You may not use read-cypher")
        visit.page.reload()
        for place in ("#schema", "#tools"):
            expect(visit.page.locator(f"{place} .problem")).to_contain_text("You may make 2 calls a minute")
        expect(visit.page.locator("#calls")).to_contain_text("limited")
        visit.shot("11-limited")


def dark_and_narrow(browser: Browser, plan: dict[str, Any], out: Path) -> None:
    with visiting(browser, plan["serve"], out, color_scheme="dark") as visit:
        visit.page.goto(plan["serve"])
        visit.ready()
        visit.run("MATCH (a:Airline)-[s:SERVES]->(p:Airport) RETURN a, s, p LIMIT 30")
        visit.page.wait_for_selector("#panel .canvas canvas")
        visit.page.wait_for_function(SHAPES)
        visit.shot("7-dark")
        visit.page.set_viewport_size({"width": 420, "height": 900})
        visit.page.wait_for_timeout(500)  # for the screenshot alone: the drawings fit themselves in
        width = visit.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 420, f"the page is {width} wide on a narrow screen"
        visit.shot("8-narrow")


def a_keyboard_is_enough(browser: Browser, plan: dict[str, Any], out: Path) -> None:
    with visiting(browser, plan["serve"], out) as visit:
        visit.page.goto(plan["serve"])
        visit.ready()
        visit.page.focus("#statement")
        visit.page.keyboard.press("Control+A")
        visit.page.keyboard.type("MATCH (d:Dataset) RETURN d")
        visit.page.keyboard.press("Control+Enter")
        expect(visit.page.get_by_role("tab", name="Graph")).to_be_visible(timeout=GENEROUS)
        visit.page.get_by_role("tab", name="Graph").focus()
        visit.page.keyboard.press("ArrowLeft")
        expect(visit.page.get_by_role("tab", name="Table")).to_be_focused()
        expect(visit.page.locator("#panel table")).to_contain_text("nycflights13")


def a_key_is_asked_for_and_kept_nowhere(browser: Browser, plan: dict[str, Any], out: Path) -> None:
    keyed = plan["keyed"]
    with visiting(browser, keyed["url"], out) as visit:
        visit.expected.add("401 (Unauthorized)")
        response = visit.page.goto(keyed["url"])
        assert response is not None
        assert response.status == 401
        assert "Bearer" in response.headers["www-authenticate"]
        expect(visit.page.locator("#refusal")).to_contain_text("the request carries no credential")
        visit.shot("9-key", whole=False)
        visit.page.fill("#credential", "n4k_wrong")
        visit.page.keyboard.press("Enter")
        expect(visit.page.locator("#refusal")).not_to_contain_text("carries no credential")
        visit.page.fill("#credential", keyed["key"])
        visit.page.get_by_role("button", name="Go on").click()
        visit.ready()
        expect(visit.page.locator("#greeting")).to_contain_text("person")
        visit.run("RETURN 42 AS answer")
        assert visit.cells() == ["42"]
        kept = "JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}, location.href])"
        assert keyed["key"] not in visit.page.evaluate(kept)
        assert keyed["key"] not in visit.page.content()
        visit.page.get_by_role("button", name="Forget the key").click()
        expect(visit.page.locator("#refusal")).to_contain_text("carries no credential")


def sign_in(page: Page, plan: dict[str, Any]) -> None:
    """As a person signs in to the workspace whose app they open."""
    response = page.goto(plan["databricks"]["url"])
    assert response is not None
    assert response.status == 401
    page.get_by_label("Token").fill(plan["databricks"]["pat"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector("#room:not([hidden])")


def the_databricks_app_shows_it_too(browser: Browser, plan: dict[str, Any], out: Path) -> None:
    url = plan["databricks"]["url"]
    with visiting(browser, url, out) as visit:
        visit.expected.add("401 (Unauthorized)")
        sign_in(visit.page, plan)
        assert visit.page.url == url
        visit.ready()
        expect(visit.page.locator("#you")).to_contain_text("forwarded")
        expect(visit.page.locator("#may")).to_contain_text("the agent reads")
        visit.run("MATCH (a:Airport)-[r:ROUTE]->(b:Airport) RETURN a, r, b LIMIT 25")
        visit.page.wait_for_selector("#panel .canvas canvas")
        visit.page.wait_for_function(SHAPES)
        expect(visit.page.locator("#calls")).to_contain_text("read-cypher")
        visit.shot("10-databricks")


def another_site_gets_nothing(browser: Browser, plan: dict[str, Any], out: Path) -> None:
    """A page of another origin can neither call with the reader's cookie nor show the page in a frame."""
    context = browser.new_context()
    try:
        page = context.new_page()
        page.set_default_timeout(GENEROUS)
        sign_in(page, plan)
        page.goto(plan["elsewhere"])
        for path, options in (("page/me", {}), ("mcp", {"method": "POST", "body": "{}"})):
            asked = """async ([url, options]) => {
              try { return (await fetch(url, { credentials: "include", ...options })).status }
              catch { return "blocked" }
            }"""
            assert page.evaluate(asked, [plan["databricks"]["url"] + path, options]) == "blocked"
        for url in (plan["serve"], plan["databricks"]["url"]):
            frame = "url => document.body.append(Object.assign(document.createElement('iframe'), { src: url }))"
            page.evaluate(frame, url)
        page.wait_for_timeout(1500)
        assert [frame.url for frame in page.frames[1:]] == ["chrome-error://chromewebdata/"] * 2
    finally:
        context.close()


CHECKS = [
    who_they_are_and_what_the_graph_holds,
    a_read_is_clicked_and_drawn,
    a_click_on_a_node_shows_what_it_holds,
    text_of_the_graph_stays_text,
    numbers_keep_their_digits,
    errors_nothing_and_too_much,
    a_statement_is_stopped_by_hand,
    limits_are_said_and_answers_of_text_alone_are_shown,
    dark_and_narrow,
    a_keyboard_is_enough,
    a_key_is_asked_for_and_kept_nowhere,
    the_databricks_app_shows_it_too,
    another_site_gets_nothing,
]


def main() -> int:
    """Run every check, and say which fail."""
    plan = json.load(sys.stdin)
    out, failed = Path(plan["out"]), 0
    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=plan["chromium"], args=list(FLAGS), headless=True)
        print(f"page: Chromium {browser.version}", flush=True)
        for check in CHECKS:
            if plan["only"] and plan["only"] not in check.__name__:
                continue
            try:
                check(browser, plan, out)
                print(f"page: {check.__name__.replace('_', ' ')}", flush=True)
            except Exception as error:
                failed += 1
                print(f"page: FAILED: {check.__name__.replace('_', ' ')}: {error}", flush=True)
        browser.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
