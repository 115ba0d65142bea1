"""The chat list: opening, renaming and deleting stored chats; shortcuts; the theme."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chat_page import ChatPage
from tests.browser.demo_server import serve_demo
from tests.harness.serving import ServerProcess


@pytest.fixture(scope="module")
def server(fast_demo_server: ServerProcess) -> ServerProcess:
    return fast_demo_server


def test_a_chat_gets_a_title_and_a_url_and_can_be_reopened(
    chat: ChatPage, server: ServerProcess
) -> None:
    assert chat.page.url == f"{server.url}/"
    chat.send_message("Draw a lighthouse for the list")
    expect(chat.chat_titles.first).to_have_text("Draw a lighthouse for the list")
    expect(chat.page).to_have_title("Draw a lighthouse for the list · usechat-server")
    chat.wait_for_response()
    url = chat.page.url
    assert f"?chat={chat.request_bodies[0]['id']}" in url

    chat.start_new_chat()
    assert chat.page.url == f"{server.url}/"
    chat.send_message("Hello list")
    chat.wait_for_response()
    expect(chat.chat_titles.first).to_have_text("Hello list")

    chat.chat_titles.nth(1).click()
    assert chat.page.url == url
    expect(chat.assistant_messages.get_by_role("img")).to_be_visible()
    chat.page.reload()
    expect(chat.user_messages).to_contain_text(["Draw a lighthouse for the list"])
    expect(chat.assistant_messages.get_by_role("img")).to_be_visible()
    expect(chat.assistant_messages.locator(".token-usage")).to_contain_text("input tokens")
    chat.page.go_back()
    expect(chat.user_messages).to_contain_text(["Hello list"])

    # The chat can be continued.
    chat.page.go_forward()
    expect(chat.assistant_messages.get_by_role("img")).to_be_visible()
    chat.send_message("And who are you?")
    chat.wait_for_response()
    expect(chat.assistant_messages).to_have_count(2)


def test_a_chat_can_be_renamed_and_after_confirmation_deleted(chat: ChatPage) -> None:
    chat.send_message("A wrong title")
    chat.wait_for_response()
    entry = chat.page.locator(".chat-item", has_text="A wrong title")
    entry.hover()
    entry.get_by_role("button", name="Rename").click()
    title = chat.page.get_by_role("textbox", name="Title")
    expect(title).to_be_focused()
    title.fill("A new title")
    title.press("Enter")
    expect(chat.chat_titles.first).to_have_text("A new title")
    expect(chat.page.get_by_role("heading", level=1)).to_have_text("A new title")
    chat.page.reload()
    expect(chat.chat_titles.first).to_have_text("A new title")

    entry = chat.page.locator(".chat-item", has_text="A new title")
    entry.hover()
    entry.get_by_role("button", name="Delete").click()
    chat.button("Cancel").click()
    entry.hover()
    entry.get_by_role("button", name="Delete").click()
    chat.button("Delete").click()
    expect(entry).to_have_count(0)
    expect(chat.user_messages).to_have_count(0)

    chat.page.go_back()
    expect(chat.alert).to_contain_text("Chat not found")
    chat.alert.get_by_role("button", name="New chat").click()
    expect(chat.page.get_by_role("heading", name="Chat with a Python backend")).to_be_visible()
    # Chromium logs the status of the failed request.
    assert all("status of 404" in error for error in chat.console_errors)
    chat.console_errors.clear()


def test_keyboard_shortcuts(chat: ChatPage) -> None:
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
    chat.send_message("Hello keys")
    chat.wait_for_response()
    press("Control+Shift+o")
    expect(chat.user_messages).to_have_count(0)
    expect(chat.message_field).to_be_focused()


def test_on_a_phone_the_chat_list_covers_the_chat_until_it_is_closed(
    browser: Browser, server: ServerProcess
) -> None:
    with ChatPage.open(browser, server.url, viewport={"width": 390, "height": 844}) as chat:
        chat.send_message("Hello phone")
        chat.wait_for_response()
        chat_list = chat.page.get_by_role("navigation", name="Chats")
        expect(chat_list).to_be_hidden()
        chat.button("Chats").click()
        expect(chat_list).to_be_visible()
        chat.page.keyboard.press("Escape")
        expect(chat_list).to_be_hidden()
        chat.button("Chats").click()
        chat_list.get_by_role("button", name="New chat").click()
        expect(chat_list).to_be_hidden()
        expect(chat.user_messages).to_have_count(0)
        chat.assert_no_errors()


def test_the_theme_follows_the_system_until_the_user_selects_one(chat: ChatPage) -> None:
    def background() -> str:
        return str(chat.page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))

    chat.page.emulate_media(color_scheme="dark")
    dark = background()
    chat.page.emulate_media(color_scheme="light")
    light = background()
    assert dark != light
    chat.button("Theme: system").click()
    chat.button("Theme: light").click()
    assert background() == dark
    chat.page.reload()
    expect(chat.button("Theme: dark")).to_be_visible()
    assert background() == dark


def test_without_a_store_there_is_no_chat_list(browser: Browser) -> None:
    with (
        serve_demo("tests.browser.fast_agent:agent") as server,
        ChatPage.open(browser, server.url) as chat,
    ):
        expect(chat.page.get_by_role("heading", level=1)).to_have_text("usechat-server")
        expect(chat.button("Chats")).to_have_count(0)
        chat.send_message("What time is it here?")
        expect(chat.last_text).to_contain_text("UTC")
        chat.wait_for_response()
        chat.send_message("Write a long answer")
        expect(chat.last_text).to_contain_text("Eight cities")
        chat.stop_button.click()
        expect(chat.page.get_by_text("Stopped", exact=True)).to_be_visible()

        chat.page.reload()
        expect(chat.page.get_by_role("heading", name="Chat with a Python backend")).to_be_visible()
        chat.send_message("Hello again")
        expect(chat.last_text).to_have_text(re.compile("Hello again"))
        chat.assert_no_errors()
