"""What a command says to a person: on stderr, since stdout is for results, which can be piped."""

from __future__ import annotations

import sys

__all__ = ["say"]


def say(text: str) -> None:
    """Print ``text`` as one line on stderr."""
    print(text, file=sys.stderr, flush=True)
