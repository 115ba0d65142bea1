"""Every kind of message part, as the demo model streams it."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.chat_page import ChatPage
from tests.harness.serving import ServerProcess

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="module")
def server(fast_demo_server: ServerProcess) -> ServerProcess:
    return fast_demo_server


def test_code_is_highlighted_and_formulas_are_rendered(chat: ChatPage) -> None:
    chat.send_message("Show me code, maths and a table")
    chat.wait_for_response()

    expect(chat.last_text.locator("pre .hljs-keyword").first).to_have_text("from")
    expect(chat.last_text.locator(".katex-display")).to_have_count(1)
    expect(chat.last_text.locator(".katex")).to_have_count(3)
    expect(chat.last_text.locator(".katex-error")).to_have_count(0)

    chat.last_text.locator("figure").get_by_role("button", name="Copy").click()
    assert chat.read_clipboard().startswith(
        "from usechat_server import Agent, create_app\n\napp = "
    )
    toolbar = chat.assistant_messages.last.get_by_role("toolbar")
    toolbar.get_by_role("button", name="Copy").click()
    expect(toolbar.get_by_role("button", name="Copied")).to_be_visible()
    assert chat.read_clipboard().startswith("## From the model to the browser")


def test_a_tool_card_shows_streaming_input_and_preliminary_output(
    chat: ChatPage,
) -> None:
    chat.send_message("Roll five dice")
    card = chat.tool_cards("roll_dice")
    expect(card).to_contain_text("Running")
    expect(card).to_contain_text("So far")
    preliminary = card.locator("li", has_text="rolls").inner_text().removeprefix("rolls ")
    chat.wait_for_response()

    expect(card).to_contain_text("Done")
    expect(card).to_contain_text("count 5")
    rolls = card.locator("li", has_text="rolls").inner_text().removeprefix("rolls ")
    assert len(rolls.split(", ")) == 5
    assert rolls.startswith(preliminary)
    assert rolls != preliminary
    total = sum(map(int, rolls.split(", ")))
    expect(chat.last_text).to_have_text(f"You rolled {rolls}. The total is {total}.")


def test_tools_run_in_parallel_and_one_fails(chat: ChatPage) -> None:
    chat.send_message("Compare the weather in Lisbon, Oslo and Atlantis")
    cards = chat.tool_cards("weather")
    expect(cards).to_have_count(3)
    # The fastest call ends while the others are running.
    expect(cards.nth(2)).to_contain_text("Failed")
    expect(cards.nth(1)).to_contain_text("Running")
    chat.wait_for_response()

    expect(cards.nth(0)).to_contain_text("sky sunny")
    expect(cards.nth(2)).to_contain_text("There is no weather station in Atlantis.")
    expect(chat.last_text.get_by_role("row")).to_have_count(4)
    expect(chat.last_text.get_by_role("row").last).to_contain_text("no weather station")
    assert len(chat.request_bodies) == 1


def test_several_steps_are_one_message(chat: ChatPage) -> None:
    chat.send_message("Plan a day in Lisbon")
    expect(chat.page.get_by_role("progressbar")).to_be_visible()
    chat.wait_for_response()

    expect(chat.assistant_messages).to_have_count(1)
    expect(chat.assistant_messages.locator("> .markdown, > .tool-cards").nth(1)).to_contain_text(
        "It is sunny"
    )
    expect(chat.last_text.get_by_role("heading")).to_have_text("A day in Lisbon")
    expect(chat.page.get_by_role("progressbar")).to_have_count(0)
    expect(chat.assistant_messages.locator(".token-usage")).to_contain_text(
        re.compile(r"demo\d+ input tokens\d+ output tokens3")
    )


def test_sources_are_cited_in_the_text_and_listed_below_it(chat: ChatPage) -> None:
    chat.send_message("Look up the history of tea")
    chat.wait_for_response()

    sources = chat.page.get_by_role("navigation", name="Sources").get_by_role("link")
    expect(sources).to_have_count(3)
    expect(sources.first).to_have_attribute("href", "https://en.wikipedia.org/wiki/History_of_tea")
    # The three text parts with citations are rendered as one paragraph.
    paragraph = chat.last_text.locator("p").last
    expect(paragraph).to_contain_text(re.compile(r"medicine first\.1 It came .* stayed\.2 White"))
    citation = paragraph.get_by_role("link", name="Source 2: Tea in the United Kingdom")
    expect(citation).to_have_attribute("rel", "noopener noreferrer")


@pytest.mark.parametrize("decision", ["Approve", "Deny"])
def test_a_tool_call_can_be_approved_or_denied(chat: ChatPage, decision: str) -> None:
    chat.send_message("Send a postcard to Ada")
    card = chat.tool_cards("send_postcard")
    expect(card).to_contain_text("Needs your approval")
    chat.wait_for_response()
    expect(card).to_contain_text("Wish you were here")
    expect(chat.page.get_by_role("status").first).to_have_text("A tool needs your approval")

    if decision == "Deny":
        # Enter in the reason field submits no decision.
        card.get_by_role("textbox", name="Reason").fill("She moved")
        card.get_by_role("textbox", name="Reason").press("Enter")
    chat.button(decision).click()
    if decision == "Approve":
        expect(chat.last_text).to_contain_text("It is on its way")
        expect(card).to_contain_text("stamp a lighthouse")
    else:
        expect(chat.last_text).to_contain_text("I did not send it. You said: “She moved”.")
        expect(card).to_contain_text("Denied")
        expect(card).not_to_contain_text("stamp")
    chat.wait_for_response()
    expect(chat.assistant_messages).to_have_count(1)
    assert len(chat.request_bodies) == 2


def test_a_response_can_contain_an_image(chat: ChatPage) -> None:
    chat.send_message("Draw me a lighthouse")
    chat.wait_for_response()

    image = chat.assistant_messages.get_by_role("img")
    expect(image).to_be_visible()
    assert image.evaluate("image => image.naturalWidth") == 480


def test_files_can_be_selected_dropped_and_pasted(chat: ChatPage, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("first line\nsecond line\n")
    chat.page.locator("input[type=file]").set_input_files(notes)
    previews = chat.page.get_by_role("list", name="Attachments").get_by_role("listitem")
    expect(previews).to_have_text("notes.txttext/plain, 23 B")

    dispatch_file_event = """([type, target, name, bytes]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], name, { type: 'image/png' }));
        const init = { bubbles: true, cancelable: true };
        const event = type === 'paste'
            ? new ClipboardEvent(type, { ...init, clipboardData: data })
            : new DragEvent(type, { ...init, dataTransfer: data });
        document.querySelector(target).dispatchEvent(event);
    }"""
    chat.page.evaluate(dispatch_file_event, ["dragenter", "main", "dot.png", list(PNG)])
    expect(chat.page.get_by_text("Drop files to attach them")).to_be_visible()
    chat.page.evaluate(dispatch_file_event, ["drop", "main", "dropped.png", list(PNG)])
    chat.page.evaluate(dispatch_file_event, ["paste", "textarea", "pasted.png", list(PNG)])
    expect(previews).to_have_count(3)
    expect(chat.page.get_by_text("Drop files to attach them")).to_have_count(0)
    assert previews.nth(1).get_by_role("presentation").evaluate("image => image.naturalWidth") == 1
    chat.button("Remove dropped.png").click()
    expect(previews).to_have_count(2)

    # A message may consist of files only.
    chat.button("Send").click()
    expect(previews).to_have_count(0)
    expect(chat.last_text).to_contain_text("You sent 2 files:")
    expect(chat.last_text).to_contain_text(f"pasted.png: image/png, {len(PNG)} bytes")
    expect(chat.last_text.locator("pre")).to_have_text("first line\nsecond line\n")
    expect(chat.user_messages.locator("figure")).to_have_count(2)
    chat.wait_for_response()


def test_a_file_that_is_too_large_is_rejected(chat: ChatPage, tmp_path: Path) -> None:
    huge = tmp_path / "huge.bin"
    with huge.open("wb") as file:
        file.truncate(40_000_000)
    chat.page.locator("input[type=file]").set_input_files(huge)

    expect(chat.alert).to_have_text(
        "huge.bin is too large: attachments are limited to 25 MB per message."
    )
    expect(chat.send_button).to_be_disabled()


def test_a_user_message_can_be_edited_and_a_response_regenerated(chat: ChatPage) -> None:
    chat.send_message("Show me some Markdonw")
    chat.wait_for_response()
    chat.send_message("Thanks")
    chat.wait_for_response()

    chat.user_messages.first.hover()
    chat.user_messages.first.get_by_role("button", name="Edit").click()
    editor = chat.page.get_by_role("textbox", name="Edit message")
    expect(editor).to_be_focused()
    editor.press("Escape")
    expect(editor).to_have_count(0)
    # The arrow key opens the last message; the one to edit here is the first.
    chat.message_field.press("ArrowUp")
    expect(editor).to_have_value("Thanks")
    editor.press("Escape")

    chat.user_messages.first.get_by_role("button", name="Edit").click()
    editor.fill("Show me some Markdown")
    editor.press("Enter")
    expect(chat.user_messages).to_have_count(1)
    expect(chat.last_text.get_by_role("heading")).to_have_text("From the model to the browser")
    chat.wait_for_response()
    first_body, *_, edited_body = chat.request_bodies
    assert edited_body["messageId"] == first_body["messages"][0]["id"]
    assert edited_body["messageId"] == edited_body["messages"][-1]["id"]

    chat.button("Regenerate").click()
    expect(chat.assistant_messages).to_have_count(1)
    chat.wait_for_response()
    assert chat.request_bodies[-1]["trigger"] == "regenerate-message"
    expect(chat.last_text.get_by_role("heading")).to_have_text("From the model to the browser")
