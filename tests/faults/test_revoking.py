"""An issued token is valid at once, and a revoked one is rejected within five seconds."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, select, text

from butaca.adapters.sql import Database, SqlAccounts
from butaca.adapters.sql.tables import tokens
from tests.faults.pods import Environment, Pod, wait_until
from tests.processes import SECONDS_TO_END, running

PROMISED = timedelta(seconds=5)


def butaca(env: Environment, *words: str) -> str:
    """Run a command as operators do, in a process of its own; return what it printed."""
    with running(*words, environment={"DATABASE_URL": env.database_url}) as process:
        out, err = process.communicate(timeout=SECONDS_TO_END)
    assert process.returncode == 0, err
    return out.strip()


def status(pod: Pod, token: str) -> int:
    return pod.get("/me", Authorization=f"Bearer {token}").status


def refused_at(pod: Pod, token: str) -> datetime:
    wait_until(lambda: status(pod, token) == 401, seconds=SECONDS_TO_END)
    return datetime.now(UTC)


def somebody_waits(connection: Connection) -> bool:
    """Tell whether somebody waits for what a transaction holds."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    return bool(connection.scalar(waiting))


def test_a_token_is_good_at_once_and_refused_by_every_pod_within_five_seconds(
    env: Environment, library: Database
) -> None:
    pods, store = env.pods(2), SqlAccounts(library)
    butaca(env, "users", "add", "ana")
    secret = butaca(env, "tokens", "issue", "ana", "--expires-in", "1d")
    token_id = store.tokens()[-1].id
    with ThreadPoolExecutor(len(pods)) as threads:
        # The worst case: each pod looks the token up for the first time just before it is revoked.
        with library.writing() as connection:
            connection.execute(select(tokens).where(tokens.c.id == token_id).with_for_update())
            revoking = threads.submit(butaca, env, "tokens", "revoke", str(token_id))
            wait_until(lambda: somebody_waits(connection))
            assert [status(pod, secret) for pod in pods] == [200, 200]
        revoking.result()
        refusals = list(threads.map(refused_at, pods, [secret] * len(pods)))
    token = store.find_token(token_id)
    assert token is not None
    assert token.revoked_at is not None
    assert max(refusals) - token.revoked_at < PROMISED
    for pod in pods:
        assert secret not in str([*pod.log(), *pod.errors()])
