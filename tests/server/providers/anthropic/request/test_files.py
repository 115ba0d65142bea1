"""A user's files → content blocks."""

from __future__ import annotations

import base64
import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ui_message_stream.messages import FilePart, UIMessage
from usechat_server.errors import ChatError
from usechat_server.providers.anthropic.request.build import build_request
from usechat_server.providers.anthropic.request.files import file_block
from usechat_server.providers.base import ModelCall

from tests.harness.fake_provider_rules import request_errors
from tests.harness.media import IMAGES, gif, jpeg, pdf, png, webp

PNG, JPEG, GIF, WEBP, PDF = png(), jpeg(), gif(), webp(), pdf()


def part(data: bytes | str, media_type: str, filename: str | None = None) -> FilePart:
    if isinstance(data, bytes):
        data = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
    return FilePart(media_type=media_type, filename=filename, url=data)


@pytest.mark.parametrize(
    ("data", "declared", "sent"),
    [
        (PNG, "image/png", "image/png"),
        (GIF, "image/gif", "image/gif"),
        # Browsers go by the file's extension, the API by its content.
        (WEBP, "image/jpeg", "image/webp"),
        (JPEG, "image/*", "image/jpeg"),
        (JPEG, "", "image/jpeg"),
        (PNG + b"appended by some program", "image/png", "image/png"),
    ],
)
def test_images(data: bytes, declared: str, sent: str) -> None:
    assert file_block(part(data, declared, "cat.png")) == {
        "type": "image",
        "source": {
            "type": "base64",
            "media_type": sent,
            "data": base64.b64encode(data).decode(),
        },
    }


@pytest.mark.parametrize("declared", ["application/pdf", "application/octet-stream"])
def test_pdfs(declared: str) -> None:
    block = file_block(part(PDF, declared, "report.pdf"))
    assert block["type"] == "document"
    assert block["title"] == "report.pdf"
    assert block["source"]["media_type"] == "application/pdf"


@pytest.mark.parametrize(
    ("data", "declared", "text"),
    [
        (b"a,b\n1,2\n", "text/csv", "a,b\n1,2\n"),
        (b"# Title", "text/markdown", "# Title"),
        (b'{"a": 1}', "application/json", '{"a": 1}'),
        (b"a: 1", "application/x-yaml", "a: 1"),
        (b"<svg/>", "image/svg+xml", "<svg/>"),
        # The types that Chromium gives .py, .ts and .md files.
        (b"print(1)", "", "print(1)"),
        (b"const a = 1", "video/mp2t", "const a = 1"),
        (b"# Title", "application/octet-stream", "# Title"),
        ("é".encode(), "text/plain;charset=utf-8", "é"),
        ("\ufeffé".encode(), "text/csv", "é"),
        ("é".encode("utf-16"), "text/csv", "é"),
        ("é;ü".encode("cp1252"), "text/csv", "é;ü"),
        # The types that Windows and Linux give .csv, .log and .txt files.
        ("Name;Straße".encode("cp1252"), "application/vnd.ms-excel", "Name;Straße"),
        ("Straße\t\x1b[0m\f".encode("cp1252"), "", "Straße\t\x1b[0m\f"),
        ("Straße".encode("cp1252"), "application/octet-stream", "Straße"),
        ("é and ü and ß".encode()[:-1], "text/plain", "é and ü and \ufffd"),
        ("Привет".encode("cp1251"), "text/plain;charset=windows-1251", "Привет"),
        ("\ufeffé".encode("utf-16-be"), "application/vnd.ms-excel", "é"),
        ("\ufeffé".encode("utf-32-le"), "text/plain", "é"),
        ("Hello, 世界".encode("utf-16-le"), "text/plain", "Hello, 世界"),
        ("Hello, 世界".encode("utf-16-be"), "application/octet-stream", "Hello, 世界"),
        (b"GIF89a is a format", "text/plain", "GIF89a is a format"),
        (b"%PDF-1.7 is a version", "text/markdown", "%PDF-1.7 is a version"),
        ("data:text/plain;base64,YS\r\nxi\nYw =", "text/plain", "a,bc"),
        ("data:text/plain;base64,YSxi%0D%0AYw%3D%3D", "text/plain", "a,bc"),
        (" data:text/plain,a\n", "text/plain", "a"),
        ("data:text/plain,a%20%C3%A9", "text/plain", "a é"),
        ("data:text/plain;base64,YQ", "text/plain", "a"),
        ("DATA:text/plain;charset=utf-8;BASE64,YQ%3D%3D", "text/plain", "a"),
    ],
)
def test_text_of_any_kind(data: bytes | str, declared: str, text: str) -> None:
    assert file_block(part(data, declared, "notes")) == {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": text},
        "title": "notes",
    }


def test_an_empty_file_is_named() -> None:
    block = file_block(part(b" \n", "text/plain", "empty.txt"))
    assert block == {"type": "text", "text": "(empty.txt is empty.)"}


def test_links_are_passed_on() -> None:
    url = "https://example.com/file"
    source = {"type": "url", "url": url}
    assert file_block(part(url, "image/png")) == {"type": "image", "source": source}
    assert file_block(part(url, "image")) == {"type": "image", "source": source}
    assert file_block(part(url, "application/pdf", "a.pdf")) == {
        "type": "document",
        "source": source,
        "title": "a.pdf",
    }


@pytest.mark.parametrize(
    ("refused", "error_text"),
    [
        (part(b"\x00\x00\x00\x18ftypheic", "image/heic", "cat.heic"), "cat.heic (image/heic)"),
        (part(b"PK\x03\x04\x00\xff", "application/zip", "all.zip"), "all.zip (application/zip)"),
        (part(b"\xff\xfb\x90\x00", "audio/mpeg"), "The file (audio/mpeg)"),
        (part("data:image/png;base64,!!", "image/png", "cat.png"), "cat.png is damaged"),
        (part("data:image/png", "image/png", "cat.png"), "cat.png cannot be read: its URL"),
        (part("", "image/png", "cat.png"), "cat.png cannot be read: its URL"),
        (part("file:///etc/passwd", "text/plain", "passwd"), "passwd cannot be read: its URL"),
        (part("https://example.com/a.csv", "text/csv", "a.csv"), "a.csv (text/csv) cannot be"),
        (part("http://example.com/a.png", "image/png", "a.png"), "a.png cannot be sent as this"),
        (part(b"", "image/png", "a.png"), "a.png is empty"),
        (part("data:,", "application/pdf", "a.pdf"), "a.pdf is empty"),
        (part(b"\x00\x01", "image/png", "a.png"), "a.png (image/png) cannot be read"),
        (part(PNG[:-12], "image/png", "a.png"), "a.png is damaged"),
        (part(JPEG[:-2], "image/jpeg", "a.jpg"), "a.jpg is damaged"),
        (part(GIF[:-3], "image/gif", "a.gif"), "a.gif is damaged"),
        (part(WEBP[:-1], "image/webp", "a.webp"), "a.webp is damaged"),
        (part(png(0, 0), "image/png", "a.png"), "a.png is damaged"),
        (part(PDF[:-6], "application/pdf", "a.pdf"), "a.pdf is damaged"),
        (part(pdf(encrypted=True), "application/pdf", "a.pdf"), "a.pdf is encrypted"),
        (part(b"\x00", "a/b", "x" * 10**6), f"{'x' * 100}… (a/b) cannot be read"),
        (part(b"\x00", "a/b", "a\n\x1bb"), "a  b (a/b) cannot be read"),
    ],
)
def test_unreadable_files_are_refused_by_name(refused: FilePart, error_text: str) -> None:
    with pytest.raises(ChatError) as caught:
        file_block(refused)
    assert caught.value.status == 400
    assert caught.value.text.startswith(error_text)


@pytest.mark.parametrize("media_type", IMAGES)
@pytest.mark.parametrize(("width", "height"), [(40, 9000), (8001, 1)])
def test_images_with_too_many_pixels_are_refused(media_type: str, width: int, height: int) -> None:
    make_image = IMAGES[media_type]
    assert file_block(part(make_image(8000, 40), media_type))["type"] == "image"
    with pytest.raises(ChatError, match=rf"cat is too large.*{width} × {height}"):
        file_block(part(make_image(width, height), media_type, "cat"))


@pytest.mark.parametrize("media_type", IMAGES)
@given(st.data())
def test_any_damage_to_an_image_is_survived(media_type: str, data: st.DataObject) -> None:
    """Whatever is cut or changed, there is a block or a refusal, and nothing cut is sent."""
    whole = IMAGES[media_type](3, 3)
    # A GIF without its last byte has all of its pixels.
    cut = data.draw(st.integers(1, len(whole) - 2))
    with contextlib.suppress(ChatError):
        # A few first bytes of a JPEG may be read as a text.
        assert file_block(part(whole[:cut], media_type))["type"] != "image"
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + data.draw(st.binary(min_size=1, max_size=4)) + whole[at + 1 :]
    with contextlib.suppress(ChatError):
        file_block(part(changed, media_type))


def test_older_files_are_left_out_until_the_rest_fits() -> None:
    large = part("data:text/plain," + "a" * 8_000_000, "text/plain").to_object()
    messages = [
        UIMessage.from_object({"id": str(number), "role": "user", "parts": [large]})
        for number in range(5)
    ]
    request = build_request(ModelCall(messages), model="m", max_tokens=1)
    [only_message] = request["messages"]
    types = [block["type"] for block in only_message["content"]]
    assert types == ["text", "text", "document", "document", "document"]
    messages = [UIMessage.from_object({"id": "1", "role": "user", "parts": [large] * 4})]
    with pytest.raises(ChatError, match="too large together"):
        build_request(ModelCall(messages), model="m", max_tokens=1)


def test_of_many_images_the_oldest_large_ones_are_left_out() -> None:
    small = part(png(2000, 10), "image/png").to_object()
    large = part(png(2001, 10), "image/png").to_object()
    messages = [
        UIMessage.from_object({"id": "1", "role": "user", "parts": [large, small, large]}),
        UIMessage.from_object({"id": "2", "role": "user", "parts": [small] * 18}),
    ]
    request = build_request(ModelCall(messages), model="m", max_tokens=1)
    [only_message] = request["messages"]
    types = [block["type"] for block in only_message["content"]]
    assert types == ["text"] + ["image"] * 20
    messages = [UIMessage.from_object({"id": "1", "role": "user", "parts": [large] * 21})]
    with pytest.raises(ChatError, match="at most 2000 pixels"):
        build_request(ModelCall(messages), model="m", max_tokens=1)


def test_a_refused_file_does_not_make_the_chat_unusable() -> None:
    # The client keeps the refused message, and sends it again with the next one.
    heic = part(b"\x00\x00ftypheic", "image/heic", "cat.heic").to_object()
    hello: dict[str, Any] = {"type": "text", "text": "What is it?"}
    first = UIMessage.from_object({"id": "1", "role": "user", "parts": [heic, hello]})
    second = UIMessage.from_object({"id": "2", "role": "user", "parts": [hello]})
    with pytest.raises(ChatError):
        build_request(ModelCall([first]), model="m", max_tokens=1)

    request = build_request(ModelCall([first, second]), model="m", max_tokens=1)
    assert request_errors(request) == []
    [turn] = request["messages"]
    assert [block["text"] for block in turn["content"]] == [
        "(cat.heic could not be read.)",
        "What is it?",
        "What is it?",
    ]


@pytest.mark.parametrize(
    ("media_type", "sent"),
    [
        ("image/png", {"type": "image", "source": {"type": "file", "file_id": "file_1"}}),
        (
            "application/pdf",
            {
                "type": "document",
                "source": {"type": "file", "file_id": "file_1"},
                "title": "the.file",
            },
        ),
        (
            "text/csv",
            {
                "type": "document",
                "source": {"type": "file", "file_id": "file_1"},
                "title": "the.file",
            },
        ),
        ("application/zip", {"type": "container_upload", "file_id": "file_1"}),
    ],
)
def test_a_file_uploaded_to_the_provider(media_type: str, sent: dict[str, Any]) -> None:
    file = FilePart(
        media_type=media_type,
        filename="the.file",
        url="",
        provider_reference={"openai": "f", "anthropic": "file_1"},
    )
    assert file_block(file) == sent


def test_a_file_uploaded_to_another_provider_is_refused() -> None:
    file = FilePart(media_type="image/png", url="", provider_reference={"openai": "f"})
    with pytest.raises(ChatError, match="another provider"):
        file_block(file)


def test_an_image_that_is_too_large_is_refused() -> None:
    largest = PNG + bytes(5 * 1024 * 1024 * 3 // 4 - len(PNG))
    assert file_block(part(largest, "image/png"))["type"] == "image"
    with pytest.raises(ChatError, match=r"cat.png is too large.*3.75 MB") as refused:
        file_block(part(largest + b"\0", "image/png", "cat.png"))
    assert refused.value.status == 413
    # For text of that size only the limit of the request applies.
    assert file_block(part("data:text/plain," + "a" * 6_000_000, "text/plain"))


def test_options_of_a_document() -> None:
    file = part("data:text/plain,Hello", "text/plain", "notes.txt")
    options = {"title": "My notes", "context": "From last week.", "citations": {"enabled": True}}
    file.provider_metadata = {"anthropic": options}
    assert file_block(file) == {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "Hello"},
        **options,
    }


@pytest.mark.parametrize(
    "options", [{"title": None}, {"context": 5, "citations": "yes"}, {"citations": {}}]
)
def test_invalid_options_of_a_document_are_ignored(options: dict[str, Any]) -> None:
    file = part("data:text/plain,Hello", "text/plain")
    file.provider_metadata = {"anthropic": options}
    assert set(file_block(file)) == {"type", "source"}


def test_an_uploaded_file_may_be_for_code() -> None:
    file = FilePart(
        media_type="text/csv",
        url="",
        provider_reference={"anthropic": "file_1"},
        provider_metadata={"anthropic": {"containerUpload": True}},
    )
    assert file_block(file) == {"type": "container_upload", "file_id": "file_1"}
