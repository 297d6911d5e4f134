from __future__ import annotations

import argparse
import shlex

import pytest

from cli.parser import EXAMPLES, build_parser
from tests.test_docs import commands

COMMANDS = dict(commands(build_parser()))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_has_examples_and_says_what_it_does(name: str) -> None:
    text = COMMANDS[name].format_help()
    assert len(COMMANDS[name].description or "") > 20
    for example in EXAMPLES[name]:
        assert f"  neo4j-m2m {example}" in text


@pytest.mark.parametrize(("name", "example"), [(name, one) for name, several in EXAMPLES.items() for one in several])
def test_every_example_is_a_command_line_that_parses(name: str, example: str) -> None:
    arguments = build_parser().parse_args(shlex.split(example))
    assert isinstance(arguments, argparse.Namespace)
    assert example.startswith(name)


def test_there_are_examples_of_no_other_commands() -> None:
    assert set(EXAMPLES) == set(COMMANDS)
