"""The composition root: how settings connect and configure the parts of the app."""

from typing import Any

import pytest
from sqlalchemy import Engine, event

from butaca import app
from butaca.adapters.sql import Database, SqlAccounts
from butaca.commands import open_database, refreshing
from butaca.core.accounts import digest
from butaca.core.models import Role, User
from butaca.operator_error import OperatorError
from butaca.settings import Settings
from tests.builders import CONSUMER_TOKEN, NOON


def settings_for(database: Database, **changes: object) -> Settings:
    required = {
        "database_url": database.engine.url.render_as_string(hide_password=False),
        "redis_url": "redis://127.0.0.1:1/0",
        "tmdb_token": "a-token",
        "tmdb_base_url": "http://127.0.0.1:9/3",
    }
    return Settings(**{**required, **changes})  # type: ignore[arg-type]


def test_demo_users_are_enabled_by_their_setting(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    app.prepare(settings_for(database, demo_users=True))
    assert SqlAccounts(database).find_user(1) is not None
    assert ("butaca", 30, "demo_users.enabled") in caplog.record_tuples


def test_demo_users_do_not_exist_by_default(database: Database) -> None:
    app.prepare(settings_for(database))
    assert SqlAccounts(database).find_user(1) is None


def test_demo_users_of_an_earlier_run_are_disabled(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    app.prepare(settings_for(database, demo_users=True))
    app.prepare(settings_for(database))
    token = SqlAccounts(database).find_bearer(digest(CONSUMER_TOKEN))
    assert token is not None
    assert token.revoked_at is not None
    assert ("butaca", 30, "demo_users.disabled") in caplog.record_tuples


def test_demo_users_do_not_take_the_id_of_another_user(database: Database) -> None:
    SqlAccounts(database).grant_token(User(1, "alice", Role.ADMIN), "0" * 64, NOON)
    with pytest.raises(OperatorError, match="DEMO_USERS"):
        app.prepare(settings_for(database, demo_users=True))


def test_database_without_a_schema_is_rejected(tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = Database(f"sqlite:///{tmp_path_factory.mktemp('empty') / 'empty.db'}")
    with pytest.raises(OperatorError, match="butaca migrate"):
        app.prepare(settings_for(empty))


def test_settings_take_effect_in_responses(sqlite: Database) -> None:
    settings = settings_for(
        sqlite,
        demo_users=True,
        cors_origins="https://a.example",
        cors_credentials=True,
        rate_limit_reads="1/minute",
    )
    app.prepare(settings)
    client = app.create_app(settings).test_client()
    headers = {"Authorization": f"Bearer {CONSUMER_TOKEN}", "Origin": "https://a.example"}
    first, second = (client.get("/api/v1/me", headers=headers) for _ in range(2))
    assert first.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert first.headers["Access-Control-Allow-Credentials"] == "true"
    assert CONSUMER_TOKEN in client.get("/docs/").text
    assert (first.status_code, second.status_code) == (200, 429)


def test_worker_creates_its_app_from_the_environment(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(sqlite)
    for name in ("database_url", "redis_url", "tmdb_token"):
        monkeypatch.setenv(name.upper(), getattr(settings, name).get_secret_value())
    assert app.create_from_environment().test_client().get("/readyz").status_code == 200


def test_metrics_of_all_components_are_exposed(sqlite: Database) -> None:
    butaca = app.create_app(settings_for(sqlite))
    text = butaca.test_client().get("/metrics").text
    for name in (
        "butaca_request_duration_seconds",
        "butaca_catalogue_responses",
        "butaca_cache_lookups",
        "butaca_single_flight_requests",
        "butaca_tmdb_call_duration_seconds",
        "butaca_tmdb_retries",
        "butaca_tmdb_cooldowns",
    ):
        assert f"# TYPE {name}" in text


def test_transaction_pool_mode_uses_no_session_features(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_args: list[dict[str, Any]] = []

    def record(_dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> None:
        connect_args.append(parameters)

    settings = settings_for(postgresql, database_pool_mode="transaction")
    monkeypatch.setenv("DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("DATABASE_POOL_MODE", "transaction")
    event.listen(Engine, "do_connect", record)
    try:
        app.prepare(settings)
        assert app.create_app(settings).test_client().get("/readyz").status_code == 200
        refreshing.create(settings, rate=1.0)
        with open_database() as database:
            database.ping()
    finally:
        event.remove(Engine, "do_connect", record)
    assert len(connect_args) == 4
    assert all(each["prepare_threshold"] is None and "options" not in each for each in connect_args)
