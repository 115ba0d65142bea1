"""The settings, and their table in the README."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from ui_message_stream.versions import ClientVersion
from usechat_server import Agent, create_app
from usechat_server.settings import Settings, set_deployment, with_deployment

from tests.harness.settings_table import settings_table

README = Path(__file__).parents[2] / "README.md"


def test_variables_are_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USECHAT_CLIENT_VERSION", "6.0")
    monkeypatch.setenv("USECHAT_ALLOWED_ORIGINS", "https://a.example, https://b.example")
    monkeypatch.setenv("USECHAT_KEEP_ALIVE", "2.5")
    monkeypatch.setenv("USECHAT_PAGE", "true")
    monkeypatch.setenv("USECHAT_PORT", "")
    settings = Settings()
    assert settings.client_version == ClientVersion(6, 0, 0)
    assert tuple(settings.allowed_origins) == ("https://a.example", "https://b.example")
    assert (settings.keep_alive, settings.page, settings.port) == (2.5, True, 8000)


def test_a_renamed_variable_is_read_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USECHAT_FLOOR", "6.0")
    text = "USECHAT_FLOOR is deprecated: use USECHAT_CLIENT_VER"
    with pytest.warns(FutureWarning, match=text) as warned:
        assert Settings().client_version == ClientVersion(6, 0, 0)
    # It points at the app's code, not at this package or pydantic.
    assert [warning.filename for warning in warned] == [__file__]
    with pytest.warns(FutureWarning, match=text) as warned:
        create_app(Agent("demo"))
    assert [warning.filename for warning in warned] == [__file__]
    monkeypatch.setenv("USECHAT_CLIENT_VERSION", "7.0")
    assert Settings().client_version == ClientVersion(7, 0, 0)


def test_arguments_take_precedence_and_are_validated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USECHAT_KEEP_ALIVE", "2.5")
    settings = Settings(
        keep_alive=1, client_version=ClientVersion.parse("7"), allowed_hosts=["a.example"]
    )
    assert (settings.keep_alive, settings.client_version) == (1, ClientVersion(7, 0, 0))
    assert list(settings.allowed_hosts) == ["a.example"]
    with pytest.raises(ValidationError, match="keep_live"):
        Settings(keep_live=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("variable", "value", "error"),
    [
        ("USECHAT_CLIENT_VERSION", "4.3", "the version of @ai-sdk/react"),
        ("USECHAT_CLIENT_VERSION", "1.9", "a different protocol"),
        ("USECHAT_CLIENT_VERSION", "latest", "not a release of ai"),
        ("USECHAT_BODY_TIMEOUT", "0", "greater than 0"),
        ("USECHAT_LOG_LEVEL", "loud", "debug"),
        ("USECHAT_SECRET", "x" * 31, "at least 32 characters"),
    ],
)
def test_an_invalid_variable_is_an_error(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, error: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError, match=error):
        Settings()


@pytest.fixture
def deployment() -> Iterator[None]:
    set_deployment({"host": "0.0.0.0", "workers": 2, "drain_grace": 0.0})
    yield
    set_deployment({})


@pytest.mark.usefixtures("deployment")
def test_what_the_command_decides_takes_precedence() -> None:
    settings = with_deployment(Settings(host="127.0.0.1", resume=30))
    assert (settings.host, settings.workers, settings.drain_grace) == ("0.0.0.0", 2, 0)
    assert settings.resume == 30
    with pytest.raises(ValueError, match="workers > 1 requires USECHAT_REDIS_URL"):
        create_app(Agent("demo"), settings=Settings(resume=30))


def test_an_app_of_another_server_has_its_own_settings() -> None:
    settings = Settings(host="0.0.0.0", workers=1)
    assert with_deployment(settings) == settings


def test_settings_can_be_pickled() -> None:
    settings = Settings(secret="s" * 32, client_version="6.0", port=0)  # type: ignore[arg-type]
    copy = pickle.loads(pickle.dumps(settings))
    assert (copy, copy.model_fields_set) == (settings, settings.model_fields_set)


def test_the_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "not-to-be-seen-in-any-log-line-at-all"
    monkeypatch.setenv("USECHAT_SECRET", secret)
    settings = Settings()
    assert secret not in f"{settings!r} {settings}"
    assert settings.secret is not None
    assert settings.secret.get_secret_value() == secret
    monkeypatch.setenv("USECHAT_SECRET", "too-short")
    with pytest.raises(ValidationError) as raised:
        Settings()
    assert "too-short" not in str(raised.value)


def test_the_defaults() -> None:
    settings = Settings()
    assert settings.client_version is None
    assert (settings.host, settings.max_body_bytes) == ("127.0.0.1", 32 * 1024 * 1024)
    assert settings.keep_alive == 10
    assert not settings.allowed_origins
    assert not settings.page


def test_the_readme_has_the_table_of_settings() -> None:
    assert settings_table() in README.read_text(), (
        "README.md: replace the table of settings by what `python tests/harness/settings_table.py` "
        "prints"
    )
