"""A schema as text that a model reads: what its JSON says, in a third of the room.

A line for each label, relationship type, index and constraint, in the notation of Cypher. Names that are not plain
identifiers stand in backticks, as a statement would have them, so that no name can look like a line of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from core.schema.statements import quote

__all__ = ["as_text"]

_PLAIN = re.compile(r"[^\W\d]\w*")

_LEGEND = "After a property's type: ! each one has it, !! a constraint guarantees it."


def as_text(answer: Mapping[str, Any]) -> str:
    """``answer``, of `core.schema.view.view`, as text: everything that its JSON says."""
    return "\n".join(_lines(answer))


def _lines(answer: Mapping[str, Any]) -> Iterator[str]:
    totals = answer["totals"]
    yield (
        f"{totals['nodes']} nodes, {totals['relationships']} relationships, {totals['labels']} labels, "
        f"{totals['types']} relationship types. detail={answer['detail']}"
        + (", truncated" if answer["truncated"] else "")
    )
    if "hint" in answer:
        yield answer["hint"]
    yield from answer.get("notes", ())
    if answer["detail"] == "names":
        yield "Labels: " + ", ".join(f"{_label(entry['label'])} {entry['count']}" for entry in answer["nodes"])
        yield "Relationship types: " + ", ".join(
            f"{_name(entry['type'])} {entry['count']}" for entry in answer["relationships"]
        )
        return
    yield f"Nodes, with their number. {_LEGEND}"
    for entry in answer["nodes"]:
        yield f"{_label(entry['label'])} {entry['count']}{_described(entry)}"
    yield "Relationships, with their number."
    for entry in answer["relationships"]:
        yield from _relationship(entry)
    owned = {index["name"]: index for index in answer["indexes"] if _goes_without_saying(index)}
    indexes = (index for index in answer["indexes"] if index["name"] not in owned)
    yield from _rules("Indexes", indexes, _about_an_index)
    yield from _rules("Constraints", answer["constraints"], lambda rule: _about_a_constraint(rule, owned))


def _described(entry: Mapping[str, Any]) -> str:
    sampled = "" if entry["sampled"] == entry["count"] else f" (sample of {entry['sampled']})"
    properties = ", ".join(map(_property, entry["properties"]))
    return f"{sampled}: {properties}" if properties else sampled


def _property(found: Mapping[str, Any]) -> str:
    text = f"{_name(found['name'])} {'|'.join(found['types'])}"
    text += "!!" if found.get("required") else "!" if found["always"] else ""
    if "vector" in found:
        text += f" of {found['vector']} numbers"
    if "values" in found:
        text += f" one of {_texts(found['values'])}"
    if "examples" in found:
        text += f" such as {_texts(found['examples'])}"
    return text


def _relationship(entry: Mapping[str, Any]) -> Iterator[str]:
    patterns = entry["patterns"]
    if entry["exact"] and len(patterns) == 1 and patterns[0].get("count") == entry["count"]:
        yield f"{_pattern(entry['type'], patterns[0])} {entry['count']}{_described(entry)}"
        return
    yield f"{_name(entry['type'])} {entry['count']}{_described(entry)}"
    for pattern in patterns:
        count = f" {pattern['count']}" if "count" in pattern else ""
        yield f"  {_pattern(entry['type'], pattern)}{count}"
    for side, word in (("starts", "from"), ("ends", "to")):
        if side in entry:
            yield f"  {word} " + ", ".join(f"{_name(end['label'])} {end['count']}" for end in entry[side])
    notes = [] if entry["exact"] else ["the patterns are of a sample"]
    notes += [f"{entry['more']} more with detail=full"] if "more" in entry else []
    if notes:
        yield f"  {'; '.join(notes)}"


def _pattern(kind: str, pattern: Mapping[str, Any]) -> str:
    return f"({_labels(pattern['from'])})-[:{_name(kind)}]->({_labels(pattern['to'])})"


def _rules(title: str, rules: Iterable[Mapping[str, Any]], about: Callable[[Mapping[str, Any]], str]) -> Iterator[str]:
    rules = list(rules)
    if rules:
        yield f"{title}:"
    for rule in rules:
        tokens = "|".join(map(_name, rule["tokens"]))
        where = f"(:{tokens})" if rule["on"] == "node" else f"-[:{tokens}]-"
        properties = ", ".join(map(_name, rule["properties"]))
        yield f"{rule['type']} {_name(rule['name'])} {where} ({properties}){about(rule)}"


def _goes_without_saying(index: Mapping[str, Any]) -> bool:
    """Whether the line of its constraint says all about an index."""
    return bool(index.get("constraint") == index["name"] and index["state"] == "ONLINE")


def _about_an_index(index: Mapping[str, Any]) -> str:
    parts = [] if index["state"] == "ONLINE" else [index["state"]]
    parts += [f"{index['dimensions']} dimensions"] if "dimensions" in index else []
    parts += [f"{key} {index[key]}" for key in ("similarity", "analyzer") if key in index]
    parts += [f"of the constraint {_name(index['constraint'])}"] if "constraint" in index else []
    return "".join(f", {part}" for part in parts)


def _about_a_constraint(constraint: Mapping[str, Any], owned: Mapping[str, Mapping[str, Any]]) -> str:
    index = owned.get(constraint["name"])
    parts = [constraint["property_type"]] if "property_type" in constraint else []
    parts += [] if index is None else [f"with a {index['type']} index"]
    return "".join(f", {part}" for part in parts)


def _label(label: str | None) -> str:
    return "(no label)" if label is None else _name(label)


def _labels(labels: Iterable[str]) -> str:
    return "".join(f":{_name(label)}" for label in labels)


def _name(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else _on_one_line(quote(name))


def _texts(values: Iterable[str]) -> str:
    return "|".join("'" + _on_one_line(value.replace("\\", "\\\\").replace("'", "\\'")) + "'" for value in values)


def _on_one_line(text: str) -> str:
    return "".join(
        character if character.isprintable() or ord(character) > 0xFFFF else f"\\u{ord(character):04X}"
        for character in text
    )
