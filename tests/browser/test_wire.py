"""The wire drawer: what arrived when."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Route, expect

from tests.browser.chat_page import ChatPage


def drawer(chat: ChatPage) -> Locator:
    chat.button("Stream inspector").click()
    return chat.page.get_by_role("region", name="Stream inspector")


def numbers(wire: Locator) -> dict[str, str]:
    names = wire.locator("dt").all_inner_texts()
    return dict(zip(names, wire.locator("dd").all_inner_texts(), strict=True))


def test_it_shows_an_answer_frame_by_frame(chat: ChatPage) -> None:
    wire = drawer(chat)
    expect(wire).to_contain_text("Send a message")
    chat.ask("Show me a table and some code")
    # Live: the frames are counted while they come.
    count = wire.get_by_role("status")
    expect(count).to_have_text(re.compile(r"^\d\d frames$"))
    chat.wait()
    expect(count).to_have_text(re.compile(r"^\d{3} frames$"))

    told = numbers(wire)
    assert re.fullmatch(r"\d+ ms|\d\.\d s", told["First byte"])
    # The demo model waits half a second, says something, and takes seconds for the rest.
    assert 500 <= milliseconds(told["First token"]) < milliseconds(told["Total"])
    assert milliseconds(told["Longest gap"]) < milliseconds(told["Total"]) / 2
    assert float(told["Frames per second"]) > 10
    # The server says when what came from the model, so that the rest is the way.
    hops = wire.get_by_role("group", name="Time to first token").get_by_role("listitem")
    expect(hops).to_have_text(
        [re.compile(r"^Server \d"), re.compile(r"^Provider \d"), re.compile(r"^Network .* \d")]
    )
    assert milliseconds(hops.nth(1).inner_text().removeprefix("Provider ")) >= 500
    # Thoughts and text stand in lanes of their own, a dot for each frame.
    dots = [wire.locator(f"path[data-kind={kind}]").get_attribute("d") for kind in ("text", "tool")]
    assert (dots[0] or "").count("M") > 50
    assert (dots[1] or "").count("M") == 0
    expect(wire.get_by_role("alert")).to_have_count(0)


def test_chunks_are_found_looked_at_and_copied(chat: ChatPage) -> None:
    chat.ask("What time is it here?")
    chat.wait()
    wire = drawer(chat)

    # The newest request is the continuation; the first one is there, too.
    request = wire.get_by_role("combobox", name="Request")
    expect(request.locator("option")).to_have_count(2)
    request.select_option(index=1)
    search = wire.get_by_role("searchbox", name="Search chunks")
    search.fill("TOOL-INPUT-AVAILABLE")
    expect(wire.get_by_role("status")).to_have_text(re.compile(r"^1 of \d+$"))
    wire.get_by_role("region", name="Frames").get_by_role("button").click()
    frame = wire.locator(".frame-details")
    expect(frame).to_contain_text('"toolName": "browser_time"')
    frame.get_by_role("button", name="Copy").click()
    assert chat.clipboard().startswith('data: {"type":"tool-input-available"')

    wire.get_by_role("button", name="Copy as SSE").click()
    expect(wire.locator(".inspector-toolbar")).to_contain_text("Copied")
    stream = chat.clipboard()
    assert stream.startswith('data: {"type":"start"')
    assert stream.endswith("data: [DONE]\n\n")
    assert '"type":"tool-input-start"' in stream


def test_it_tells_when_something_on_the_way_holds_answers_back(chat: ChatPage) -> None:
    wire = drawer(chat)

    def hold_back(route: Route) -> None:
        # Like a proxy that buffers: the answer is handed on when it is whole.
        route.fulfill(response=route.fetch())

    chat.page.route("**/api/chat", hold_back, times=1)
    chat.ask("Show me a table and some code")
    expect(wire.get_by_role("alert")).to_contain_text("Most of this response arrived at once")
    chat.wait()
    chat.ask("Hello")
    chat.wait()
    expect(wire.get_by_role("alert")).to_have_count(0)


def milliseconds(told: str) -> float:
    amount, unit = told.split(" ")
    return float(amount) * (1000 if unit == "s" else 1)
