"""The clock returns the current time, aware and in UTC."""

from datetime import UTC, datetime

from butaca.core.clock import utc_now


def test_utc_now_is_the_current_time_in_utc() -> None:
    before = datetime.now(UTC)
    now = utc_now()
    assert before <= now <= datetime.now(UTC)
    assert now.tzinfo is UTC
