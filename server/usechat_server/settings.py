"""The server's settings: `USECHAT_*` variables, or arguments of `Settings(...)`."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from ui_message_stream.versions import ClientVersion

from usechat_server.errors import UsechatDeprecationWarning

__all__ = [
    "Settings",
    "cached_settings",
    "describe",
    "is_deployed",
    "set_deployment",
    "with_deployment",
]

_SECRET_LENGTH = 32

#: Old names of variables → the setting. They are still read, with a warning.
_RENAMED = {"USECHAT_FLOOR": "client_version"}

#: The packages between the code that builds settings and the validator of `Settings`.
_PACKAGES = frozenset({"pydantic", "pydantic_settings", "usechat_server"})


def _client_version(value: Any) -> Any:
    return ClientVersion.parse(value) if isinstance(value, str) else value


def _checked_secret(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < _SECRET_LENGTH:
        raise ValueError(
            f"expected at least {_SECRET_LENGTH} characters, as `openssl rand -base64 32` prints"
        )
    return value


def _words(value: Any) -> Any:
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _checked_origins(origins: Sequence[str]) -> Sequence[str]:
    for origin in origins:
        if not re.fullmatch(r"\*|null|[a-z][a-z0-9+.-]*://[^\s/?#@]+/?", origin, re.IGNORECASE):
            raise ValueError(f"expected origins such as https://chat.example.com, got {origin}")
    return origins


def _checked_hosts(hosts: Sequence[str]) -> Sequence[str]:
    for host in hosts:
        if not re.fullmatch(r"[^\s/?#@:]+|[0-9a-f:.]+", host, re.IGNORECASE):
            raise ValueError(f"expected host names without scheme and port, got {host}")
    return hosts


#: NoDecode: the variables are plain text, not JSON.
_ClientVersion = Annotated[
    InstanceOf[ClientVersion] | None, BeforeValidator(_client_version), NoDecode
]
_Words = Annotated[Sequence[str], BeforeValidator(_words), NoDecode]
_Origins = Annotated[_Words, AfterValidator(_checked_origins)]
_Hosts = Annotated[_Words, AfterValidator(_checked_hosts)]
_Seconds = Annotated[float, Field(gt=0)]
_Token = Annotated[SecretStr, Field(min_length=16)]
_Secret = Annotated[SecretStr, AfterValidator(_checked_secret)]


class Settings(BaseSettings):
    """The server's settings. Arguments take precedence over variables."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
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
                warnings.warn(
                    f"{variable} is deprecated: use {new}",
                    UsechatDeprecationWarning,
                    stacklevel=_caller_level(),
                )
                values = {**values, name: value}
        return values

    host: str = Field(
        default="127.0.0.1",
        description="Address that `usechat-server serve` listens on. If it is a loopback address, "
        "requests for other host names are rejected (see `USECHAT_ALLOWED_HOSTS`); if it is not, "
        "an app without `user=` requires `USECHAT_PUBLIC`.",
    )
    port: int = Field(
        default=8000,
        ge=0,
        le=65535,
        description="Port that `usechat-server serve` listens on. `0`: any free port.",
    )
    max_connections: int = Field(
        default=1000,
        gt=0,
        description="Connections that a process of `usechat-server serve` may have open. Further "
        "ones get 503. Every stream has one; for more, raise the limit of open files too.",
    )
    max_header_bytes: int = Field(
        default=64 * 1024,
        gt=0,
        description="Bytes that the path and the headers of a request may have under "
        "`usechat-server serve`. More get 431.",
    )
    header_timeout: _Seconds = Field(
        default=10.0,
        description="Seconds that the headers of a request may take to arrive under "
        "`usechat-server serve`, before the connection is closed.",
    )
    public: bool = Field(
        default=False,
        description="Whether an app without `user=` is meant for everyone who can reach it: they "
        "share all chats, which are also listed. `usechat-server serve` on a public address "
        "requires this or `user=`.",
    )
    client_version: _ClientVersion = Field(
        default=None,
        description="Oldest release of the npm package `ai` that your frontend uses. The "
        "`x-usechat-client` header of a request takes precedence. Default: each client gets what "
        "its requests show that it can read, at least what 5.0.0 can, and approval requests. If "
        "a tool needs approval, a release before 6.0.0 is an error at startup.",
    )
    keep_alive: _Seconds = Field(
        default=10.0,
        description="Seconds of silence after which a stream gets a keep-alive comment.",
    )
    send_timeout: _Seconds = Field(
        default=30.0,
        description="Seconds after which a client that reads nothing is disconnected.",
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
    min_body_rate: int = Field(
        default=1024,
        ge=0,
        description="Bytes per second with which a request body has to arrive, over 20 seconds. "
        "Slower ones get 408. `0`: any rate.",
    )
    max_pending_body_bytes: int = Field(
        default=256 * 1024 * 1024,
        gt=0,
        description="Bytes of request bodies that a process receives at the same time. Beyond "
        "that, requests of more than 64 kB get 503.",
    )
    max_messages: int = Field(
        default=10_000,
        gt=0,
        description="Messages that a request may have. More get 413.",
    )
    max_parts: int = Field(
        default=50_000,
        gt=0,
        description="Parts that the messages of a request may have together. More get 413.",
    )
    max_json_values: int = Field(
        default=1_000_000,
        gt=0,
        description="JSON values that a request body may have, at any depth. More get 413. It "
        "bounds the memory that a body takes when it is parsed.",
    )
    max_runs: int = Field(
        default=1000,
        gt=0,
        description="Runs that a process may have at the same time. Beyond that, messages get 429.",
    )
    max_runs_per_user: int = Field(
        default=20,
        gt=0,
        description="Runs that a user may have at the same time in a process, if the app has "
        "`user=`. Beyond that, the user's messages get 429.",
    )
    max_response_bytes: int = Field(
        default=16 * 1024 * 1024,
        gt=0,
        description="Size of a response, with its tool inputs and outputs, after which it is ended "
        "with an error. Without a store, the client sends it back with the next message, so this "
        "should be less than `USECHAT_MAX_BODY_BYTES`.",
    )
    user_timeout: _Seconds = Field(
        default=10.0,
        description="Seconds that the app's `user=` function may take. After that, the request "
        "gets 503.",
    )
    allowed_origins: _Origins = Field(
        default=(),
        description="Origins of frontends on other hosts, such as `https://chat.example.com`, "
        "separated by commas. They get CORS headers; other foreign origins get 403. A `*` in a "
        "name stands for letters, digits and hyphens: `https://*.example.com`. `*`: any origin, "
        "without cookies.",
    )
    allowed_hosts: _Hosts = Field(
        default=(),
        description="Host names besides `localhost` and addresses that requests may name in `Host` "
        "and `X-Forwarded-Host`, separated by commas. A `*` in a name stands for letters, digits "
        "and hyphens. They are checked on a loopback address, and on any other once a name is set. "
        "`*`: any.",
    )
    store: str | None = Field(
        default=None,
        description="Database that stores the chats: `sqlite:///chats.db` (in the working "
        "directory) or a PostgreSQL URL. Without it, the frontend keeps them.",
    )
    checkpoint_seconds: _Seconds = Field(
        default=1.0,
        description="Seconds between two writes of a message in progress to the store. What a "
        "killed process and an emptied Redis lose together is at most the text of this time, and "
        "that of the write.",
    )
    resume: float | None = Field(
        default=None,
        ge=0,
        description="Seconds that a run continues without a connected client, so that the client "
        "can resume it. Default: 0 without a store (the run ends when its client disconnects); "
        "with one, 60 in a chat whose client has ever used the resume route, as `resume: true` "
        "does, else 5.",
    )
    on_busy: Literal["refuse", "replace"] = Field(
        default="refuse",
        description="What happens to a message sent while another client reads the chat's active "
        "run: `refuse` responds with 409, `replace` stops that run first.",
    )
    redis_url: str | None = Field(
        default=None,
        description="Redis that several processes share, such as `redis://127.0.0.1:6379/0`. Each "
        "process can then stream and stop every run, and takes over the runs of a crashed process.",
    )
    workers: int = Field(
        default=1,
        ge=1,
        description="Processes that `usechat-server serve` starts. More than one requires "
        "`USECHAT_REDIS_URL`.",
    )
    drain_grace: float = Field(
        default=20.0,
        ge=0,
        description="Seconds that active runs may continue after the first SIGTERM. Set your "
        "orchestrator's termination grace period at least 8 s higher.",
    )
    secret: _Secret | None = Field(
        default=None,
        description="Signs tool-approval requests so that clients cannot forge approvals. At least "
        "32 characters. All processes need the same secret; without one, a process generates its "
        "own when it starts.",
    )
    page: bool = Field(
        default=False,
        description="Serve the bundled chat page at `/`. `usechat-server serve` without a target "
        "turns it on.",
    )
    metrics: Literal["off", "token", "public"] = Field(
        default="off",
        description="Who may read the metrics for Prometheus at `/metrics`: requests with the "
        "token, or anyone. Requires `usechat-server[metrics]`.",
    )
    metrics_token: _Token | None = Field(
        default=None,
        description="Token of the metrics, for `Authorization: Bearer TOKEN`. At least 16 "
        "characters.",
    )
    trace_content: bool = Field(
        default=False,
        description="Whether OpenTelemetry spans have the messages, and the inputs and outputs of "
        "tools, which may be confidential.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="Minimum level that `usechat-server serve` logs. `debug` adds a line per "
        "request.",
    )


def _caller_level() -> int:
    """Return the `stacklevel` at which the caller of this function warns the app's own code."""
    level = 1
    frame = sys._getframe(1)
    while frame.f_back and str(frame.f_globals.get("__name__")).partition(".")[0] in _PACKAGES:
        frame = frame.f_back
        level += 1
    return level


#: The settings that `usechat-server serve` decides for every app in this process, by name.
_deployment: Mapping[str, Any] = {}


def set_deployment(deployment: Mapping[str, Any]) -> None:
    """Set what `usechat-server serve` decides, such as its host. Call it before an app is created.

    Args:
        deployment: Values by the name of the setting.
    """
    global _deployment  # noqa: PLW0603
    _deployment = deployment


def with_deployment(settings: Settings) -> Settings:
    """Return an app's settings with those that `usechat-server serve` decides, if it serves it."""
    return settings.model_copy(update=_deployment) if _deployment else settings


def is_deployed() -> bool:
    """Whether `usechat-server serve` serves the app."""
    return bool(_deployment)


@cache
def cached_settings() -> Settings:
    """Return the default settings as they were at the first call: for the app's own routes."""
    return with_deployment(Settings())


def describe() -> list[tuple[str, str, str]]:
    """Return the variable, the default and the description of every setting."""
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
