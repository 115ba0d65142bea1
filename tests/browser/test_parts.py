"""Every kind of thing that an answer can hold, as the demo model has it."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.chat_page import ChatPage
from tests.harness.serving import Served

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="module")
def server(quick: Served) -> Served:
    return quick


def test_code_has_colours_and_formulas_are_drawn(chat: ChatPage) -> None:
    chat.ask("Show me code, maths and a table")
    chat.wait()

    expect(chat.text.locator("pre .hljs-keyword").first).to_have_text("from")
    expect(chat.text.locator(".katex-display")).to_have_count(1)
    expect(chat.text.locator(".katex")).to_have_count(3)
    expect(chat.text.locator(".katex-error")).to_have_count(0)

    chat.text.locator("figure").get_by_role("button", name="Copy").click()
    assert chat.clipboard().startswith("from usechat_server import Agent, create_app\n\napp = ")
    bar = chat.answers.last.get_by_role("toolbar")
    bar.get_by_role("button", name="Copy").click()
    expect(bar.get_by_role("button", name="Copied")).to_be_visible()
    assert chat.clipboard().startswith("## From a model to the page")


def test_a_tool_shows_its_input_as_it_is_written_and_its_output_as_it_grows(
    chat: ChatPage,
) -> None:
    chat.ask("Roll five dice")
    card = chat.card("roll_dice")
    expect(card).to_contain_text("Running")
    expect(card).to_contain_text("So far")
    seen = card.locator("li", has_text="rolls").inner_text()
    chat.wait()

    expect(card).to_contain_text("Done")
    expect(card).to_contain_text("count 5")
    rolls = card.locator("li", has_text="rolls").inner_text().removeprefix("rolls ")
    assert len(rolls.split(", ")) == 5
    assert rolls.startswith(seen.removeprefix("rolls "))
    assert rolls != seen.removeprefix("rolls ")
    total = sum(map(int, rolls.split(", ")))
    expect(chat.text).to_have_text(f"They fell like this: {rolls}. Together that is {total}.")


def test_tools_run_side_by_side_and_one_may_fail(chat: ChatPage) -> None:
    chat.ask("Compare the weather in Lisbon, Oslo and Atlantis")
    cards = chat.card("weather")
    expect(cards).to_have_count(3)
    # The shortest ends while the others still run.
    expect(cards.nth(2)).to_contain_text("Failed")
    expect(cards.nth(1)).to_contain_text("Running")
    chat.wait()

    expect(cards.nth(0)).to_contain_text("sky sunny")
    expect(cards.nth(2)).to_contain_text("There is no weather station in Atlantis.")
    expect(chat.text.get_by_role("row")).to_have_count(4)
    expect(chat.text.get_by_role("row").last).to_contain_text("no weather station")
    assert len(chat.asked) == 1


def test_several_steps_are_one_answer(chat: ChatPage) -> None:
    chat.ask("Plan a day in Lisbon")
    expect(chat.page.get_by_role("progressbar")).to_be_visible()
    chat.wait()

    expect(chat.answers).to_have_count(1)
    expect(chat.answers.locator("> .markdown, > .tool-cards").nth(1)).to_contain_text("It is sunny")
    expect(chat.text.get_by_role("heading")).to_have_text("A day in Lisbon")
    expect(chat.page.get_by_role("progressbar")).to_have_count(0)
    expect(chat.answers.locator(".token-usage")).to_contain_text(
        re.compile(r"demo\d+ input tokens\d+ output tokens3")
    )


def test_sources_stand_where_they_are_used_and_at_the_end(chat: ChatPage) -> None:
    chat.ask("Look up the history of tea")
    chat.wait()

    sources = chat.page.get_by_role("navigation", name="Sources").get_by_role("link")
    expect(sources).to_have_count(3)
    expect(sources.first).to_have_attribute("href", "https://en.wikipedia.org/wiki/History_of_tea")
    # The three cited sentences are one paragraph.
    paragraph = chat.text.locator("p").last
    expect(paragraph).to_contain_text(re.compile(r"medicine first\.1 It came .* stayed\.2 White"))
    mark = paragraph.get_by_role("link", name="Source 2: Tea in the United Kingdom")
    expect(mark).to_have_attribute("rel", "noopener noreferrer")


@pytest.mark.parametrize("verdict", ["Approve", "Deny"])
def test_a_person_allows_a_call_or_not(chat: ChatPage, verdict: str) -> None:
    chat.ask("Send a postcard to Ada")
    card = chat.card("send_postcard")
    expect(card).to_contain_text("Needs your approval")
    chat.wait()
    expect(card).to_contain_text("Wish you were here")
    expect(chat.page.get_by_role("status").first).to_have_text("A tool needs your approval")

    if verdict == "Deny":
        # Enter in the reason decides nothing.
        card.get_by_role("textbox", name="Reason").fill("She moved")
        card.get_by_role("textbox", name="Reason").press("Enter")
    chat.button(verdict).click()
    if verdict == "Approve":
        expect(chat.text).to_contain_text("It is on its way")
        expect(card).to_contain_text("stamp a lighthouse")
    else:
        expect(chat.text).to_contain_text("I did not send it. You said: “She moved”.")
        expect(card).to_contain_text("Denied")
        expect(card).not_to_contain_text("stamp")
    chat.wait()
    expect(chat.answers).to_have_count(1)
    assert len(chat.asked) == 2


def test_an_answer_can_hold_a_picture(chat: ChatPage) -> None:
    chat.ask("Draw me a lighthouse")
    chat.wait()

    picture = chat.answers.get_by_role("img")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") == 480


def test_files_are_picked_dropped_and_pasted(chat: ChatPage, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("first line\nsecond line\n")
    chat.page.locator("input[type=file]").set_input_files(notes)
    previews = chat.page.get_by_role("list", name="Attachments").get_by_role("listitem")
    expect(previews).to_have_text("notes.txttext/plain, 23 B")

    give = """([event, target, name, bytes]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], name, { type: 'image/png' }));
        const init = { bubbles: true, cancelable: true };
        const made = event === 'paste'
            ? new ClipboardEvent(event, { ...init, clipboardData: data })
            : new DragEvent(event, { ...init, dataTransfer: data });
        document.querySelector(target).dispatchEvent(made);
    }"""
    chat.page.evaluate(give, ["dragenter", "main", "dot.png", list(PNG)])
    expect(chat.page.get_by_text("Drop files to attach them")).to_be_visible()
    chat.page.evaluate(give, ["drop", "main", "dropped.png", list(PNG)])
    chat.page.evaluate(give, ["paste", "textarea", "pasted.png", list(PNG)])
    expect(previews).to_have_count(3)
    expect(chat.page.get_by_text("Drop files to attach them")).to_have_count(0)
    assert previews.nth(1).get_by_role("presentation").evaluate("image => image.naturalWidth") == 1
    chat.button("Remove dropped.png").click()
    expect(previews).to_have_count(2)

    # A message may be nothing but files.
    chat.button("Send").click()
    expect(previews).to_have_count(0)
    expect(chat.text).to_contain_text("You sent 2 files:")
    expect(chat.text).to_contain_text(f"pasted.png: image/png, {len(PNG)} bytes")
    expect(chat.text.locator("pre")).to_have_text("first line\nsecond line\n")
    expect(chat.questions.locator("figure")).to_have_count(2)
    chat.wait()


def test_files_that_no_request_can_carry_are_refused_before_they_are_read(
    chat: ChatPage, tmp_path: Path
) -> None:
    huge = tmp_path / "huge.bin"
    with huge.open("wb") as file:
        file.truncate(40_000_000)
    chat.page.locator("input[type=file]").set_input_files(huge)

    expect(chat.alert).to_have_text(
        "huge.bin is too large: attachments are limited to 25 MB per message."
    )
    expect(chat.send).to_be_disabled()


def test_a_question_can_be_changed_and_answered_again(chat: ChatPage) -> None:
    chat.ask("Show me some Markdonw")
    chat.wait()
    chat.ask("Thanks")
    chat.wait()

    chat.questions.first.hover()
    chat.questions.first.get_by_role("button", name="Edit").click()
    editor = chat.page.get_by_role("textbox", name="Edit message")
    expect(editor).to_be_focused()
    editor.press("Escape")
    expect(editor).to_have_count(0)
    # The arrow edits the newest question; here it is the first one that was wrong.
    chat.field.press("ArrowUp")
    expect(editor).to_have_value("Thanks")
    editor.press("Escape")

    chat.questions.first.get_by_role("button", name="Edit").click()
    editor.fill("Show me some Markdown")
    editor.press("Enter")
    expect(chat.questions).to_have_count(1)
    expect(chat.text.get_by_role("heading")).to_have_text("From a model to the page")
    chat.wait()
    first, *_, edited = chat.asked
    assert edited["messageId"] == edited["messages"][-1]["id"] == first["messages"][0]["id"]

    chat.button("Regenerate").click()
    expect(chat.answers).to_have_count(1)
    chat.wait()
    assert chat.asked[-1]["trigger"] == "regenerate-message"
    expect(chat.text.get_by_role("heading")).to_have_text("From a model to the page")
