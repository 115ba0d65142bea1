"""What a person does on the page, and sees."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from itertools import pairwise

from playwright.sync_api import Browser, expect

from tests.browser.chat_page import ChatPage
from tests.harness.serving import Served, serve


def eventually(condition: Callable[[], bool]) -> None:
    """Waits until something that no page shows is true."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_an_answer_is_painted_piece_by_piece(chat: ChatPage) -> None:
    chat.watch()
    chat.ask("Show me a table and some code")
    chat.wait()

    assert chat.showed_thinking()
    thought = chat.page.get_by_role("button", name="Thought for")
    expect(thought).to_have_attribute("aria-expanded", "false")
    expect(chat.page.get_by_text("They want to see Markdown")).to_be_hidden()
    thought.click()
    expect(chat.page.get_by_text("They want to see Markdown")).to_be_visible()
    expect(chat.page.get_by_role("log")).to_have_attribute("aria-busy", "false")

    expect(chat.text.get_by_role("heading", name="From a model to the page")).to_be_visible()
    expect(chat.text.locator("ol > li")).to_have_count(3)
    expect(chat.text.locator("pre")).to_have_count(1)
    expect(chat.text.locator("pre")).to_contain_text(re.compile(r"import Agent.*\n\napp = create"))
    expect(chat.text.get_by_role("row")).to_have_count(5)
    expect(chat.text.get_by_role("link")).to_have_attribute("rel", "noopener noreferrer")

    paints = chat.paints()
    whole = paints[-1][1]
    steps = [after - before for (_, before), (_, after) in pairwise(paints)]
    assert len(paints) >= 10
    assert paints[0][1] < whole / 2
    assert max(steps) < whole / 2
    assert paints[-1][0] - paints[0][0] > 1000


def test_the_page_answers_a_tool_and_the_message_goes_on(chat: ChatPage) -> None:
    chat.ask("What time is it here?")
    expect(chat.text).to_contain_text("Asia/Tokyo")
    chat.wait()

    card = chat.card("browser_time")
    expect(card).to_contain_text("Time in the browser")
    expect(card).to_contain_text("Done")
    expect(card).to_contain_text("clock 24-hour")
    expect(card).to_contain_text("zone Asia/Tokyo")
    expect(chat.answers).to_have_count(1)
    assert chat.requests[0].headers["x-usechat-floor"] == "7.0.173"
    continued = chat.asked[1]
    assert continued["messageId"] == continued["messages"][-1]["id"]

    # A continuation that asks for another one would have done so before this question.
    chat.ask("Thank you")
    chat.wait()
    assert [body["messages"][-1]["role"] for body in chat.asked] == ["user", "assistant", "user"]


def test_stop_keeps_what_was_said_and_ends_the_run(chat: ChatPage, server: Served) -> None:
    chat.ask("Write a long answer")
    expect(chat.text).to_contain_text("Eight cities")
    before = server.output.count(" aborted after ")
    chat.stop.click()
    stopped = time.monotonic()

    expect(chat.page.get_by_text("Stopped", exact=True)).to_be_visible()
    expect(chat.field).to_be_focused()
    kept = chat.text.inner_text()
    eventually(lambda: server.output.count(" aborted after ") == before + 1)
    assert time.monotonic() - stopped < 5
    assert "Eight cities" in kept
    assert "That is the whole list" not in kept

    # The half answer is part of the history, and does not stand in the way.
    chat.ask("And who are you?")
    expect(chat.text).to_contain_text("And who are you?")
    chat.wait()
    expect(chat.answers).to_have_count(2)
    expect(chat.answers.first.locator(".markdown")).to_have_text(kept, use_inner_text=True)


def test_escape_stops_too(chat: ChatPage) -> None:
    chat.ask("Write a long answer")
    expect(chat.text).to_contain_text("Eight cities")
    chat.field.press("Escape")

    expect(chat.page.get_by_text("Stopped", exact=True)).to_be_visible()
    expect(chat.send).to_be_visible()


def test_an_error_is_readable_and_retry_asks_again(chat: ChatPage) -> None:
    chat.ask("Show me an error")
    expect(chat.alert).to_contain_text("The model is overloaded")
    expect(chat.alert).to_contain_text("reference")
    expect(chat.text).to_contain_text("Here is the beginning")

    chat.button("Retry").click()
    expect(chat.text).to_contain_text("This time it worked")
    chat.wait()
    expect(chat.alert).to_have_count(0)
    expect(chat.answers).to_have_count(1)
    triggers = [body["trigger"] for body in chat.asked]
    assert triggers == ["submit-message", "regenerate-message"]


def test_a_refusal_is_shown_as_the_server_wrote_it(chat: ChatPage) -> None:
    refusal = "The server is restarting. Please try again in a moment."
    chat.page.route("**/api/chat", lambda route: route.fulfill(status=503, body=refusal), times=1)
    chat.field.fill("Hello")
    chat.field.press("Enter")
    expect(chat.alert).to_contain_text(refusal)
    # Chromium's own line about the status.
    assert chat.complaints == [
        "Failed to load resource: the server responded with a status of 503 (Service Unavailable)"
    ]
    chat.complaints.clear()

    chat.button("Retry").click()
    expect(chat.text).to_contain_text("Hello")


def test_keys_suggestions_and_a_new_chat(chat: ChatPage) -> None:
    expect(chat.field).to_be_focused()
    expect(chat.send).to_be_disabled()
    chat.field.press_sequentially("first line")
    chat.field.press("Shift+Enter")
    chat.field.press_sequentially("second line")
    expect(chat.questions).to_have_count(0)
    chat.field.press("Enter")
    expect(chat.questions).to_have_text(re.compile("first line\\nsecond line$"))
    expect(chat.field).to_have_value("")
    expect(chat.field).to_be_focused()
    chat.wait()

    chat.new()
    chat.page.get_by_role("main").get_by_role("button", name="Write a long answer").click()
    expect(chat.text).to_contain_text("Lisbon")
    assert chat.asked[0]["id"] != chat.asked[1]["id"]


def test_the_page_works_under_a_path_of_another_app(browser: Browser) -> None:
    with (
        serve("tests.browser.mounted:app", env={"ANTHROPIC_API_KEY": ""}) as server,
        ChatPage.open(browser, f"{server.url}/tools/chat") as chat,
    ):
        chat.ask("Hello")
        expect(chat.text).to_contain_text("Hello")
        assert len(chat.asked) == 1
        assert chat.complaints == []
