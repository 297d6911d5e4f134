"""Hundreds of questions through MCP: no answer is wrong, refused, or accompanied by a warning it does not deserve."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from core.application import Application
from core.settings import Settings
from local.sample.source import find_source
from tests.core.guard import corpus
from tests.core.guard.reads import READS
from tests.core.mcp_requests import anybody
from tests.core.tools.conftest import Ask, asking
from tests.evaluation.questions import Facts, Question, questions


@pytest.fixture(scope="module")
def asked() -> list[Question]:
    return list(questions(Facts.of(find_source())))


@pytest.fixture
async def ask(settings: Settings) -> AsyncIterator[Ask]:
    application = Application(settings, anybody)
    asks = asking(application)
    await asks("get-schema", {})
    yield asks
    await application.close()


async def test_every_question_is_answered_rightly_and_without_a_warning(
    ask: Ask, asked: list[Question], capsys: pytest.CaptureFixture[str]
) -> None:
    wrong: list[str] = []
    for question in asked:
        result = await ask("read-cypher", {"query": question.cypher, "params": question.params})
        answer = result.get("structuredContent", {})
        if answer.get("rows") != question.rows or answer["truncated"]:
            wrong.append(f"{question.text}: {result['content'][0]['text'][:300]}")
        elif question.rows and "warnings" in answer:
            wrong.append(f"{question.text}: {answer['warnings']}")
    with capsys.disabled():
        print(f"\nquestions: {len(asked)} asked, {len(wrong)} answered wrongly")
    assert len(asked) > 300
    assert wrong == []


async def test_every_question_is_answered_alike_in_pages_and_explained(ask: Ask, asked: list[Question]) -> None:
    some = [question for question in asked if len(question.rows) > 5][::10]
    assert len(some) > 3
    for question in some:
        explained = await ask("explain-cypher", {"query": question.cypher, "params": question.params})
        assert explained["structuredContent"]["readable"] is True, question.text
        rows: list[list[object]] = []
        more: dict[str, object] = {}
        while True:
            arguments = {"query": question.cypher, "params": question.params, "max_rows": 2, **more}
            answer = (await ask("read-cypher", arguments))["structuredContent"]
            rows += answer["rows"]
            if "next_cursor" not in answer:
                break
            more = {"cursor": answer["next_cursor"]}
        assert (rows, answer["truncated"]) == (question.rows, False), question.text


async def test_every_harmless_statement_of_the_guards_tests_is_answered(ask: Ask) -> None:
    for title, statement in READS.items():
        result = await ask("read-cypher", {"query": f"CYPHER 25 {statement}", "params": corpus.PARAMETERS})
        assert result["isError"] is False, f"{title}: {result['content'][0]['text'][:300]}"
