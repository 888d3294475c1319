"""Goals are met up to their bound."""

from benchmarks.goals import Goal


def test_goal_is_met_at_its_bound() -> None:
    assert Goal("warm GET", 0.5, 0.5).is_met
    assert Goal("p99", 5, 5, is_ceiling=True).is_met


def test_goal_is_missed_beyond_its_bound() -> None:
    assert not Goal("warm GET", 0.49, 0.5).is_met
    assert not Goal("p99", 5.1, 5, is_ceiling=True).is_met


def test_row_shows_the_value_the_bound_and_the_verdict() -> None:
    goal = Goal("cold GET", 3.4, 3, " ms", is_ceiling=True)
    assert goal.row() == "| cold GET | 3.4 ms | at most 3 ms | **missed** |"
