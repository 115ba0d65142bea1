"""The provider's token counts → usage."""

from __future__ import annotations

from typing import Any

import pytest
from usechat_server.providers.anthropic.response.usage import merge_usage
from usechat_server.results import Usage


def merge_all(*all_counts: dict[str, Any] | None) -> Usage:
    usage = Usage()
    for counts in all_counts:
        usage = merge_usage(usage, counts)
    return usage


def test_each_count_is_the_total_so_far() -> None:
    usage = merge_all(
        {
            "input_tokens": 10,
            "output_tokens": 1,
            "cache_read_input_tokens": 500,
            "cache_creation_input_tokens": 20,
        },
        None,
        {"output_tokens": 30, "output_tokens_details": {"thinking_tokens": 12}},
        {"output_tokens": 40, "input_tokens": None},
    )
    assert usage == Usage(input=10, output=40, cache_read=500, cache_write=20, thinking=12)


def test_tokens_of_a_compaction_count() -> None:
    iterations = [
        {"type": "compaction", "input_tokens": 1000, "output_tokens": 100},
        {"type": "message", "input_tokens": 50, "output_tokens": 5},
        {"type": "advisor_message", "input_tokens": 7, "output_tokens": 7},
    ]
    usage = merge_all({"input_tokens": 50, "output_tokens": 5, "iterations": iterations})
    assert (usage.input, usage.output) == (1050, 105)


def test_cached_tokens_of_a_compaction_count() -> None:
    cached = {"cache_read_input_tokens": 9000, "cache_creation_input_tokens": 30}
    iterations = [
        {"type": "compaction", "input_tokens": 10, "output_tokens": 100, **cached},
        {"type": "message", "input_tokens": 50, "output_tokens": 5, "cache_read_input_tokens": 4},
    ]
    totals = {"input_tokens": 50, "output_tokens": 5, "cache_read_input_tokens": 4}
    usage = merge_all({**totals, "cache_creation_input_tokens": 0, "iterations": iterations})
    assert usage == Usage(input=60, output=105, cache_read=9004, cache_write=30)


@pytest.mark.parametrize(
    "iterations",
    [
        None,
        [],
        # The first model declined: the other model's response is billed.
        [
            {"type": "message", "input_tokens": 50, "output_tokens": 0},
            {"type": "fallback_message", "input_tokens": 60, "output_tokens": 9},
        ],
        [{"type": "advisor_message", "input_tokens": 7, "output_tokens": 7}],
        "new",
        [5],
    ],
)
def test_without_a_compaction_the_totals_of_the_api_count(iterations: Any) -> None:
    usage = merge_all({"input_tokens": 60, "output_tokens": 9, "iterations": iterations})
    assert (usage.input, usage.output) == (60, 9)
