"""Chatting: streaming, client tools, stopping, errors, and the keyboard."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from itertools import pairwise

from playwright.sync_api import Browser, expect

from tests.browser.chat_page import ChatPage
from tests.harness.serving import ServerProcess, serve


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition outside of the browser is true."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true"
        time.sleep(0.02)


def test_a_response_is_rendered_while_it_streams(chat: ChatPage) -> None:
    chat.start_recording_renders()
    chat.send_message("Show me a table and some code")
    chat.wait_for_response()

    assert chat.showed_reasoning()
    reasoning = chat.page.get_by_role("button", name="Thought for")
    expect(reasoning).to_have_attribute("aria-expanded", "false")
    expect(chat.page.get_by_text("They want to see Markdown")).to_be_hidden()
    reasoning.click()
    expect(chat.page.get_by_text("They want to see Markdown")).to_be_visible()
    expect(chat.page.get_by_role("log")).to_have_attribute("aria-busy", "false")

    expect(
        chat.last_text.get_by_role("heading", name="From the model to the browser")
    ).to_be_visible()
    expect(chat.last_text.locator("ol > li")).to_have_count(3)
    expect(chat.last_text.locator("pre")).to_have_count(1)
    expect(chat.last_text.locator("pre")).to_contain_text(
        re.compile(r"import Agent.*\n\napp = create")
    )
    expect(chat.last_text.get_by_role("row")).to_have_count(5)
    expect(chat.last_text.get_by_role("link")).to_have_attribute("rel", "noopener noreferrer")

    renders = chat.renders()
    (first_time, first_length), *_, (last_time, full_length) = renders
    increments = [after - before for (_, before), (_, after) in pairwise(renders)]
    assert len(renders) >= 10
    assert first_length < full_length / 2
    assert max(increments) < full_length / 2
    assert last_time - first_time > 1000


def test_a_client_tool_runs_and_the_response_continues(chat: ChatPage) -> None:
    chat.send_message("What time is it here?")
    expect(chat.last_text).to_contain_text("Asia/Tokyo")
    chat.wait_for_response()

    card = chat.tool_cards("browser_time")
    expect(card).to_contain_text("Time in the browser")
    expect(card).to_contain_text("Done")
    expect(card).to_contain_text("clock 24-hour")
    expect(card).to_contain_text("zone Asia/Tokyo")
    expect(chat.assistant_messages).to_have_count(1)
    assert chat.chat_requests[0].headers["x-usechat-client"] == "ai/7.0.173"
    continuation = chat.request_bodies[1]
    assert continuation["messageId"] == continuation["messages"][-1]["id"]

    # If the continuation had caused another request, it would come before this one.
    chat.send_message("Thank you")
    chat.wait_for_response()
    roles = [body["messages"][-1]["role"] for body in chat.request_bodies]
    assert roles == ["user", "assistant", "user"]


def test_stop_keeps_the_partial_response_and_ends_the_run(
    chat: ChatPage, server: ServerProcess
) -> None:
    chat.send_message("Write a long answer")
    expect(chat.last_text).to_contain_text("Eight cities")
    before = server.output.count(" aborted after ")
    chat.stop_button.click()
    stopped_at = time.monotonic()

    expect(chat.page.get_by_text("Stopped", exact=True)).to_be_visible()
    expect(chat.message_field).to_be_focused()
    partial_text = chat.last_text.inner_text()
    wait_until(lambda: server.output.count(" aborted after ") == before + 1)
    assert time.monotonic() - stopped_at < 5
    assert "Eight cities" in partial_text
    assert "That is the whole list" not in partial_text

    # The partial response is part of the history, and the chat can be continued.
    chat.send_message("And who are you?")
    expect(chat.last_text).to_contain_text("And who are you?")
    chat.wait_for_response()
    expect(chat.assistant_messages).to_have_count(2)
    expect(chat.assistant_messages.first.locator(".markdown")).to_have_text(
        partial_text, use_inner_text=True
    )


def test_escape_stops_the_response(chat: ChatPage) -> None:
    chat.send_message("Write a long answer")
    expect(chat.last_text).to_contain_text("Eight cities")
    chat.message_field.press("Escape")

    expect(chat.page.get_by_text("Stopped", exact=True)).to_be_visible()
    expect(chat.send_button).to_be_visible()


def test_an_error_is_shown_and_can_be_retried(chat: ChatPage) -> None:
    chat.send_message("Show me an error")
    expect(chat.alert).to_contain_text("The model is overloaded")
    expect(chat.alert).to_contain_text("reference")
    expect(chat.last_text).to_contain_text("Here is the beginning")

    chat.button("Retry").click()
    expect(chat.last_text).to_contain_text("This time it worked")
    chat.wait_for_response()
    expect(chat.alert).to_have_count(0)
    expect(chat.assistant_messages).to_have_count(1)
    triggers = [body["trigger"] for body in chat.request_bodies]
    assert triggers == ["submit-message", "regenerate-message"]


def test_an_error_response_is_shown_with_the_servers_text(chat: ChatPage) -> None:
    error_text = "The server is restarting. Please try again in a moment."
    chat.page.route(
        "**/api/chat", lambda route: route.fulfill(status=503, body=error_text), times=1
    )
    chat.message_field.fill("Hello")
    chat.message_field.press("Enter")
    expect(chat.alert).to_contain_text(error_text)
    # Chromium logs the status of the failed request.
    assert chat.console_errors == [
        "Failed to load resource: the server responded with a status of 503 (Service Unavailable)"
    ]
    chat.console_errors.clear()

    chat.button("Retry").click()
    expect(chat.last_text).to_contain_text("Hello")


def test_enter_suggested_prompts_and_a_new_chat(chat: ChatPage) -> None:
    expect(chat.message_field).to_be_focused()
    expect(chat.send_button).to_be_disabled()
    chat.message_field.press_sequentially("first line")
    chat.message_field.press("Shift+Enter")
    chat.message_field.press_sequentially("second line")
    expect(chat.user_messages).to_have_count(0)
    chat.message_field.press("Enter")
    expect(chat.user_messages).to_have_text(re.compile("first line\\nsecond line$"))
    expect(chat.message_field).to_have_value("")
    expect(chat.message_field).to_be_focused()
    chat.wait_for_response()

    chat.start_new_chat()
    chat.page.get_by_role("main").get_by_role("button", name="Write a long answer").click()
    expect(chat.last_text).to_contain_text("Lisbon")
    assert chat.request_bodies[0]["id"] != chat.request_bodies[1]["id"]


def test_the_demo_page_works_when_mounted_under_a_path(browser: Browser) -> None:
    with (
        serve("tests.browser.mounted_app:app", env={"ANTHROPIC_API_KEY": ""}) as server,
        ChatPage.open(browser, f"{server.url}/tools/chat") as chat,
    ):
        chat.send_message("Hello")
        expect(chat.last_text).to_contain_text("Hello")
        assert len(chat.request_bodies) == 1
        assert chat.console_errors == []
