"""A stored message is the message, to the last digit."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from hypothesis import given, settings
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server.store.sql import SqlChatStore

from tests.harness.stores import chat_request, open_store, user_message
from tests.protocol.strategies import FOREIGN, json_values, messages
from tests.server.store.test_property_chats import EXAMPLES


def test_any_message_is_stored_unchanged(url: str) -> None:
    with asyncio.Runner() as runner:
        opening = open_store(url)
        store = runner.run(opening.__aenter__())
        numbers = iter(range(10**6))

        async def through(metadata: Any, message: UIMessage) -> None:
            number = next(numbers)
            data = {"type": "data-x", "data": metadata}
            sent = user_message("u", metadata=metadata, parts=[data])
            request = chat_request(f"c{number}", message=sent)
            turn = await store.turn(request, None, NEWEST_CLIENT_VERSION)
            message = msgspec.structs.replace(message, id=turn.message_id)
            await store.begin(turn, run_id=f"r{number}")
            await store.finish(turn, message, "finished", (), run_id=f"r{number}")
            stored = await store.get(None, f"c{number}")
            assert stored is not None
            assert [one.to_object() for one in stored.messages] == [sent, message.to_object()]

        @settings(parent=EXAMPLES, max_examples=60)
        @given(json_values, messages())
        def any_message(metadata: Any, message: UIMessage) -> None:
            if any(part.type != "step-start" for part in message.parts):
                runner.run(through(metadata, message))

        try:
            any_message()
            runner.run(through({"big": 2**70 + 1, "small": 5e-324}, FOREIGN))
            runner.run(through("\U0001f600 \0 \u2028 \x7f", FOREIGN))
        finally:
            runner.run(opening.__aexit__(None, None, None))


async def test_lone_surrogates_and_forbidden_keys_are_replaced(store: SqlChatStore) -> None:
    part = {"type": "data-x", "data": {"__proto__": 1, "kept": [{"__proto__": {}}]}}
    sent = user_message("u", "cut \ud83d", parts=[{"type": "text", "text": "cut \ud83d"}, part])
    turn = await store.turn(chat_request(message=sent), None, NEWEST_CLIENT_VERSION)
    await store.begin(turn, run_id="r1")
    stored = await store.get(None, "c1")
    assert stored is not None
    assert stored.messages[0].to_object()["parts"] == [
        {"type": "text", "text": "cut \ufffd"},
        {"type": "data-x", "data": {"kept": [{}]}},
    ]
    assert stored.chat.title == "cut \ufffd"
