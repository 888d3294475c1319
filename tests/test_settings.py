"""Every setting: its default, what is rejected, and that all errors are reported at once."""

from typing import Any

import pytest

from butaca.operator_error import OperatorError
from butaca.settings import DatabaseSettings, RefreshSettings, Settings, read_settings

REQUIRED = {
    "DATABASE_URL": "sqlite:///butaca.db",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "TMDB_TOKEN": "a-token",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_three_settings_are_enough(environment: pytest.MonkeyPatch) -> None:
    settings = read_settings(Settings)
    assert settings.database_url.get_secret_value() == "sqlite:///butaca.db"
    assert settings.tmdb_token.get_secret_value() == "a-token"


def test_refresh_settings_do_not_require_redis(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("REDIS_URL")
    assert read_settings(RefreshSettings).tmdb_deadline == 6.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_pool_mode", "session"),
        ("host", "127.0.0.1"),
        ("port", 8000),
        ("threads", 8),
        ("tmdb_base_url", "https://api.themoviedb.org/3"),
        ("tmdb_image_base_url", "https://image.tmdb.org/t/p"),
        ("tmdb_connect_timeout", 1.0),
        ("tmdb_read_timeout", 3.0),
        ("tmdb_retries", 3),
        ("tmdb_backoff", 0.2),
        ("tmdb_deadline", 6.0),
        ("tmdb_cooldown_seconds", 5.0),
        ("tmdb_max_concurrency", None),
        ("cache_ttl_seconds", 30.0),
        ("cache_stale_seconds", 86_400.0),
        ("default_language", "en-US"),
        ("cors_origins", []),
        ("cors_credentials", False),
        ("rate_limit_reads", "600/minute"),
        ("rate_limit_writes", "120/minute"),
        ("trusted_proxies", 0),
        ("demo_users", False),
        ("log_format", "json"),
        ("log_level", "info"),
    ],
)
def test_setting_has_its_default(environment: pytest.MonkeyPatch, name: str, value: Any) -> None:
    assert getattr(read_settings(Settings), name) == value


def test_empty_variable_counts_as_unset(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PORT", "")
    assert read_settings(Settings).port == 8000


@pytest.mark.parametrize(("threads", "expected"), [("8", 4), ("7", 3), ("2", 1), ("1", 1)])
def test_half_of_the_threads_may_wait_for_tmdb_by_default(
    environment: pytest.MonkeyPatch, threads: str, expected: int
) -> None:
    environment.setenv("THREADS", threads)
    assert read_settings(Settings).upstream_concurrency == expected


def test_tmdb_concurrency_can_be_set(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TMDB_MAX_CONCURRENCY", "6")
    assert read_settings(Settings).upstream_concurrency == 6


@pytest.mark.parametrize(
    ("threads", "max_concurrency", "expected"),
    [("8", "", 3), ("8", "6", 1), ("8", "1", 6), ("2", "", 1), ("1", "", 1)],
)
def test_database_concurrency_is_all_remaining_threads_but_one(
    environment: pytest.MonkeyPatch, threads: str, max_concurrency: str, expected: int
) -> None:
    environment.setenv("THREADS", threads)
    environment.setenv("TMDB_MAX_CONCURRENCY", max_concurrency)
    assert read_settings(Settings).database_concurrency == expected


def test_origins_are_separated_by_commas(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CORS_ORIGINS", "https://a.example, http://localhost:5173,")
    origins = read_settings(Settings).cors_origins
    assert origins == ["https://a.example", "http://localhost:5173"]


@pytest.mark.parametrize("origins", ["*", "https://a.example, *"])
def test_cors_credentials_are_rejected_with_a_wildcard_origin(
    environment: pytest.MonkeyPatch, origins: str
) -> None:
    environment.setenv("CORS_ORIGINS", origins)
    environment.setenv("CORS_CREDENTIALS", "true")
    with pytest.raises(OperatorError, match=r"^CORS_CREDENTIALS: .*CORS_ORIGINS"):
        read_settings(Settings)


def test_cors_credentials_are_accepted_with_listed_origins(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CORS_ORIGINS", "https://a.example")
    environment.setenv("CORS_CREDENTIALS", "true")
    assert read_settings(Settings).cors_credentials is True


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_url_needs_no_driver(environment: pytest.MonkeyPatch, scheme: str) -> None:
    environment.setenv("DATABASE_URL", f"{scheme}://me:a%2Fb@host:5433/butaca?sslmode=require")
    assert read_settings(Settings).database_url.get_secret_value() == (
        "postgresql+psycopg://me:a%2Fb@host:5433/butaca?sslmode=require"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://somewhere"),
        ("DATABASE_URL", "postgres://"),
        ("DATABASE_URL", "postgresql+psycopg2://somewhere/butaca"),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "postgresql+psycopg://butaca:secret@host:port/butaca"),
        ("DATABASE_URL", "sqlite:///"),
        ("DATABASE_POOL_MODE", "statement"),
        ("REDIS_URL", "http://somewhere"),
        ("REDIS_URL", "redis://host:port"),
        ("REDIS_URL", "redis://host:0"),
        ("REDIS_URL", "redis://"),
        ("REDIS_URL", "redis://[::1"),
        ("TMDB_TOKEN", "…"),
        ("TMDB_TOKEN", "two words"),
        ("TMDB_BASE_URL", "ftp://somewhere"),
        ("TMDB_BASE_URL", "https://"),
        ("TMDB_BASE_URL", "https://host:https/3"),
        ("TMDB_BASE_URL", "http://[::1/3"),
        ("TMDB_BASE_URL", "https://host:0/3"),
        ("TMDB_BASE_URL", "https://host/3?key=value"),
        ("TMDB_BASE_URL", "https://host/3#top"),
        ("TMDB_BASE_URL", "https://host/the 3"),
        ("TMDB_IMAGE_BASE_URL", "ftp://somewhere"),
        ("TMDB_IMAGE_BASE_URL", "http://[::1/t"),
        ("TMDB_IMAGE_BASE_URL", "https://host/t?key=value"),
        ("TMDB_IMAGE_BASE_URL", "https://host/t#top"),
        ("TMDB_IMAGE_BASE_URL", "https://host/the t"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("THREADS", "0"),
        ("TMDB_CONNECT_TIMEOUT", "0"),
        ("TMDB_READ_TIMEOUT", "-1"),
        ("TMDB_DEADLINE", "nan"),
        ("TMDB_DEADLINE", "inf"),
        ("TMDB_DEADLINE", "12.1"),
        ("TMDB_RETRIES", "-1"),
        ("TMDB_BACKOFF", "-0.1"),
        ("TMDB_MAX_CONCURRENCY", "0"),
        ("TMDB_MAX_CONCURRENCY", "half"),
        ("TMDB_MAX_CONCURRENCY", "7"),
        ("CACHE_TTL_SECONDS", "soon"),
        ("CACHE_STALE_SECONDS", "0"),
        ("CACHE_STALE_SECONDS", "29"),
        ("CACHE_STALE_SECONDS", "31536001"),
        ("CACHE_STALE_SECONDS", "1e12"),
        ("CACHE_STALE_SECONDS", "nan"),
        ("DEFAULT_LANGUAGE", "english"),
        ("CORS_ORIGINS", "example.org"),
        ("CORS_ORIGINS", "https://example.org/path"),
        ("CORS_ORIGINS", "https://*.example.org"),
        ("CORS_ORIGINS", "http://[::1]:3000"),
        ("CORS_CREDENTIALS", "perhaps"),
        ("RATE_LIMIT_READS", "many"),
        ("TRUSTED_PROXIES", "-1"),
        ("DEMO_USERS", "perhaps"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_invalid_value_is_reported_with_the_setting_name(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(OperatorError, match=f"^{name}: "):
        read_settings(Settings)


@pytest.mark.parametrize("value", ["10/second;600/hour", "10/second, 600/hour", "many", "10"])
@pytest.mark.parametrize("name", ["RATE_LIMIT_READS", "RATE_LIMIT_WRITES"])
def test_rate_limit_must_be_one_limit(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(OperatorError, match=f"^{name}: must be one limit, such as 600/minute$"):
        read_settings(Settings)


def test_all_errors_are_reported_together(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("TMDB_TOKEN")
    environment.delenv("DATABASE_URL")
    environment.setenv("PORT", "-1")
    with pytest.raises(OperatorError) as raised:
        read_settings(Settings)
    names = {line.partition(":")[0] for line in str(raised.value).splitlines()}
    assert names == {"DATABASE_URL", "TMDB_TOKEN", "PORT"}


def test_missing_setting_is_reported_as_required(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("REDIS_URL")
    with pytest.raises(OperatorError, match=r"^REDIS_URL: is required$"):
        read_settings(Settings)


def test_error_does_not_repeat_an_invalid_secret(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_URL", "mysql://butaca:hunter2@db/butaca")
    with pytest.raises(OperatorError) as raised:
        read_settings(Settings)
    assert "hunter2" not in str(raised.value)


def test_secrets_are_hidden_when_settings_are_printed(environment: pytest.MonkeyPatch) -> None:
    assert "a-token" not in repr(read_settings(Settings))


def test_database_settings_require_only_the_database(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("TMDB_TOKEN")
    assert read_settings(DatabaseSettings).database_url.get_secret_value() == "sqlite:///butaca.db"


def test_trailing_newline_of_a_token_is_stripped(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TMDB_TOKEN", "a-token\n")
    assert read_settings(Settings).tmdb_token.get_secret_value() == "a-token"
