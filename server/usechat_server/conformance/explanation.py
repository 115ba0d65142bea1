"""A rule in a few lines, with the stream that breaks it."""

from __future__ import annotations

import textwrap

from usechat_server.conformance.rules import BackendExample, Rule, StreamExample

__all__ = ["explain"]


def explain(rule: Rule) -> str:
    """Return the rule, what users see if a backend breaks it, and an example."""
    lines = [
        f"{rule.id} ({rule.severity})",
        *textwrap.wrap(rule.sentence, 88),
        "",
        *textwrap.wrap(f"Otherwise: {rule.effect}", 88),
    ]
    if rule.throws:
        lines.append(f"Clients that throw: {rule.throws}")
    lines += ["", "What breaks it:", "", textwrap.indent(_example(rule.example), "    ")]
    return "\n".join(lines)


def _example(example: StreamExample | BackendExample) -> str:
    if isinstance(example, StreamExample):
        return _text(example.body)
    lines = [f"The scenario {example.scenario}, with these responses:"]
    for response in example.responses:
        lines.append(f"\n{response.status}")
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        lines.append("")
        for second, piece in response.body:
            lines.append(f"({second:g} s) {_text(piece)}")
    return "\n".join(lines)


def _text(body: bytes) -> str:
    text = body.decode(errors="backslashreplace")
    lines = text.replace("\r", "\\r").removesuffix("\n").split("\n")
    return "\n".join(lines)
