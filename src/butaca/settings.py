"""Settings, read once from environment variables. All errors are reported together."""

import re
from typing import Annotated, Any, Literal, TypeVar

from limits import parse_many as parse_rates
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from butaca.core.models import DEFAULT_LANGUAGE
from butaca.core.translations import LANGUAGE_PATTERN
from butaca.operator_error import OperatorError
from butaca.urls import is_http_url, is_url

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Deadline = Annotated[float, Field(gt=0, le=12, allow_inf_nan=False)]
"""In seconds. A pod that shuts down gives its requests 14 seconds to finish."""

MAX_STALE_SECONDS = 365 * 86_400
"""The longest time for which a response can be cached, in seconds."""


def _check_rate(text: str) -> str:
    try:
        rates = parse_rates(text)
    except ValueError:
        rates = []
    if len(rates) != 1:
        raise ValueError("must be one limit, such as 600/minute")
    return text


def _split_by_comma(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    return [part.strip() for part in text.split(",") if part.strip()]


def _check_origin(text: str) -> str:
    if text != "*" and not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?", text):
        raise ValueError("an origin must look like https://example.org")
    return text


def _normalize_http_url(text: str) -> str:
    if not is_http_url(text):
        raise ValueError("must look like https://host or http://host")
    return text.rstrip("/")


def _check_redis_url(secret: SecretStr) -> SecretStr:
    if not is_url(secret.get_secret_value(), {"redis", "rediss"}):
        raise ValueError("must look like redis://host:6379/0 or rediss://host:6379/0")
    return secret


def _normalize_database_url(secret: SecretStr) -> SecretStr:
    # Hosting providers issue URLs without a driver.
    text = re.sub("^postgres(ql)?://", "postgresql+psycopg://", secret.get_secret_value())
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        url = URL.create("invalid")
    if url.drivername not in {"postgresql+psycopg", "sqlite"} or not url.database:
        raise ValueError("must look like postgresql://host/database or sqlite:///file.db")
    return SecretStr(text)


def _normalize_token(secret: SecretStr) -> SecretStr:
    token = secret.get_secret_value().strip()
    if not re.fullmatch(r"[!-~]+", token):
        raise ValueError("must be printable ASCII without spaces")
    return SecretStr(token)


def _check_stale_seconds(seconds: float, info: ValidationInfo) -> float:
    if not info.data.get("cache_ttl_seconds", 0) <= seconds <= MAX_STALE_SECONDS:
        raise ValueError(
            f"must be at least CACHE_TTL_SECONDS and at most {MAX_STALE_SECONDS}, a year"
        )
    return seconds


def _check_max_concurrency(concurrency: int | None, info: ValidationInfo) -> int | None:
    maximum = max(info.data.get("threads", 0) - 2, 1)
    if concurrency is not None and "threads" in info.data and concurrency > maximum:
        raise ValueError("must be at most THREADS - 2")
    return concurrency


def _check_cors_credentials(allowed: bool, info: ValidationInfo) -> bool:
    if allowed and "*" in info.data.get("cors_origins", ()):
        raise ValueError(
            "cannot be used with CORS_ORIGINS=*, which browsers reject; list the origins"
        )
    return allowed


Rate = Annotated[str, AfterValidator(_check_rate)]
HttpUrl = Annotated[str, AfterValidator(_normalize_http_url)]
Origins = Annotated[
    list[Annotated[str, AfterValidator(_check_origin)]], NoDecode, BeforeValidator(_split_by_comma)
]


class DatabaseSettings(BaseSettings):
    """The settings for migrations and the management of users and tokens: the database."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True)

    database_url: Annotated[SecretStr, AfterValidator(_normalize_database_url)]
    database_pool_mode: Literal["session", "transaction"] = "session"


class RefreshSettings(DatabaseSettings):
    """The settings for refreshing movies: the database and TMDB."""

    tmdb_token: Annotated[SecretStr, AfterValidator(_normalize_token)]
    tmdb_base_url: HttpUrl = "https://api.themoviedb.org/3"
    tmdb_connect_timeout: Seconds = 1.0
    tmdb_read_timeout: Seconds = 3.0
    tmdb_retries: Annotated[int, Field(ge=0, le=10)] = 3
    tmdb_backoff: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.2
    tmdb_deadline: Deadline = 6.0
    default_language: Annotated[str, Field(pattern=LANGUAGE_PATTERN)] = DEFAULT_LANGUAGE


class Settings(RefreshSettings):
    """All settings. Each field is read from the environment variable of the same name."""

    redis_url: Annotated[SecretStr, AfterValidator(_check_redis_url)]
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    threads: Annotated[int, Field(ge=1, le=512)] = 8
    tmdb_image_base_url: HttpUrl = "https://image.tmdb.org/t/p"
    tmdb_cooldown_seconds: Seconds = 5.0
    tmdb_max_concurrency: Annotated[
        Annotated[int, Field(ge=1)] | None, AfterValidator(_check_max_concurrency)
    ] = None
    cache_ttl_seconds: Seconds = 30.0
    cache_stale_seconds: Annotated[float, AfterValidator(_check_stale_seconds)] = 86_400.0
    cors_origins: Origins = []
    cors_credentials: Annotated[bool, AfterValidator(_check_cors_credentials)] = False
    rate_limit_reads: Rate = "600/minute"
    rate_limit_writes: Rate = "120/minute"
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    demo_users: bool = False
    log_format: Literal["json", "text"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def upstream_concurrency(self) -> int:
        """The number of threads that may wait for TMDB concurrently: half of them by default."""
        return self.tmdb_max_concurrency or max(self.threads // 2, 1)

    @property
    def database_concurrency(self) -> int:
        """The number of threads that may wait for the database: all but those for TMDB and one."""
        return max(self.threads - self.upstream_concurrency - 1, 1)


S = TypeVar("S", bound=BaseSettings)


def read_settings(settings_class: type[S]) -> S:
    """Read the settings of a class from the environment.

    Raises OperatorError with one line per missing or invalid setting, without its value.
    """
    try:
        return settings_class()
    except ValidationError as error:
        lines = [f"{_setting_name(each['loc'])}: {_reason(each)}" for each in error.errors()]
        raise OperatorError("\n".join(lines)) from None


def _setting_name(location: tuple[int | str, ...]) -> str:
    return str(location[0]).upper()


def _reason(error: Any) -> str:
    if error["type"] == "missing":
        return "is required"
    return str(error["msg"]).removeprefix("Value error, ")
