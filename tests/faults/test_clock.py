"""A pod whose wall clock is off by five minutes behaves like the others."""

from collections.abc import Callable

import pytest

from tests.faults.pods import Environment, new_path

SHIFTED = """
import time
true_time, true_time_ns = time.time, time.time_ns
time.time = lambda: true_time() + {seconds}
time.time_ns = lambda: true_time_ns() + {seconds} * 10**9
"""


@pytest.mark.parametrize("seconds", [300, -300])
def test_freshness_holds_on_a_pod_whose_clock_is_off(
    env: Environment, startup: Callable[[str], dict[str, str]], seconds: int
) -> None:
    shifted = startup(SHIFTED.format(seconds=seconds))
    right, wrong = env.launch(CACHE_TTL_SECONDS="1"), env.launch(CACHE_TTL_SECONDS="1", **shifted)
    path = new_path()
    right.wait_until_up()
    wrong.wait_until_up()
    for writer, reader in ((right, wrong), (wrong, right)):
        env.tmdb.calls.reset()
        written = writer.get_after_ttl(path)
        assert written.cache_status == "butaca; fwd=miss; stored"
        read = reader.get(path)
        assert read.is_fresh_hit
        assert read.age == 0
        assert env.tmdb.calls.total == 1
        again = reader.get_after_ttl(path)
        assert again.cache_status == "butaca; fwd=miss; stored"
        assert again.came - written.asked >= 1
        assert again.asked - written.came < 1.5
        assert env.tmdb.calls.total == 2
