import pytest

from benchmarks.memory import sample_rows


@pytest.mark.parametrize("count", [1, 2, 8, 9, 40, 41])
def test_first_and_last_sample_are_printed_once(count: int) -> None:
    rows = list(sample_rows([(float(number), 1.0) for number in range(1, count + 1)]))[2:]
    assert len(rows) == len(set(rows))
    assert (rows[0], rows[-1]) == ("| 1 | 1.0 MB |", f"| {count} | 1.0 MB |")
