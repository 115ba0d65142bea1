"""The stream inspector: frames, metrics, search, and the warning about buffering proxies."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Route, expect

from tests.browser.chat_page import ChatPage


def open_inspector(chat: ChatPage) -> Locator:
    chat.button("Stream inspector").click()
    return chat.page.get_by_role("region", name="Stream inspector")


def read_metrics(inspector: Locator) -> dict[str, str]:
    names = inspector.locator("dt").all_inner_texts()
    return dict(zip(names, inspector.locator("dd").all_inner_texts(), strict=True))


def count_dots(inspector: Locator, kind: str) -> int:
    path = inspector.locator(f"path[data-kind={kind}]").get_attribute("d")
    return (path or "").count("M")


def milliseconds(duration: str) -> float:
    amount, unit = duration.split(" ")
    return float(amount) * (1000 if unit == "s" else 1)


def test_frames_and_metrics_of_a_response(chat: ChatPage) -> None:
    inspector = open_inspector(chat)
    expect(inspector).to_contain_text("Send a message")
    chat.send_message("Show me a table and some code")
    # The count increases while frames arrive.
    count = inspector.get_by_role("status")
    expect(count).to_have_text(re.compile(r"^\d\d frames$"))
    chat.wait_for_response()
    expect(count).to_have_text(re.compile(r"^\d{3} frames$"))

    metrics = read_metrics(inspector)
    assert re.fullmatch(r"\d+ ms|\d\.\d s", metrics["First byte"])
    # The demo model waits half a second before its first token and takes seconds for the rest.
    assert 500 <= milliseconds(metrics["First token"]) < milliseconds(metrics["Total"])
    assert milliseconds(metrics["Longest gap"]) < milliseconds(metrics["Total"]) / 2
    assert float(metrics["Frames per second"]) > 10
    # The server reports when the model responded; the remainder is the network.
    segments = inspector.get_by_role("group", name="Time to first token").get_by_role("listitem")
    names = ("Server", "Provider", "Network and proxies", "Browser")
    expect(segments).to_have_text([re.compile(rf"^{name} \d") for name in names])
    assert milliseconds(segments.nth(1).inner_text().removeprefix("Provider ")) >= 500
    # Each kind of frame has its own lane, with a dot for each frame.
    assert count_dots(inspector, "text") > 50
    assert count_dots(inspector, "tool") == 0
    expect(inspector.get_by_role("alert")).to_have_count(0)


def test_chunks_can_be_searched_viewed_and_copied(chat: ChatPage) -> None:
    chat.send_message("What time is it here?")
    chat.wait_for_response()
    inspector = open_inspector(chat)

    # The newest request is the continuation; select the first.
    request = inspector.get_by_role("combobox", name="Request")
    expect(request.locator("option")).to_have_count(2)
    request.select_option(index=1)
    search = inspector.get_by_role("searchbox", name="Search chunks")
    search.fill("TOOL-INPUT-AVAILABLE")
    expect(inspector.get_by_role("status")).to_have_text(re.compile(r"^1 of \d+$"))
    inspector.get_by_role("region", name="Frames").get_by_role("button").click()
    frame = inspector.locator(".frame-details")
    expect(frame).to_contain_text('"toolName": "browser_time"')
    frame.get_by_role("button", name="Copy").click()
    assert chat.read_clipboard().startswith('data: {"type":"tool-input-available"')

    inspector.get_by_role("button", name="Copy as SSE").click()
    expect(inspector.locator(".inspector-toolbar")).to_contain_text("Copied")
    stream = chat.read_clipboard()
    assert stream.startswith('data: {"type":"start"')
    assert stream.endswith("data: [DONE]\n\n")
    assert '"type":"tool-input-start"' in stream


def test_a_buffering_proxy_is_reported(chat: ChatPage) -> None:
    inspector = open_inspector(chat)

    def buffer_response(route: Route) -> None:
        # Like a buffering proxy, forward the response only when it is complete.
        route.fulfill(response=route.fetch())

    chat.page.route("**/api/chat", buffer_response, times=1)
    chat.send_message("Show me a table and some code")
    expect(inspector.get_by_role("alert")).to_contain_text("Most of this response arrived at once")
    chat.wait_for_response()
    chat.send_message("Hello")
    chat.wait_for_response()
    expect(inspector.get_by_role("alert")).to_have_count(0)
