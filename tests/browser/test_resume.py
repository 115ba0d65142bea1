"""Resuming streams: after a reload, in a second tab, and after a lost connection."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.browser.chat_page import RESPONSE_TIMEOUT, ChatPage
from tests.harness.round_robin import RoundRobin
from tests.harness.serving import ServerProcess

#: The last sentence of the long response.
LAST_SENTENCE = "That is the whole list."


def test_a_reload_resumes_the_response(chat: ChatPage) -> None:
    chat.send_message("Write a long answer")
    expect(chat.last_text).to_contain_text("Lisbon")
    chat.page.reload()

    expect(chat.stop_button).to_be_visible()
    expect(chat.last_text).to_contain_text("Lisbon")
    chat.start_recording_renders()
    expect(chat.last_text).to_contain_text(LAST_SENTENCE, timeout=RESPONSE_TIMEOUT)
    chat.wait_for_response()
    assert len(chat.renders()) > 10
    expect(chat.assistant_messages).to_have_count(1)
    expect(chat.last_text.get_by_role("heading", level=3)).to_have_count(8)
    assert len(chat.request_bodies) == 1


def test_two_tabs_show_the_same_chat_and_follow_each_other(chat: ChatPage) -> None:
    chat.send_message("Write a long answer")
    expect(chat.last_text).to_contain_text("Lisbon")
    second = chat.open_second_tab()
    expect(second.last_text).to_contain_text("Trieste")
    expect(second.stop_button).to_be_visible()

    # Stopping in one tab also ends the response in the other, which sends no request of its own.
    second.stop_button.click()
    chat.wait_for_response()
    expect(chat.last_text).not_to_contain_text(LAST_SENTENCE)
    second.wait_for_response()

    # The first tab also shows the next response. Only one of the tabs runs the client tool and
    # continues the response.
    second.send_message("What time is it here?")
    expect(chat.user_messages).to_have_count(2)
    expect(chat.last_text).to_contain_text("Asia/Tokyo")
    expect(second.last_text).to_contain_text("Asia/Tokyo")
    chat.wait_for_response()
    second.wait_for_response()
    expect(chat.assistant_messages).to_have_count(2)
    assert len(chat.request_bodies) + len(second.request_bodies) == 3
    second.assert_no_errors()


def test_a_response_continues_while_another_chat_is_open(chat: ChatPage) -> None:
    chat.send_message("Write a long answer, please")
    expect(chat.last_text).to_contain_text("Lisbon")
    chat.start_new_chat()
    chat.send_message("Hello")
    chat.wait_for_response()

    running_chat = chat.chat_titles.filter(has_text="Write a long answer, please")
    expect(running_chat.get_by_role("img", name="Generating a response")).to_be_visible()
    running_chat.click()
    expect(chat.last_text).to_contain_text(LAST_SENTENCE, timeout=RESPONSE_TIMEOUT)
    chat.wait_for_response()
    expect(chat.assistant_messages).to_have_count(1)


def test_a_lost_connection_is_reported_and_the_response_resumed(
    browser: Browser, server: ServerProcess
) -> None:
    ports = [server.port]
    with RoundRobin(lambda: ports) as network, ChatPage.open(browser, network.url) as chat:
        chat.send_message("Write a long answer")
        expect(chat.last_text).to_contain_text("Lisbon")
        ports.clear()
        network.abort_connections()
        notice = chat.alert.filter(has_text="The connection to the server was lost.")
        expect(notice).to_be_visible()
        ports.append(server.port)

        # Browsers dispatch this event when the network is available again.
        chat.page.evaluate("dispatchEvent(new Event('online'))")
        expect(chat.last_text).to_contain_text(LAST_SENTENCE, timeout=RESPONSE_TIMEOUT)
        chat.wait_for_response()
        expect(notice).to_have_count(0)
        expect(chat.assistant_messages).to_have_count(1)
        expect(chat.last_text.get_by_role("heading", level=3)).to_have_count(8)
        assert len(chat.request_bodies) == 1
        assert chat.external_requests == []
