"""Time in Redis, moved on without waiting for it."""

import redis


def let_pass(redis_url: str, seconds: float) -> None:
    """Let every key of a Redis be older by some seconds."""
    with redis.Redis.from_url(redis_url) as client:
        for key in client.scan_iter():
            left_ms = client.pttl(key)
            if left_ms >= 0:
                client.pexpire(key, left_ms - int(seconds * 1000))
