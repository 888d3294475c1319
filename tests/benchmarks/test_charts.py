from xml.etree import ElementTree as ET

import pytest

from benchmarks.charts import Panel, bars, panels

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_as_long_as_what_they_show() -> None:
    drawing = ET.fromstring(bars("Rates", [("a & b", 10, "ten", True), ("c", 5, "five", False)]))
    lengths = [float(each.get("width", 0)) for each in drawing.iter(f"{SVG}rect")][1:]
    assert lengths[0] == 2 * lengths[1]


def test_a_line_goes_through_all_its_places_from_left_to_right() -> None:
    panel = Panel("Growth", "keys", "µs", {"Butaca": [(1, 300), (10, 200), (100, 100)]})
    drawing = ET.fromstring(panels("Growth", [panel]))
    (line,) = drawing.iter(f"{SVG}polyline")
    places = [
        [float(each) for each in place.split(",")] for place in line.get("points", "").split()
    ]
    (left, highest), (middle, _), (right, lowest) = places
    assert middle - left == pytest.approx(right - middle, abs=0.2)  # A decade is a decade.
    assert highest < lowest  # SVG counts downward.


def test_what_is_wanted_is_drawn_even_above_all_that_was_measured() -> None:
    panel = Panel("Memory", "requests", "MB", {"Butaca": [(1, 90), (2, 91)]}, wanted=120)
    drawing = ET.fromstring(panels("Memory", [panel]))
    (wanted,) = [each for each in drawing.iter(f"{SVG}line") if each.get("class") == "wanted"]
    assert 0 < float(wanted.get("y1", 0)) < 270
