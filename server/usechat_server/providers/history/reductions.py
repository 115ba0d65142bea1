"""What to leave out of a request that the provider refused, and of a conversation too long for it.

A history may have what only the provider can judge: a link that has expired, an image that it
cannot decode, a deleted file, thinking of another account. The conversation must go on without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

__all__ = ["NO_REDUCTION", "Reduction", "reductions"]


@dataclass(frozen=True, slots=True)
class Reduction:
    """What is left out of the history. The new message is always sent whole.

    Attributes:
        container: The container that the model's code used.
        files: The files of older messages, and of tools.
        all_but_text: Everything but text and the app's tool calls, also files of the message that
            the response began to respond to.
        usage: The request for the counts of tokens.
        call_ids: The ids of tool calls: short ones are sent in their place.
        max_bytes: The beginning, and the ends of long tool outputs, so that what stays has at most
            this many bytes. None: neither.
    """

    container: bool = False
    files: bool = False
    all_but_text: bool = False
    usage: bool = False
    call_ids: bool = False
    max_bytes: int | None = None

    def keeps_files(self, *, is_newest: bool, is_question: bool) -> bool:
        """Whether the files of a user message are sent.

        Args:
            is_newest: Whether it is the last message.
            is_question: Whether it is the last message of the user.
        """
        return is_newest or not (self.all_but_text or (self.files and not is_question))

    def __str__(self) -> str:
        """What is left out, for the log."""
        if self.max_bytes is not None:
            return f"all but {self.max_bytes} bytes of text"
        names = {
            "the container": self.container and not self.all_but_text,
            "older files": self.files and not self.all_but_text,
            "all but text": self.all_but_text,
            "the request for usage": self.usage,
            "the ids of tool calls": self.call_ids,
        }
        return " and ".join(name for name, is_left_out in names.items() if is_left_out)


NO_REDUCTION = Reduction()

#: Statuses of a request that the provider refuses because of what is in it.
_REFUSALS = (400, 404, 413, 422)
_TOO_LONG = re.compile(
    r"too long|too large|exceed\w* (the )?(available )?(context|maximum|limit)|too many tokens"
    r"|maximum context length|tokens? exceed"
)
#: Mistral requires nine letters or digits.
_CALL_ID = re.compile(r"tool.?call.?id", re.IGNORECASE)
#: Words of a refusal.
_UNWANTED = (
    r"(?:un(?:known|supported|expected|recogni[sz]ed)"
    r"|not.(?:be.|a.)?(?:support|permit|allow|accept|implement|valid)"
    r"|extra.|additional.propert|forbidden|invalid)"
)
#: The parameter, but not as an echo of the request, where its value follows.
_PARAMETER = r"""stream_options(?![\\"']*\s*[:=]\s*\{)"""
#: A refusal of it.
_USAGE = re.compile(
    f"{_UNWANTED}.{{0,80}}{_PARAMETER}|{_PARAMETER}.{{0,80}}{_UNWANTED}", re.IGNORECASE | re.DOTALL
)
#: How many tokens there are, and how many there may be.
_COUNTS = (
    # `prompt is too long: 208310 tokens > 200000 maximum`, and
    # `input length and max_tokens exceed context limit: 178959 + 64000 > 200000`
    re.compile(r"(?P<tokens>\d+)(?: tokens)?(?: \+ (?P<output>\d+))? > (?P<limit>\d+)"),
    # `maximum context length is 128000 tokens. However, your messages resulted in 135000 tokens`
    re.compile(r"(?:is|limit of) (?P<limit>\d+) tokens.*?(?:in|requested) (?P<tokens>\d+) tokens"),
    # `request (5120 tokens) exceeds the available context size (4096 tokens)`
    re.compile(r"\((?P<tokens>\d+) tokens\) exceeds .*?\((?P<limit>\d+) tokens\)"),
)
#: Part of the history that is kept if the provider does not say how much it takes.
_SHARE = 0.5
#: The estimate of bytes from tokens may be wrong by this much.
_MARGIN = 0.8


def reductions(
    current: Reduction, status: int, text: str, *, has_container: bool, history_bytes: int
) -> Iterator[Reduction]:
    """Yield what may be left out next, the least first.

    Args:
        current: What the refused request left out already.
        status: The HTTP status of the refusal.
        text: The provider's reason.
        has_container: Whether the request named a container.
        history_bytes: Bytes of the request's messages.
    """
    # A container that is gone is also a bare 500.
    if has_container and (status >= 500 or (status in _REFUSALS and "container" in text.lower())):
        yield replace(current, container=True)
    if status not in _REFUSALS:
        return
    if _USAGE.search(text):
        yield replace(current, usage=True)
    if _CALL_ID.search(text):
        yield replace(current, call_ids=True)
    yield replace(current, files=True)
    if status == 413 or _TOO_LONG.search(text.lower()):
        share = _share_that_fits(text)
        yield _all_but_text(current, int(history_bytes * share))
    elif current.max_bytes is None:
        yield _all_but_text(current)


def _all_but_text(current: Reduction, max_bytes: int | None = None) -> Reduction:
    return replace(current, container=True, files=True, all_but_text=True, max_bytes=max_bytes)


def _share_that_fits(text: str) -> float:
    """Return the share of the history that the provider takes, as far as it says."""
    for pattern in _COUNTS:
        if (match := pattern.search(text)) is not None:
            counts = {name: int(count or 0) for name, count in match.groupdict().items()}
            tokens, left = counts["tokens"], counts["limit"] - counts.get("output", 0)
            if tokens > 0 and left > 0:
                return min(left / tokens * _MARGIN, _MARGIN)
    return _SHARE
