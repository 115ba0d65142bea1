"""An answer outlives the page that asked for it."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.browser.chat_page import ANSWER, ChatPage
from tests.harness.round_robin import RoundRobin
from tests.harness.serving import Served

#: How the long answer ends.
END = "That is the whole list."


def test_a_reload_picks_the_answer_up(chat: ChatPage) -> None:
    chat.ask("Write a long answer")
    expect(chat.text).to_contain_text("Lisbon")
    chat.page.reload()

    expect(chat.stop).to_be_visible()
    expect(chat.text).to_contain_text("Lisbon")
    chat.watch()
    expect(chat.text).to_contain_text(END, timeout=ANSWER)
    chat.wait()
    assert len(chat.paints()) > 10
    expect(chat.answers).to_have_count(1)
    expect(chat.text.get_by_role("heading", level=3)).to_have_count(8)
    assert len(chat.asked) == 1


def test_a_second_tab_follows_along_and_each_shows_what_the_other_asks(chat: ChatPage) -> None:
    chat.ask("Write a long answer")
    expect(chat.text).to_contain_text("Lisbon")
    second = chat.another_tab()
    expect(second.text).to_contain_text("Trieste")
    expect(second.stop).to_be_visible()

    # Stopped in one tab, it ends in the other; nobody asks for more.
    second.stop.click()
    chat.wait()
    expect(chat.text).not_to_contain_text(END)
    second.wait()

    # A tab that was open all the time follows the next answer too; one of the two runs its tool,
    # and goes on with it.
    second.ask("What time is it here?")
    expect(chat.questions).to_have_count(2)
    expect(chat.text).to_contain_text("Asia/Tokyo")
    expect(second.text).to_contain_text("Asia/Tokyo")
    chat.wait()
    second.wait()
    expect(chat.answers).to_have_count(2)
    assert len(chat.asked) + len(second.asked) == 3
    second.healthy()


def test_an_answer_goes_on_while_another_chat_is_open(chat: ChatPage) -> None:
    chat.ask("Write a long answer, please")
    expect(chat.text).to_contain_text("Lisbon")
    chat.new()
    chat.ask("Hello meanwhile")
    chat.wait()

    running = chat.chats.filter(has_text="Write a long answer, please")
    expect(running.get_by_role("img", name="Generating a response")).to_be_visible()
    running.click()
    expect(chat.text).to_contain_text(END, timeout=ANSWER)
    chat.wait()
    expect(chat.answers).to_have_count(1)


def test_a_lost_network_is_told_and_what_came_meanwhile_is_fetched(
    browser: Browser, server: Served
) -> None:
    ports = [server.port]
    with RoundRobin(lambda: ports) as network, ChatPage.open(browser, network.url) as chat:
        chat.ask("Write a long answer")
        expect(chat.text).to_contain_text("Lisbon")
        ports.clear()
        network.cut()
        lost = chat.alert.filter(has_text="The connection to the server was lost.")
        expect(lost).to_be_visible()
        ports.append(server.port)

        # A browser that notices says so; this one is told.
        chat.page.evaluate("dispatchEvent(new Event('online'))")
        expect(chat.text).to_contain_text(END, timeout=ANSWER)
        chat.wait()
        expect(lost).to_have_count(0)
        expect(chat.answers).to_have_count(1)
        expect(chat.text.get_by_role("heading", level=3)).to_have_count(8)
        assert len(chat.asked) == 1
        assert chat.foreign == []
