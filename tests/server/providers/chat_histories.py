"""Hypothesis strategies for the history of a chat: whatever a client, a provider, a tool, an MCP
server or an earlier release could have brought."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.harness.fake_openai import ChatAccount, FakeOpenAI
from tests.harness.fake_provider import FakeProvider
from tests.harness.fake_provider_account import Account
from tests.harness.media import IMAGES, data_url, pdf, png

__all__ = ["FORBIDDEN", "account", "expanded", "histories"]

Object = dict[str, Any]

#: What the model declines to respond to.
FORBIDDEN = "how to do harm"
#: Stand for long texts, see `expanded`.
LONG, LARGE = "<90 kB>", "<7 MB>"


def account(provider: type[FakeProvider]) -> Account:
    """Return the account that the histories were partly made with."""
    if provider is FakeOpenAI:
        return ChatAccount(files={"f"}, max_tokens=20_000)
    return Account(
        files={"file_ok"}, containers={"container_ok"}, sealed={"c2ln"}, max_tokens=20_000
    )


_texts = st.sampled_from(["", " ", "Hi", "half \ud83d", "nul \0", LONG, "\u2028", "🙂" * 10])
_short_texts = st.sampled_from(["", " ", "Hi", "half \ud83d", "nul \0", "x" * 300])


def _nested(depth: int, *, in_lists: bool) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value] if in_lists else {"a": value}
    return value


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from([0, -1, 2**53 + 1, 10**40, 0.5, 1e308, float("inf"), float("-inf")])
    | _short_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_short_texts, inner, max_size=3),
    max_leaves=6,
) | st.builds(_nested, st.sampled_from([3, 90, 190]), in_lists=st.booleans())


# --- files


@st.composite
def _file_contents(draw: st.DrawFn) -> bytes:
    """Images and PDFs, whole and damaged, and other files."""
    kind = draw(st.sampled_from([*IMAGES, "pdf", "other"]))
    if kind == "other":
        return draw(
            st.sampled_from(
                [
                    *(b"", b" ", b"a,b\n", "Straße".encode("cp1252"), "é".encode("utf-16")),
                    *(b"\0\0\0\x18ftypheic", b"PK\3\4\0\xff", b"<svg/>", b"GIF89a"),
                ]
            )
        )
    if kind == "pdf":
        whole = pdf(encrypted=draw(st.booleans()))
    else:
        size = draw(st.sampled_from([(1, 1), (40, 9000), (2500, 3), (0, 5), (8000, 1)]))
        whole = IMAGES[kind](*size) if kind != "image/webp" or min(size) else b"RIFF"
    damage = draw(st.sampled_from(["none", "none", "cut", "changed"]))
    at = draw(st.integers(1, len(whole) - 1))
    if damage == "cut":
        return whole[:at]
    if damage == "changed":
        return whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]
    return whole


_media_types = st.sampled_from(
    [
        *IMAGES,
        *("image/*", "image", "image/heic", "application/pdf", "text/csv", "text/plain", ""),
        *("application/vnd.ms-excel", "application/octet-stream", "TEXT/CSV; charset=x"),
    ]
)
_urls = st.one_of(
    st.builds(data_url, _file_contents(), _media_types),
    st.sampled_from(
        [
            "",
            "data:;base64,***",
            "data:image/png;base64,iVBO\r\nRw0K",
            "data:text/plain,a%20b",
            "https://example.com/cat.png",
            "https://files.example/expired.png",
            "HTTPS://FILES.example/a b.pdf",
            "http://example.com/cat.png",
            "http://localhost:3000/upload.png",
            "file:///etc/passwd",
            "blob:https://example.com/1",
        ]
    ),
)
_references = st.sampled_from(
    [
        {"anthropic": "file_ok"},
        {"anthropic": "file_deleted"},
        {"openai": "f"},
        {"openai": "gone"},
        {"anthropic": ""},
    ]
)
_files = st.fixed_dictionaries(
    {"type": st.just("file"), "mediaType": _media_types, "url": _urls},
    optional={
        "filename": _short_texts,
        "providerReference": _references,
        "providerMetadata": st.fixed_dictionaries(
            {
                "anthropic": st.fixed_dictionaries(
                    {},
                    optional={
                        "title": _json,
                        "context": _json,
                        "citations": st.just({"enabled": True}) | _json,
                        "containerUpload": st.booleans(),
                    },
                )
            }
        ),
    },
)
#: Many at once: their bytes, pixels and number add up.
_many_files = st.builds(
    lambda count, size: {"many": count, "size": size},
    st.sampled_from([21, 30, 101]),
    st.sampled_from([(1, 1), (2500, 1)]),
)
_large_file = st.just(
    {"type": "file", "mediaType": "text/plain", "url": f"data:text/plain,{LARGE}"}
)


def expanded(value: Any) -> Any:
    """Return a history with what is too long to be printed."""
    if isinstance(value, str):
        return value.replace(LONG, "x" * 90_000).replace(LARGE, "a" * 7_000_000)
    if isinstance(value, list):
        return [each for item in value for each in _expanded_items(item)]
    if isinstance(value, dict):
        return {expanded(key): expanded(item) for key, item in value.items()}
    return value


def _expanded_items(item: Any) -> list[Any]:
    if not isinstance(item, dict) or "many" not in item:
        return [expanded(item)]
    url = data_url(png(*item["size"]))
    return [{"type": "file", "mediaType": "image/png", "url": url}] * item["many"]


# --- what models and their providers leave


_sealed = st.sampled_from(["c2ln", "of another account", ""])
_provider_metadata = st.one_of(
    st.builds(lambda value: {"anthropic": {"signature": value}}, _sealed),
    st.builds(lambda value: {"anthropic": {"redactedData": value}}, _sealed),
    st.builds(lambda value: {"anthropic": {"citations": value}}, _json),
    st.just({"anthropic": {"type": "compaction", "signature": "another"}}),
    st.just({"openai": {"itemId": "rs_1", "reasoningEncryptedContent": None}}),
    st.just({"google": {"thoughtSignature": "abc"}}),
    st.builds(
        lambda field: {"openaiChat": {"field": field}},
        st.sampled_from(["reasoning", "reasoning_content", "thinking", "other"]) | _json,
    ),
    st.just({"anthropic": {"toolsetName": "computer"}}),
    st.just({"anthropic": {"type": "mcp-tool-use", "serverName": "echo"}}),
    st.builds(
        lambda kind: {"anthropic": {"caller": {"type": kind, "toolId": "srvtoolu_9"}}},
        st.sampled_from(["direct", "code_execution_20250825"]),
    ),
    st.builds(lambda value: {"anthropic": {"caller": value}}, _json),
)
_states = st.sampled_from(
    [
        *("input-streaming", "input-available", "approval-requested", "approval-responded"),
        *("output-available", "output-available", "output-error", "output-denied"),
    ]
)
#: What the tool `draw` makes files of, as an MCP server's tools do.
_drawings = st.builds(lambda file, words: {"files": [file], "words": words}, _files, _texts)
_search_outputs = st.builds(
    lambda sealed: [
        {
            "type": "web_search_result",
            "url": "https://example.com",
            "title": None,
            "pageAge": None,
            "encryptedContent": sealed,
        }
    ],
    _sealed,
)
_outputs = _json | _drawings | _search_outputs | _texts
_names = st.sampled_from(
    ["draw", "gone", "büro", "x" * 200, "web_search", "code_execution", "computer", ""]
)
_call_ids = st.sampled_from(["toolu_1", "toolu_2", "call_0", "", "call:ä", "srvtoolu_1", "x" * 90])
_calls = st.fixed_dictionaries(
    {
        "type": st.builds("tool-{}".format, _names),
        "toolCallId": _call_ids,
        "state": _states,
        "input": _json | st.just({"query": "x"}) | st.just({"type": "bash_code_execution"}),
    },
    optional={
        "output": _outputs,
        "rawInput": _json,
        "errorText": _texts,
        "providerExecuted": st.booleans(),
        "callProviderMetadata": _provider_metadata,
        "approval": st.just({"id": "1", "approved": False, "reason": ""}) | st.just({"id": "1"}),
    },
)
_assistant_parts = st.one_of(
    _calls,
    _calls,
    st.just({"type": "step-start"}),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["text", "reasoning"]), "text": _texts},
        optional={"providerMetadata": _provider_metadata},
    ),
    _files,
    st.just({"type": "custom", "kind": "anthropic.fallback", "providerMetadata": {}}),
    st.just({"type": "data-progress", "data": 1}),
    st.just({"type": "hologram"}),
    st.builds(
        lambda parts: {"type": "steering-message", "id": "1", "parts": parts},
        st.lists(_files | st.just({"type": "text", "text": "Faster"}), max_size=2),
    ),
)


def _container(name: str, days: int) -> Object:
    expires_at = datetime.now(UTC) + timedelta(days=days)
    return {"id": name, "expires_at": expires_at.isoformat()}


_opaque_blocks = st.one_of(
    st.just({"type": "brand_new"}),
    st.just({"type": "container_upload", "file_id": "file_deleted"}),
    st.just({"type": "server_tool_use", "id": "srvtoolu_9", "name": "x", "input": {}}),
    st.just({"type": "image", "source": {"type": "url", "url": "https://files.example/x"}}),
    st.dictionaries(st.sampled_from(["type", "id", "text"]), _json, max_size=3),
)
_slots = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "part": st.sampled_from(["text", "reasoning", "call", "result"]),
            "id": _call_ids,
            "block": _opaque_blocks,
        },
    ),
    max_size=4,
)
_records = st.fixed_dictionaries(
    {},
    optional={
        "container": st.builds(
            _container,
            st.sampled_from(["container_ok", "container_gone", "container_lost"]),
            st.sampled_from([-1, 1, -40]),
        )
        | st.just({"id": "x", "expires_at": "9999-12-31T23:59:59Z"})
        | _json,
        "turns": st.dictionaries(
            st.sampled_from(["msg_1", "msg_2"]),
            st.fixed_dictionaries({"places": _slots}, optional={"paused": st.booleans()}),
            max_size=2,
        )
        | _json,
    },
)
_metadata = st.builds(lambda record: {"usechat.anthropic": record}, _records | _json) | _json


# --- messages

_REFUSAL = {
    "type": "text",
    "text": "The model declined.",
    "providerMetadata": {"usechat": {"type": "refusal"}},
}


def _message(role: str, parts: list[Object], metadata: Any) -> Object:
    # As browsers encode it: NaN and Infinity are null.
    extra = {} if metadata is None else {"metadata": metadata}
    return {"role": role, "parts": parts, **extra}


_user_parts = st.lists(
    st.one_of(
        st.builds(lambda text: {"type": "text", "text": text}, _texts),
        _files,
        st.just({"type": "data-x", "data": 1}),
    ),
    max_size=4,
) | st.lists(_many_files | _large_file, min_size=1, max_size=2)
_user_messages = st.builds(_message, st.just("user"), _user_parts, st.none() | _json)
_assistant_messages = st.builds(
    _message, st.just("assistant"), st.lists(_assistant_parts, max_size=7), st.none() | _metadata
)
#: A turn that the model declined.
_refused_turns = st.builds(
    lambda parts: [
        _message("user", [{"type": "text", "text": FORBIDDEN}], None),
        _message("assistant", [*parts, _REFUSAL], None),
    ],
    st.lists(_assistant_parts, max_size=2),
)
#: Messages without ids, the oldest first.
histories: st.SearchStrategy[list[Object]] = st.lists(
    st.lists(_user_messages | _assistant_messages, min_size=1, max_size=2) | _refused_turns,
    min_size=1,
    max_size=4,
).map(lambda groups: [message for group in groups for message in group])
