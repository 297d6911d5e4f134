"""The part of a schema that one caller sees: what they asked for, in as much detail as fits the answer."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from core.schema.names import nearest
from core.values.plain_json import json_size

__all__ = ["DETAILS", "Detail", "Wanted", "view"]

Detail = Literal["names", "standard", "full"]
DETAILS: tuple[Detail, ...] = ("names", "standard", "full")

_UNASKED = 65_536
"""Bytes up to which a caller who asks for no particular detail gets the standard one: some 20,000 tokens."""

_PATTERNS, _ENDS = 10, 20
"""Patterns, and labels at the ends, that the standard detail shows of one relationship type."""

_UNKNOWN, _NAME = 5, 60
"""Unknown names that the hint lists, and characters that it shows of each."""

_RESERVED = 64
"""Bytes that the answer itself takes, without its parts: the names of its lists, and commas."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which labels and types a caller wants: those in ``names``, and those that match ``pattern``.

    ``pattern`` is a glob (``*``, ``?``) or, without wildcards, a part of the name, in any letter case. If neither is
    given, all are wanted.
    """

    names: frozenset[str] = frozenset()
    pattern: str | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not self.names and self.pattern is None

    def matcher(self) -> Callable[[str | None], bool]:
        """Tells whether a label or type is wanted."""
        if self.everything:
            return lambda name: True
        if self.pattern is None:
            return lambda name: name in self.names
        glob = self.pattern if re.search(r"[*?]", self.pattern) else f"*{self.pattern}*"
        fits = re.compile(fnmatch.translate(glob.lower().replace("[", "[[]"))).match
        return lambda name: name is not None and (name in self.names or fits(name.lower()) is not None)


def view(schema: dict[str, Any], wanted: Wanted, detail: Detail | None, *, limit: int) -> dict[str, Any]:
    """The part of ``schema`` that is ``wanted``, in ``detail`` or less, as JSON of at most ``limit`` bytes.

    ``{detail, truncated, hint?, totals, notes?, nodes, relationships, indexes?, constraints?}``. What does not fit is
    shown in less detail, finally as names only, the most numerous first. ``truncated`` says that this happened, and
    ``hint`` how to ask for less. ``schema`` is not changed.
    """
    hints = _unknown(schema, wanted)
    selected = schema if wanted.everything else _select(schema, wanted.matcher())
    asked = detail or "standard"
    for level in reversed(DETAILS[: DETAILS.index(asked) + 1]):
        most = limit if detail or level == "names" else min(limit, _UNASKED)
        if level != asked:
            shown = f"detail={level} instead of detail={asked}, which is too large for one answer"
            how = f"This is {shown}. Name what you need with labels or pattern"
            how += "." if detail or limit <= _UNASKED else f", or ask for detail={asked} expressly."
            answer = _answer(schema, _at(selected, level), level, [how, *hints], truncated=True)
        else:
            answer = _answer(schema, _at(selected, level), level, hints, truncated=False)
        if json_size(answer) <= most:
            return answer
    return _cut(schema, _at(selected, "names"), hints, limit)


def _answer(
    schema: dict[str, Any], parts: dict[str, Any], detail: Detail, hints: Sequence[str], *, truncated: bool
) -> dict[str, Any]:
    answer: dict[str, Any] = {"detail": detail, "truncated": truncated}
    if hints:
        answer["hint"] = " ".join(hints)
    answer["totals"] = schema["totals"]
    if schema["notes"]:
        answer["notes"] = schema["notes"]
    return answer | parts


def _cut(schema: dict[str, Any], names: dict[str, Any], hints: list[str], limit: int) -> dict[str, Any]:
    """As many names as fit: relationship types have half of the room, labels what these leave, then types the rest."""
    nodes, relationships = names["nodes"], names["relationships"]
    how = f"Cut: of {len(nodes)} labels and {len(relationships)} relationship types only the most numerous are here. "
    how += "Name what you need with labels or pattern."
    empty: dict[str, Any] = {"nodes": [], "relationships": []}
    answer = _answer(schema, empty, "names", [how, *hints], truncated=True)
    if json_size(answer) > limit - _RESERVED:
        answer = _answer({**schema, "notes": []}, empty, "names", [how], truncated=True)
    room = limit - json_size(answer)
    types = _fitting(relationships, room // 2)
    labels = _fitting(nodes, room - json_size(types))
    types = _fitting(relationships, room - json_size(labels))
    return answer | {"nodes": labels, "relationships": types}


def _fitting(entries: list[dict[str, Any]], room: int) -> list[dict[str, Any]]:
    for position, entry in enumerate(entries):
        room -= json_size(entry) + 1
        if room < 0:
            return entries[:position]
    return entries


def _at(selected: dict[str, Any], level: Detail) -> dict[str, Any]:
    if level == "names":
        return {
            "nodes": [{"label": entry["label"], "count": entry["count"]} for entry in selected["nodes"]],
            "relationships": [{"type": entry["type"], "count": entry["count"]} for entry in selected["relationships"]],
        }
    relationships = selected["relationships"]
    return {
        "nodes": selected["nodes"],
        "relationships": [_brief(entry) for entry in relationships] if level == "standard" else relationships,
        "indexes": selected["indexes"],
        "constraints": selected["constraints"],
    }


def _brief(entry: dict[str, Any]) -> dict[str, Any]:
    brief = dict(entry)
    for name, most in (("patterns", _PATTERNS), ("starts", _ENDS), ("ends", _ENDS)):
        if len(entry.get(name, ())) > most:
            brief[name] = entry[name][:most]
            brief["more"] = brief.get("more", 0) + len(entry[name]) - most
    return brief


def _select(schema: dict[str, Any], wants: Callable[[str | None], bool]) -> dict[str, Any]:
    """What ``wants`` names, and what touches it: types at a label, labels at the ends of a type."""
    relationships = []
    labels = {entry["label"] for entry in schema["nodes"] if wants(entry["label"])}
    around: set[str] = set()
    for entry in schema["relationships"]:
        if wants(entry["type"]):
            relationships.append(entry)
            around |= {label for pattern in entry["patterns"] for end in ("from", "to") for label in pattern[end]}
        else:
            relationships += _touching(entry, labels)
    nodes = [entry for entry in schema["nodes"] if entry["label"] in labels or entry["label"] in around]
    named = {
        "node": {entry["label"] for entry in nodes},
        "relationship": {entry["type"] for entry in relationships},
    }
    rules = {
        name: [rule for rule in schema[name] if any(token in named[rule["on"]] for token in rule["tokens"])]
        for name in ("indexes", "constraints")
    }
    return {"nodes": nodes, "relationships": relationships, **rules}


def _touching(entry: dict[str, Any], labels: set[str]) -> list[dict[str, Any]]:
    """The entry of a relationship type, reduced to what touches ``labels``; empty if nothing does."""
    touching = {
        "patterns": [
            pattern
            for pattern in entry["patterns"]
            if any(label in labels for label in pattern["from"] + pattern["to"])
        ]
    }
    for name in ("starts", "ends"):
        if name in entry:
            touching[name] = [end for end in entry[name] if end["label"] in labels]
    return [entry | touching] if any(touching.values()) else []


def _unknown(schema: dict[str, Any], wanted: Wanted) -> list[str]:
    known = {entry["label"] for entry in schema["nodes"]} | {entry["type"] for entry in schema["relationships"]}
    unknown = sorted(wanted.names - known)
    if not unknown:
        return []
    told = ", ".join(_with_suggestion(name, known) for name in unknown[:_UNKNOWN])
    more = f" and {len(unknown) - _UNKNOWN} more" if len(unknown) > _UNKNOWN else ""
    return [f"No node or relationship has the label or type {told}{more}."]


def _with_suggestion(name: str, known: Iterable[str | None]) -> str:
    close = nearest(name, known)
    return f"{name[:_NAME]} (is it {close[0][:_NAME]}?)" if close else name[:_NAME]
