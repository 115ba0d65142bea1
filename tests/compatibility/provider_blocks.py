"""What the provider sent in the chat `finished`, and must get back."""

from __future__ import annotations

from typing import Any

__all__ = ["CONTAINER", "RESPONSE", "USER_FILES"]

CONTAINER = "container_kept"

#: The blocks of the first response, in the order in which they came.
RESPONSE: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "The user asks about Bern.", "signature": "c2lnbmVkLTE="},
    {"type": "redacted_thinking", "data": "cmVkYWN0ZWQtMQ=="},
    {"type": "text", "text": "Let me look."},
    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bern"}},
    {"type": "thinking", "thinking": "Now the web.", "signature": "c2lnbmVkLTI="},
    {
        "type": "server_tool_use",
        "id": "srvtoolu_1",
        "name": "web_search",
        "input": {"query": "Bern weather"},
    },
    {
        "type": "server_tool_use",
        "id": "srvtoolu_2",
        "name": "bash_code_execution",
        "input": {"command": "echo 20"},
    },
    {
        "type": "bash_code_execution_tool_result",
        "tool_use_id": "srvtoolu_2",
        "content": {
            "type": "bash_code_execution_result",
            "stdout": "20\n",
            "stderr": "",
            "return_code": 0,
            "content": [],
        },
    },
    {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": [
            {
                "type": "web_search_result",
                "url": "https://example.com/bern",
                "title": "Bern",
                "page_age": "1 day",
                "encrypted_content": "c2VhcmNoLWNvbnRlbnQ=",
            }
        ],
    },
    {"type": "container_upload", "file_id": "file_kept"},
    {
        "type": "text",
        "text": "Bern has 20 degrees.",
        "citations": [
            {
                "type": "web_search_result_location",
                "url": "https://example.com/bern",
                "title": "Bern",
                "encrypted_index": "Y2l0YXRpb24taW5kZXg=",
                "cited_text": "20 degrees",
            },
            {
                "type": "page_location",
                "cited_text": "Plan",
                "document_index": 0,
                "document_title": "plan.pdf",
                "start_page_number": 1,
                "end_page_number": 2,
                "file_id": None,
            },
        ],
    },
]

#: The files of the question.
USER_FILES: list[dict[str, Any]] = [
    {
        "type": "image",
        "source": {
            "type": "base64",
            "media_type": "image/png",
            "data": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
            "awAAAABJRU5ErkJggg==",
        },
    },
    {
        "type": "document",
        "source": {
            "type": "base64",
            "media_type": "application/pdf",
            "data": "JVBERi0xLjQKJSVFT0YK",
        },
        "title": "plan.pdf",
    },
]
