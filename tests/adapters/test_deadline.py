"""Deadlines: set, nested and restored."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from butaca.adapters.deadline import cut, seconds_left, within


def test_without_a_deadline_there_is_no_end() -> None:
    assert seconds_left() == float("inf")


def test_the_seconds_left_are_counted_down() -> None:
    with within(60):
        assert 50 < seconds_left() <= 60


def test_a_deadline_that_has_passed_leaves_nothing() -> None:
    with within(0):
        assert seconds_left() <= 0


def test_a_deadline_is_not_put_off() -> None:
    with within(60), within(600):
        assert 50 < seconds_left() <= 60


def test_a_deadline_may_be_brought_forward() -> None:
    with within(600), within(60):
        assert 50 < seconds_left() <= 60


def test_behind_a_nearer_deadline_the_farther_one_holds_again() -> None:
    with within(600):
        with within(60):
            pass
        assert 590 < seconds_left() <= 600


def test_a_deadline_is_left_behind() -> None:
    with within(60):
        pass

    assert seconds_left() == float("inf")


def test_a_failure_leaves_its_deadline_behind() -> None:
    with pytest.raises(ZeroDivisionError), within(60):
        raise ZeroDivisionError

    assert seconds_left() == float("inf")


def test_a_deadline_is_nobody_elses() -> None:
    with within(60), ThreadPoolExecutor(1) as pool:
        assert pool.submit(seconds_left).result(20) == float("inf")


def test_a_wait_is_cut_to_what_is_left() -> None:
    with within(60):
        assert 50 < cut(600) <= 60


def test_a_shorter_wait_is_not_cut() -> None:
    with within(60):
        assert cut(5) == 5


def test_a_wait_without_end_is_one_that_a_socket_takes() -> None:
    with socket.socket() as sock:
        sock.settimeout(cut(None))


def test_there_is_no_wait_after_the_deadline() -> None:
    with within(0), pytest.raises(TimeoutError, match="deadline"):
        cut(5)
