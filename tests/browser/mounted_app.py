"""The demo, mounted under a path of another ASGI app."""

from starlette.applications import Starlette
from starlette.routing import Mount
from usechat_server import Settings, create_app
from usechat_server.demo import default_agent

chat = create_app(default_agent(), settings=Settings(page=True))
app = Starlette(routes=[Mount("/tools/chat", chat)], lifespan=chat.lifespan)
