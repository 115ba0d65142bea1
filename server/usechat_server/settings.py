"""Everything an operator can set, in one class: `USECHAT_*` variables, or `Settings(...)`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION, ClientVersion

__all__ = ["Settings", "describe"]

_SECRET_LENGTH = 32

#: Variables that were renamed → the setting. They are still read, with a warning.
_RENAMED = {"USECHAT_FLOOR": "client_version"}


def _client_version(value: Any) -> Any:
    return ClientVersion.parse(value) if isinstance(value, str) else value


def _long_enough(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < _SECRET_LENGTH:
        raise ValueError(
            f"has fewer than {_SECRET_LENGTH} characters: `openssl rand -base64 32` prints one"
        )
    return value


def _words(value: Any) -> Any:
    return value.replace(",", " ").split() if isinstance(value, str) else value


#: NoDecode: the variables are plain text, not JSON.
_ClientVersion = Annotated[InstanceOf[ClientVersion], BeforeValidator(_client_version), NoDecode]
_Words = Annotated[Sequence[str], BeforeValidator(_words), NoDecode]
_Seconds = Annotated[float, Field(gt=0)]
_Secret = Annotated[SecretStr, AfterValidator(_long_enough)]


class Settings(BaseSettings):
    """The server's settings. Arguments win over variables, variables over defaults."""

    model_config = SettingsConfigDict(
        env_prefix="USECHAT_",
        frozen=True,
        extra="forbid",
        env_ignore_empty=True,
        hide_input_in_errors=True,  # a secret may be wrong too
    )

    @model_validator(mode="before")
    @classmethod
    def _read_renamed(cls, values: dict[str, Any]) -> dict[str, Any]:
        for variable, name in _RENAMED.items():
            if (value := os.environ.get(variable)) and name not in values:
                new = f"USECHAT_{name.upper()}"
                warnings.warn(f"{variable} is deprecated: use {new}", FutureWarning, stacklevel=2)
                values = {**values, name: value}
        return values

    host: str = Field(
        default="127.0.0.1",
        description="Address that `usechat-server serve` listens on. While it is a loopback "
        "address, requests to other host names are refused (see `USECHAT_ALLOWED_HOSTS`).",
    )
    port: int = Field(
        default=8000,
        ge=0,
        le=65535,
        description="Port that `usechat-server serve` listens on. 0: any.",
    )
    client_version: _ClientVersion = Field(
        default=DEFAULT_CLIENT_VERSION,
        description="Oldest release of the npm package `ai` that your frontend uses. The "
        "`x-usechat-client` header of a request takes precedence.",
    )
    keep_alive: _Seconds = Field(
        default=10.0, description="Seconds without a byte after which a keep-alive comment is sent."
    )
    send_timeout: _Seconds = Field(
        default=30.0, description="Seconds after which a client that does not read is dropped."
    )
    max_body_bytes: int = Field(
        default=32 * 1024 * 1024,
        gt=0,
        description="Largest request body, in bytes. Larger ones get 413.",
    )
    body_timeout: _Seconds = Field(
        default=60.0,
        description="Seconds that a request body may take to arrive. Slower ones get 408.",
    )
    allowed_origins: _Words = Field(
        default=(),
        description="Origins of frontends on other hosts, such as `https://chat.example.com`, "
        "separated by commas. They get CORS headers; any other foreign origin gets 403. `*`: all, "
        "without cookies.",
    )
    allowed_hosts: _Words = Field(
        default=(),
        description="Host names that requests may name besides loopback ones while the server "
        "listens on a loopback address, separated by commas. `*`: all.",
    )
    store: str | None = Field(
        default=None,
        description="Where chats are kept: `sqlite:///chats.db`, or the URL of a PostgreSQL "
        "database. Without it, the frontend keeps them.",
    )
    resume: float | None = Field(
        default=None,
        ge=0,
        description="Seconds that an answer goes on when nobody reads it, so that a page can come "
        "back to it. By default 60 with a store, else 0: an answer ends with the connection.",
    )
    on_busy: Literal["refuse", "replace"] = Field(
        default="refuse",
        description="What a message gets that comes while its chat is answering another one: "
        "`refuse` it with 409, or `replace` the answer that is being written.",
    )
    redis_url: str | None = Field(
        default=None,
        description="Redis that several processes share, such as `redis://127.0.0.1:6379/0`: any "
        "of them serves any reader, stops any answer, and takes over those of one that died.",
    )
    workers: int = Field(
        default=1,
        ge=1,
        description="Processes that `usechat-server serve` starts. More than one need "
        "`USECHAT_REDIS_URL`.",
    )
    drain_grace: float = Field(
        default=20.0,
        ge=0,
        description="Seconds that running answers may go on after the first SIGTERM. What runs "
        "the server must wait about 8 seconds longer before it kills.",
    )
    secret: _Secret | None = Field(
        default=None,
        description="Signs the questions whether a tool may run, so that no page can make up an "
        "approval. At least 32 characters. Several processes need the same one; a single process "
        "makes its own when it starts.",
    )
    page: bool = Field(
        default=False,
        description="Serve the bundled chat page at `/`. On without a target of your own.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="What `usechat-server serve` logs. `debug` adds a line per request.",
    )


def describe() -> list[tuple[str, str, str]]:
    """Every setting: its variable, its default as one would write it, and what it does."""
    return [
        (f"USECHAT_{name.upper()}", _text(field.default), field.description or "")
        for name, field in Settings.model_fields.items()
    ]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple) and not isinstance(value, ClientVersion):
        return ",".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
