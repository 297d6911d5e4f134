"""How many tokens a text has for a model: those of ``o200k_base``.

The package rs-bpe brings that vocabulary. It is installed beside the other servers, not with this project.
"""

from __future__ import annotations

import json
import subprocess

from bench.rivals import RIVALS

__all__ = ["tokens_of"]

_COUNT = """
import json, sys
from rs_bpe.bpe import openai
encoding = openai.o200k_base()
print(json.dumps([len(encoding.encode(text)) for text in json.load(sys.stdin)]))
"""


def tokens_of(texts: list[str]) -> list[int | None]:
    """The tokens of each of ``texts``; None for all where no vocabulary is installed."""
    python = RIVALS / "python"
    if not python.exists():
        return [None] * len(texts)
    command = [str(python), "-c", _COUNT]
    counted = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=False)
    if counted.returncode:
        return [None] * len(texts)
    numbers: list[int | None] = json.loads(counted.stdout)
    return numbers
