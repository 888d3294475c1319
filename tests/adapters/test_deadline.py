"""Deadlines: set, nested and restored."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from butaca.adapters.deadline import cap_timeout, deadline_in, seconds_left


def test_time_left_is_infinite_without_a_deadline() -> None:
    assert seconds_left() == float("inf")


def test_time_left_counts_down() -> None:
    with deadline_in(60):
        assert 50 < seconds_left() <= 60


def test_expired_deadline_leaves_no_time() -> None:
    with deadline_in(0):
        assert seconds_left() <= 0


def test_inner_deadline_cannot_extend_the_outer_one() -> None:
    with deadline_in(60), deadline_in(600):
        assert 50 < seconds_left() <= 60


def test_inner_deadline_can_be_earlier() -> None:
    with deadline_in(600), deadline_in(60):
        assert 50 < seconds_left() <= 60


def test_outer_deadline_is_restored() -> None:
    with deadline_in(600):
        with deadline_in(60):
            pass
        assert 590 < seconds_left() <= 600


def test_deadline_is_reset_on_exit() -> None:
    with deadline_in(60):
        pass

    assert seconds_left() == float("inf")


def test_deadline_is_reset_after_a_failure() -> None:
    with pytest.raises(ZeroDivisionError), deadline_in(60):
        raise ZeroDivisionError

    assert seconds_left() == float("inf")


def test_deadline_does_not_affect_other_threads() -> None:
    with deadline_in(60), ThreadPoolExecutor(1) as pool:
        assert pool.submit(seconds_left).result(20) == float("inf")


def test_timeout_is_capped_at_the_time_left() -> None:
    with deadline_in(60):
        assert 50 < cap_timeout(600) <= 60


def test_shorter_timeout_is_not_changed() -> None:
    with deadline_in(60):
        assert cap_timeout(5) == 5


def test_unlimited_timeout_is_accepted_by_a_socket() -> None:
    with socket.socket() as sock:
        sock.settimeout(cap_timeout(None))


def test_capping_after_the_deadline_raises_timeout_error() -> None:
    with deadline_in(0), pytest.raises(TimeoutError, match="deadline"):
        cap_timeout(5)
