"""A pod whose wall clock is wrong by five minutes behaves like the others."""

from collections.abc import Callable

import pytest

from tests.faults.pods import Environment, new_path

CLOCK_PATCH = """
import time
real_time, real_time_ns = time.time, time.time_ns
time.time = lambda: real_time() + {seconds}
time.time_ns = lambda: real_time_ns() + {seconds} * 10**9
"""


@pytest.mark.parametrize("seconds", [300, -300])
def test_freshness_does_not_depend_on_the_wall_clock(
    env: Environment, with_startup_code: Callable[[str], dict[str, str]], seconds: int
) -> None:
    shifted = with_startup_code(CLOCK_PATCH.format(seconds=seconds))
    correct, wrong = env.launch(CACHE_TTL_SECONDS="1"), env.launch(CACHE_TTL_SECONDS="1", **shifted)
    path = new_path()
    correct.wait_until_up()
    wrong.wait_until_up()
    for writer, reader in ((correct, wrong), (wrong, correct)):
        env.tmdb.calls.reset()
        written = writer.get_after_ttl(path)
        assert written.cache_status == "butaca; fwd=miss; stored"
        read = reader.get(path)
        assert read.is_fresh_hit
        assert read.age == 0
        assert env.tmdb.calls.total == 1
        again = reader.get_after_ttl(path)
        assert again.cache_status == "butaca; fwd=miss; stored"
        assert again.received_at - written.sent_at >= 1
        assert again.sent_at - written.received_at < 1.5
        assert env.tmdb.calls.total == 2
