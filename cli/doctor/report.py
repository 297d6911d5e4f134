"""How findings are shown: a tree for people on stdout, or JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from core.finding import Finding, first_failure

__all__ = ["FOUND_WRONG", "as_json", "as_tree", "status_of"]

FOUND_WRONG = 4
"""The exit status where a link is broken; 0 if all hold, warnings included."""

_MARKS = {"ok": "✓", "warning": "!", "failed": "✗", "not reached": "·"}


def as_tree(halves: Mapping[str, Sequence[Finding]]) -> str:
    """Each half by its title, a line for each link, and under a broken one what mends it."""
    lines = []
    for title, findings in halves.items():
        lines.append(title)
        width = max((len(finding.link) for finding in findings), default=0)
        for finding in findings:
            says = "not reached" if finding.state == "not reached" and not finding.says else finding.says
            lines.append(f"  {_MARKS[finding.state]} {finding.link:<{width}}  {_on_one_line(says)}")
            if finding.remedy:
                lines.append(f"    {'':<{width}}  → {_on_one_line(finding.remedy)}")
    return "\n".join(lines)


def as_json(halves: Mapping[str, Sequence[Finding]]) -> str:
    """The same as one JSON object: ``ok``, and the findings of each half."""
    listed = {title: [asdict(finding) for finding in findings] for title, findings in halves.items()}
    return json.dumps({"ok": status_of(halves) == 0, **listed}, ensure_ascii=False, indent=2)


def status_of(halves: Mapping[str, Sequence[Finding]]) -> int:
    """The exit status: 0, or `FOUND_WRONG`."""
    broken = any(first_failure(findings) is not None for findings in halves.values())
    return FOUND_WRONG if broken else 0


def _on_one_line(text: str) -> str:
    """``text`` without control characters, which a terminal would obey."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text)
