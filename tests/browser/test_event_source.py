"""The raw event stream in a browser: fetch as simple pages do it, and the real EventSource."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from usechat_server import Agent, RawSSE, Settings, create_app

from tests.harness.live import LiveServer, ScriptedModel, text

#: A page that asks with fetch, goes on reading with an EventSource, and shows what both got.
PAGE = """<!doctype html><title>Events</title><script>
async function* readSSE(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    const frames = buffer.split('\\n\\n');
    buffer = frames.pop();
    for (const frame of frames) {
      const data = frame.replace(/^data: /, '');
      if (data === '[DONE]') return;
      if (data) yield JSON.parse(data);
    }
  }
}

async function ask(message) {
  const body = JSON.stringify({ message });
  const response = await fetch('/chat/api/sse', { method: 'POST', body });
  const events = [];
  for await (const event of readSSE(response)) events.push(event);
  return events;
}

async function begin(chat) {
  const stop = new AbortController();
  const response = await fetch('/chat/api/sse', {
    method: 'POST', body: '{"message": "Hi"}', headers: { 'x-chat-id': chat }, signal: stop.signal,
  });
  for await (const event of readSSE(response)) if (event.type === 'text') return stop.abort();
}

/** Until the browser gives up by itself, after it has come back. */
const follow = chat => new Promise(resolve => {
  const events = [];
  const source = new EventSource(`/chat/api/sse?chat=${chat}`);
  source.onmessage = ({ data }) => {
    if (data !== '[DONE]') events.push(JSON.parse(data));
    if (events.length === 2) void fetch('/release', { method: 'POST' });
  };
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) resolve(events); };
});
</script>"""


class Requests:
    """ASGI middleware that records the GETs of the events."""

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self.last_ids: list[str | None] = []

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        if scope["type"] == "http" and scope["method"] == "GET" and "/sse" in scope["path"]:
            self.last_ids.append(Request(scope).headers.get("last-event-id"))
        await self._app(scope, receive, send)


@pytest.fixture(scope="module")
def model() -> ScriptedModel:
    return ScriptedModel(*text("Hel", "lo"), hold=True)


@pytest.fixture(scope="module")
def app(model: ScriptedModel) -> Requests:
    async def page(request: Request) -> HTMLResponse:
        return HTMLResponse(PAGE)

    async def release(request: Request) -> HTMLResponse:
        model.release()
        return HTMLResponse("")

    chat = create_app(Agent(model), doors=[RawSSE()], settings=Settings(resume=60))
    routes = [
        Route("/", page),
        Route("/release", release, methods=["POST"]),
        Mount("/chat", chat),
    ]
    return Requests(Starlette(routes=routes, lifespan=chat.lifespan))


@pytest.fixture(scope="module")
def event_server(app: Requests) -> Iterator[LiveServer]:
    with LiveServer(app) as server:
        yield server


def test_an_event_source_follows_a_response_that_fetch_began(
    browser: Browser, event_server: LiveServer, app: Requests
) -> None:
    page = browser.new_page()
    page.goto(event_server.url)
    page.evaluate("begin('c1')")
    events = page.evaluate("follow('c1')")
    assert [event["type"] for event in events if event["type"] != "text"] == ["start", "finish"]
    assert "".join(event.get("value", "") for event in events) == "Hello"
    # It comes back once after the end, gets 204 and stops.
    assert len(app.last_ids) == 2
    assert app.last_ids[0] is None
    assert app.last_ids[1]
    page.close()


def test_the_simplest_client_reads_all_events(
    browser: Browser, event_server: LiveServer, model: ScriptedModel
) -> None:
    model.hold = False
    page = browser.new_page()
    page.goto(event_server.url)
    events = page.evaluate("ask('Hi')")
    assert events[0]["type"] == "start"
    assert "".join(event.get("value", "") for event in events) == "Hello"
    assert events[-1] == {"type": "finish", "reason": "stop"}
    page.close()
