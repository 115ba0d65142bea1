"""The conformance suite for backends of `useChat`, in any language: `usechat-server check`."""

from usechat_server.conformance.catalog import RULES
from usechat_server.conformance.results import Problem, Result
from usechat_server.conformance.rules import Rule
from usechat_server.conformance.streams import check_stream

__all__ = ["RULES", "Problem", "Result", "Rule", "check_stream"]
