"""The list of chats, and what is kept of them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import served
from tests.harness.serving import Served


@pytest.fixture(scope="module")
def server(quick: Served) -> Served:
    return quick


def test_a_chat_gets_a_title_and_an_address_and_is_there_again(
    chat: ChatPage, server: Served
) -> None:
    assert chat.page.url == f"{server.url}/"
    chat.ask("Draw a lighthouse for the list")
    expect(chat.chats.first).to_have_text("Draw a lighthouse for the list")
    expect(chat.page).to_have_title("Draw a lighthouse for the list · usechat-server")
    chat.wait()
    address = chat.page.url
    assert f"?chat={chat.asked[0]['id']}" in address

    chat.new()
    assert chat.page.url == f"{server.url}/"
    chat.ask("Hello list")
    chat.wait()
    expect(chat.chats.first).to_have_text("Hello list")

    chat.chats.nth(1).click()
    assert chat.page.url == address
    expect(chat.answers.get_by_role("img")).to_be_visible()
    chat.page.reload()
    expect(chat.questions).to_contain_text(["Draw a lighthouse for the list"])
    expect(chat.answers.get_by_role("img")).to_be_visible()
    expect(chat.answers.locator(".token-usage")).to_contain_text("input tokens")
    chat.page.go_back()
    expect(chat.questions).to_contain_text(["Hello list"])

    # The chat goes on where it was.
    chat.page.go_forward()
    expect(chat.answers.get_by_role("img")).to_be_visible()
    chat.ask("And who are you?")
    chat.wait()
    expect(chat.answers).to_have_count(2)


def test_a_chat_is_renamed_and_deleted_when_asked_twice(chat: ChatPage) -> None:
    chat.ask("A title that is wrong")
    chat.wait()
    entry = chat.page.locator(".chat-item", has_text="A title that is wrong")
    entry.hover()
    entry.get_by_role("button", name="Rename").click()
    title = chat.page.get_by_role("textbox", name="Title")
    expect(title).to_be_focused()
    title.fill("A better title")
    title.press("Enter")
    expect(chat.chats.first).to_have_text("A better title")
    expect(chat.page.get_by_role("heading", level=1)).to_have_text("A better title")
    chat.page.reload()
    expect(chat.chats.first).to_have_text("A better title")

    entry = chat.page.locator(".chat-item", has_text="A better title")
    entry.hover()
    entry.get_by_role("button", name="Delete").click()
    chat.button("Cancel").click()
    entry.hover()
    entry.get_by_role("button", name="Delete").click()
    chat.button("Delete").click()
    expect(entry).to_have_count(0)
    expect(chat.questions).to_have_count(0)

    chat.page.go_back()
    expect(chat.alert).to_contain_text("Chat not found")
    chat.alert.get_by_role("button", name="New chat").click()
    expect(chat.page.get_by_role("heading", name="Chat with a Python backend")).to_be_visible()
    # Chromium's own line about the status.
    assert all("status of 404" in complaint for complaint in chat.complaints)
    chat.complaints.clear()


def test_shortcuts_open_what_they_say(chat: ChatPage) -> None:
    press = chat.page.keyboard.press
    press("Control+/")
    dialog = chat.page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    press("Escape")
    expect(dialog).to_have_count(0)

    expect(chat.page.get_by_role("navigation", name="Chats")).to_be_visible()
    press("Control+b")
    expect(chat.page.get_by_role("navigation", name="Chats")).to_be_hidden()
    press("Control+b")
    press("Control+.")
    expect(chat.page.get_by_role("region", name="Stream inspector")).to_be_visible()
    chat.ask("Hello keys")
    chat.wait()
    press("Control+Shift+o")
    expect(chat.questions).to_have_count(0)
    expect(chat.field).to_be_focused()


def test_on_a_phone_the_list_covers_the_chat_and_goes_away(
    browser: Browser, server: Served
) -> None:
    with ChatPage.open(browser, server.url, viewport={"width": 390, "height": 844}) as chat:
        chat.ask("Hello phone")
        chat.wait()
        listed = chat.page.get_by_role("navigation", name="Chats")
        expect(listed).to_be_hidden()
        chat.button("Chats").click()
        expect(listed).to_be_visible()
        chat.page.keyboard.press("Escape")
        expect(listed).to_be_hidden()
        chat.button("Chats").click()
        listed.get_by_role("button", name="New chat").click()
        expect(listed).to_be_hidden()
        expect(chat.questions).to_have_count(0)
        chat.healthy()


def test_the_theme_follows_the_system_until_it_is_chosen(chat: ChatPage) -> None:
    def paper() -> str:
        return str(chat.page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))

    chat.page.emulate_media(color_scheme="dark")
    dark = paper()
    chat.page.emulate_media(color_scheme="light")
    light = paper()
    assert dark != light
    chat.button("Theme: system").click()
    chat.button("Theme: light").click()
    assert paper() == dark
    chat.page.reload()
    expect(chat.button("Theme: dark")).to_be_visible()
    assert paper() == dark


def test_without_a_store_there_is_a_chat_and_no_list(browser: Browser) -> None:
    with served("tests.browser.quick:agent") as bare, ChatPage.open(browser, bare.url) as chat:
        expect(chat.page.get_by_role("heading", level=1)).to_have_text("usechat-server")
        expect(chat.button("Chats")).to_have_count(0)
        chat.ask("What time is it here?")
        expect(chat.text).to_contain_text("UTC")
        chat.wait()
        chat.ask("Write a long answer")
        expect(chat.text).to_contain_text("Eight cities")
        chat.stop.click()
        expect(chat.page.get_by_text("Stopped", exact=True)).to_be_visible()

        chat.page.reload()
        expect(chat.page.get_by_role("heading", name="Chat with a Python backend")).to_be_visible()
        chat.ask("Hello again")
        expect(chat.text).to_have_text(re.compile("Hello again"))
        chat.healthy()
