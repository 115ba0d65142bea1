"""Every rule by its id."""

from __future__ import annotations

from collections.abc import Mapping

from usechat_server.conformance.backend_rules import BACKEND_RULES
from usechat_server.conformance.rules import Rule
from usechat_server.conformance.stream_rules import STREAM_RULES

__all__ = ["RULES"]

RULES: Mapping[str, Rule] = {rule.id: rule for rule in (*STREAM_RULES, *BACKEND_RULES)}
