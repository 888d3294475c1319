"""The time, for whoever is not handed another clock."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return this moment, aware and in UTC."""
    return datetime.now(UTC)
