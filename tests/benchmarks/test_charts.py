"""The charts of the benchmarks draw values to scale."""

from xml.etree import ElementTree as ET

import pytest

from benchmarks.charts import Panel, bars, panels

SVG = "{http://www.w3.org/2000/svg}"


def test_bar_length_is_proportional_to_its_value() -> None:
    drawing = ET.fromstring(bars("Rates", [("a & b", 10, "ten", True), ("c", 5, "five", False)]))
    lengths = [float(each.get("width", 0)) for each in drawing.iter(f"{SVG}rect")][1:]
    assert lengths[0] == 2 * lengths[1]


def test_line_passes_through_its_points_from_left_to_right() -> None:
    panel = Panel("Growth", "keys", "µs", {"Butaca": [(1, 300), (10, 200), (100, 100)]})
    drawing = ET.fromstring(panels("Growth", [panel]))
    (line,) = drawing.iter(f"{SVG}polyline")
    points = [
        [float(each) for each in point.split(",")] for point in line.get("points", "").split()
    ]
    (left, highest), (middle, _), (right, lowest) = points
    assert middle - left == pytest.approx(right - middle, abs=0.2)  # The axis is logarithmic.
    assert highest < lowest  # SVG counts downward.


def test_goal_above_all_values_is_inside_the_chart() -> None:
    panel = Panel("Memory", "requests", "MB", {"Butaca": [(1, 90), (2, 91)]}, goal=120)
    drawing = ET.fromstring(panels("Memory", [panel]))
    (goal,) = [each for each in drawing.iter(f"{SVG}line") if each.get("class") == "wanted"]
    assert 0 < float(goal.get("y1", 0)) < 270
