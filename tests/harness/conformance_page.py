"""The tables of docs/conformance.md, read from the code. Run it to write them into the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec
from ui_message_stream import chunks, grammar, versions
from ui_message_stream.grammar import Rule
from usechat_server.conformance import RULES
from usechat_server.conformance.scenarios import SCENARIOS, SCRIPTS

__all__ = ["PAGE", "render"]

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"


def render(page: str) -> str:
    """Return the page with every table as the code has it."""
    for name, table in _TABLES.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, rest = page.split(start)
        page = f"{before}{start}{table()}\n{end}{rest.partition(end)[2]}"
    return page


def _rule_table(topic: str) -> str:
    lines = ["| Rule | | Otherwise | Clients that throw |", "| --- | --- | --- | --- |"]
    for rule in RULES.values():
        if rule.topic == topic:
            name = f'<a id="{rule.id}"></a>`{rule.id}`'
            lines.append(f"| {name} | {rule.sentence} | {rule.effect} | {rule.throws} |")
    return "\n".join(lines).replace("|  |", "| |")


def _chunk_table() -> str:
    lines = ["| Type | Fields | 5 | 6 | 7 |", "| --- | --- | --- | --- | --- |"]
    classes: dict[str, Any] = {**chunks.CHUNK_TYPES, "data": chunks.Data}
    for name, chunk_class in classes.items():
        wire_name = "data-NAME" if name == "data" else name
        fields = [f for f in msgspec.structs.fields(chunk_class) if f.name not in ("extra", "name")]
        known = versions.FIELD_KNOWN_SINCE.get(name, {})
        first = [f for f in fields if f.encode_name not in known]
        text = ", ".join(map(_field, first)) or "none"
        lines.append(f"| `{wire_name}` | {text} | {_since(versions.TYPE_KNOWN_SINCE.get(name))} |")
        for field in fields:
            if field.encode_name in known:
                since = _since(known[field.encode_name])
                lines.append(f"| | {_field(field)} | {since} |")
    return "\n".join(lines)


def _field(field: msgspec.structs.FieldInfo) -> str:
    is_required = field.default is msgspec.NODEFAULT
    return f"**`{field.encode_name}`**" if is_required else f"`{field.encode_name}`"


def _reason_table() -> str:
    reasons = get_args(chunks.FinishReason)
    lines = ["| Finish reason | 5 | 6 | 7 |", "| --- | --- | --- | --- |"]
    for reason in reasons:
        known = versions.FINISH_REASON_KNOWN_SINCE.get(
            reason, versions.FIELD_KNOWN_SINCE["finish"]["finishReason"]
        )
        lines.append(f"| `{reason}` | {_since(known)} |")
    return "\n".join(lines)


def _since(known: versions.FirstReleases | None) -> str:
    if known is None:
        return "yes | yes | yes"
    return " | ".join(_first_release(first) for first in known)


def _first_release(first: versions.ClientVersion | None) -> str:
    if first is None:
        return "no"
    return "yes" if first == versions.ClientVersion(first.major) else str(first)


def _state_table(rows: Mapping[str, Mapping[str, object]]) -> str:
    kinds = (grammar.State, grammar.BlockState, grammar.CallState)
    order = [state for kind in kinds for state in get_args(kind)] + [grammar.OTHERWISE]
    states = sorted({state for row in rows.values() for state in row}, key=order.index)
    lines = [
        "| | " + " | ".join(states) + " |",
        "| --- |" + " --- |" * len(states),
    ]
    for name, row in rows.items():
        cells = [_cell(row.get(state, row.get(grammar.OTHERWISE))) for state in states]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(value: object) -> str:
    if isinstance(value, Rule):
        return f"[`{value.name}`](#{value.name})"
    return str(value)


def _scenario_table() -> str:
    lines = ["| Scenario | Judges | Script |", "| --- | --- | --- |"]
    for scenario in SCENARIOS.values():
        lines.append(f"| `{scenario.name}` | {scenario.purpose} | `{scenario.script}` |")
    return "\n".join(lines)


def _script_table() -> str:
    lines = ["| Text of the user | What the backend does |", "| --- | --- |"]
    for name, text in SCRIPTS.items():
        lines.append(f"| `conformance: {name}` | {text} |")
    return "\n".join(lines)


def _tables() -> Iterator[tuple[str, Callable[[], str]]]:
    for topic in dict.fromkeys(rule.topic for rule in RULES.values()):
        yield f"rules: {topic}", lambda topic=topic: _rule_table(topic)  # type: ignore[misc]
    yield "scenarios", _scenario_table
    yield "scripts", _script_table
    yield "chunks", _chunk_table
    yield "finish reasons", _reason_table
    yield "states of a stream", lambda: _state_table(grammar.STREAM)  # type: ignore[arg-type]
    yield "states of a block", lambda: _state_table(grammar.BLOCK)  # type: ignore[arg-type]
    yield "states of a tool call", lambda: _state_table(grammar.TOOL)


_TABLES = dict(_tables())

if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text()))
