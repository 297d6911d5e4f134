"""The command ``connect``."""

from __future__ import annotations

import argparse

from cli.connect.clients import CLIENTS
from cli.connect.deployment import deployment_of
from cli.connect.platforms import PLATFORMS_OF_AGENTS
from cli.output import say
from core.errors import LocalError

__all__ = ["TARGETS", "run_connect"]

_SNIPPETS = {**PLATFORMS_OF_AGENTS, **CLIENTS}

TARGETS = tuple(_SNIPPETS)
"""What can be connected: platforms of agents, and clients."""


def run_connect(arguments: argparse.Namespace) -> int:
    """Print what to paste on stdout: every way, each under a heading; or the one that ``--auth`` names, alone.

    Raises:
        LocalError: There is no such way, or a value cannot be used.
    """
    deployment = deployment_of(arguments)
    if deployment.url is None and arguments.target in PLATFORMS_OF_AGENTS:
        say("No --url is given: replace https://HOST/mcp by the server's.")
    snippets = _SNIPPETS[arguments.target](deployment)
    if arguments.auth is not None:
        ways = list(dict.fromkeys(snippet.method for snippet in snippets))
        chosen = next((snippet for snippet in snippets if snippet.method == arguments.auth), None)
        if chosen is None:
            raise LocalError(f"{arguments.target} has no way {arguments.auth!r} here. There are: {', '.join(ways)}.")
        say(f"Paste this into: {chosen.where}")
        print(chosen.text)
    else:
        print("\n\n".join(f"# {snippet.method} — {snippet.where}\n{snippet.text}" for snippet in snippets))
    at = f" --url {deployment.url}" if deployment.url else ""
    say(f"Words in capitals are yours to replace. Next, if it does not work: neo4j-m2m doctor{at}")
    return 0
