"""A new token is valid immediately, and a revoked one is rejected within five seconds."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from butaca.adapters.sql import Database, SqlAccounts
from butaca.adapters.sql.tables import tokens
from tests.faults.pods import Environment, Pod
from tests.postgresql_server import has_blocked_session
from tests.processes import STOP_TIMEOUT, running
from tests.waiting import wait_until

MAX_DELAY = timedelta(seconds=5)


def run_butaca(env: Environment, *args: str) -> str:
    """Run a command in its own process, as operators do; return its output."""
    with running(*args, environment={"DATABASE_URL": env.database_url}) as process:
        out, err = process.communicate(timeout=STOP_TIMEOUT)
    assert process.returncode == 0, err
    return out.strip()


def status(pod: Pod, token: str) -> int:
    return pod.get("/me", Authorization=f"Bearer {token}").status


def rejected_at(pod: Pod, token: str) -> datetime:
    wait_until(lambda: status(pod, token) == 401, seconds=STOP_TIMEOUT)
    return datetime.now(UTC)


def test_new_token_works_immediately_and_revoked_token_fails_within_5_seconds(
    env: Environment, demo_database: Database
) -> None:
    pods, store = env.pods(2), SqlAccounts(demo_database)
    run_butaca(env, "users", "add", "ana")
    secret = run_butaca(env, "tokens", "issue", "ana", "--expires-in", "1d")
    token_id = store.tokens()[-1].id
    with ThreadPoolExecutor(len(pods)) as threads:
        # The worst case: each pod looks the token up for the first time just before the revocation.
        with demo_database.writing() as connection:
            connection.execute(select(tokens).where(tokens.c.id == token_id).with_for_update())
            revoking = threads.submit(run_butaca, env, "tokens", "revoke", str(token_id))
            wait_until(lambda: has_blocked_session(connection))
            assert [status(pod, secret) for pod in pods] == [200, 200]
        revoking.result()
        rejections = list(threads.map(rejected_at, pods, [secret] * len(pods)))
    token = store.find_token(token_id)
    assert token is not None
    assert token.revoked_at is not None
    assert max(rejections) - token.revoked_at < MAX_DELAY
    for pod in pods:
        assert secret not in str([*pod.log(), *pod.errors()])
