"""The store as an app uses it itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from usechat_server.store import Chat, ChatPage, SqlChatStore, StoredChat

from tests.harness.stores import complete_turn, user_message

DOCS = Path(__file__).parents[3] / "docs" / "storage.md"


async def test_an_app_lists_reads_renames_and_deletes_chats(store: SqlChatStore) -> None:
    for chat_id in ("c1", "c2", "c3"):
        await complete_turn(
            store, f"r-{chat_id}", user_id="ann", chat_id=chat_id, message=user_message("u1")
        )
    newest = await store.list("ann", cursor=None, limit=2)
    assert isinstance(newest, ChatPage)
    assert [chat.id for chat in newest.chats] == ["c3", "c2"]
    rest = await store.list("ann", newest.next_cursor, 2)
    assert ([chat.id for chat in rest.chats], rest.next_cursor) == (["c1"], None)

    stored = await store.get("ann", "c1")
    assert isinstance(stored, StoredChat)
    assert [message.role for message in stored.messages] == ["user", "assistant"]
    renamed = await store.rename("ann", "c1", "Holidays")
    assert isinstance(renamed, Chat)
    assert renamed.title == "Holidays"
    assert await store.delete("ann", "c1")

    assert await store.get("ann", "c1") is None
    assert await store.get("bob", "c2") is None
    assert await store.rename("bob", "c2", "Mine") is None
    assert not await store.delete("bob", "c2")


async def test_the_snippet_of_the_docs_deletes_the_chats_of_a_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    snippets = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    [snippet] = [snippet for snippet in snippets if "delete_chats_of" in snippet]
    names: dict[str, Any] = {}
    exec(snippet, names)
    store: SqlChatStore = names["store"]
    await store.open()
    for user in ("ann", "bob"):
        await complete_turn(store, f"r-{user}", user_id=user, message=user_message("u1"))
    await names["delete_chats_of"]("ann")
    assert (await store.list("ann", None, 10)).chats == []
    assert len((await store.list("bob", None, 10)).chats) == 1
    await store.aclose()
