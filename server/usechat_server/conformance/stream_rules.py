"""The rules that the bytes of one response can break; `ui_message_stream.check` finds them."""

from __future__ import annotations

from ui_message_stream import grammar

from usechat_server.conformance.framing_rules import FRAMING_RULES
from usechat_server.conformance.part_rules import PART_RULES
from usechat_server.conformance.rules import EVERY_RELEASE, Rule

__all__ = ["STREAM_RULES"]

#: What no table of the library says about the releases that throw.
_THROWS = {
    **dict.fromkeys(("json", "forbidden-key", "schema"), EVERY_RELEASE),
    "unknown-type": "those that do not know the type",
    "unknown-field": "those that do not know the field, before 5.0.217, 6.0.231 and 7.0.32",
    "unknown-reason": "those that do not know the reason",
    **{rule.name: rule.fatal for rule in grammar.RULES.values() if rule.fatal},
}

#: A block can go on in the next step only if it was left open.
_IMPLIES = {"block-left-open": ("part-open",)}

#: In the order of the page.
STREAM_RULES: tuple[Rule, ...] = tuple(
    Rule(
        *(rule_id, topic, sentence, effect, example),
        throws=_THROWS.get(rule_id, ""),
        implies=_IMPLIES.get(rule_id, ()),
    )
    for topic, rule_id, sentence, effect, example in (*FRAMING_RULES, *PART_RULES)
)
