from datetime import UTC, date, datetime, timedelta
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from app.web.chart import NARROW, WIDE, Band, Chart, Point, Series, Size, Words, day_marks, svg, ticks

NS = "{http://www.w3.org/2000/svg}"
WORDS = Words("c1", "Vikt <kg>", "3 värden & mer", "sv_SE")
START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def chart(values: list[float], *, hours: int = 24, band: Band | None = None) -> Chart:
    """Return a chart of values that lie ``hours`` apart."""
    points = tuple(Point(START + timedelta(hours=n * hours), value) for n, value in enumerate(values))
    end = (points[-1].at if points else START).date()
    return Chart("29463-7", "kg", date(2026, 1, 1), end, (Series("29463-7", points),), band)


def drawn(made: Chart, size: Size = WIDE) -> ET.Element:
    """Parse what was drawn, as a browser would."""
    return ET.fromstring(f'<g xmlns="http://www.w3.org/2000/svg">{svg(made, WORDS, size)}</g>')[0]  # noqa: S314


def test_title_and_description_are_said_and_escaped() -> None:
    """A screen reader says the chart in words, and text never becomes markup."""
    root = drawn(chart([1, 2, 3]))
    said = {found.get("id"): found.text for found in root if found.tag in (f"{NS}title", f"{NS}desc")}
    assert said == {"c1-wide-t": "Vikt <kg>", "c1-wide-d": "3 värden & mer"}
    assert root.get("aria-labelledby") == "c1-wide-t c1-wide-d"
    assert root.get("role") == "img"


def test_two_sizes_on_one_page_share_no_id() -> None:
    """A page carries both sizes, and ids are unique on a page."""
    wide, narrow = (
        {e.get("id") for e in drawn(chart([1, 2]), size).iter() if e.get("id")} for size in (WIDE, NARROW)
    )
    assert wide
    assert narrow
    assert not wide & narrow


def test_no_style_attribute_is_drawn() -> None:
    """The content security policy refuses inline styles."""
    assert "style" not in svg(chart([1, 2, 3], band=Band(1, 2)), WORDS, WIDE)


def test_higher_values_are_drawn_higher_and_later_ones_further_right() -> None:
    """A chart drawn upside down would mislead."""
    circles = list(drawn(chart([60.0, 80.0])).iter(f"{NS}circle"))
    (x1, y1), (x2, y2) = ((float(c.get("cx", "")), float(c.get("cy", ""))) for c in circles)
    assert x2 > x1
    assert y2 < y1


def test_points_too_close_to_tell_apart_become_a_range() -> None:
    """A year of pulse is thousands of points; one circle each would be a blot of 1 MB."""
    root = drawn(chart([60 + n % 40 for n in range(5000)], hours=1))
    assert not list(root.iter(f"{NS}circle"))
    assert len(list(root.iter(f"{NS}polygon"))) == 1
    assert len(svg(chart([60 + n % 40 for n in range(5000)], hours=1), WORDS, WIDE)) < 20_000


def test_band_lies_inside_the_plot_even_where_no_value_does() -> None:
    """The reference interval is shown whole, so that a value outside it is seen to be outside."""
    band = next(drawn(chart([150.0], band=Band(50, 90))).iter(f"{NS}rect"))
    top, height = float(band.get("y", "")), float(band.get("height", ""))
    assert WIDE.top <= top
    assert top + height <= WIDE.height - WIDE.bottom + 0.1
    assert height > 0


def test_a_chart_without_values_is_still_drawn() -> None:
    """A period without values is a page, not an error."""
    assert not list(drawn(chart([])).iter(f"{NS}circle"))


def test_values_outside_the_days_shown_are_left_out() -> None:
    """A point before the first day would be drawn over the axis."""
    early = Point(START - timedelta(days=400), 70.0)
    made = Chart("x", "kg", date(2026, 1, 1), date(2026, 1, 9), (Series("x", (early, Point(START, 71.0))),))
    assert len(list(drawn(made).iter(f"{NS}circle"))) == 1


@given(st.floats(-1e6, 1e6), st.floats(0.001, 1e6))
def test_ticks_span_the_values_and_stay_few(low: float, span: float) -> None:
    """Every value lies between the first mark and the last, and the marks can be read."""
    marks = ticks(low, low + span, wanted=5)
    assert marks[0] <= low + 1e-6
    assert marks[-1] >= low + span - 1e-6
    assert 2 <= len(marks) <= 9


def test_equal_values_get_an_axis_with_room() -> None:
    """One value alone has no span of its own."""
    marks = ticks(72.0, 72.0, wanted=5)
    assert marks[0] < 72 < marks[-1]


@given(st.dates(date(1990, 1, 1), date(2060, 1, 1)), st.integers(0, 20_000), st.integers(2, 14))
def test_day_marks_fit_their_room_and_lie_in_the_time_shown(start: date, days: int, room: int) -> None:
    """Labels that overlap cannot be read."""
    end = start + timedelta(days=days)
    marks = day_marks(start, end, room, "sv_SE")
    assert len(marks) <= room
    assert all(start <= day <= end for day, _ in marks)


def test_days_are_written_in_swedish() -> None:
    """Swedish first."""
    assert [label for _, label in day_marks(date(2026, 5, 1), date(2026, 5, 3), 7, "sv_SE")] == [
        "1 maj",
        "2 maj",
        "3 maj",
    ]


def test_both_ends_of_the_value_axis_are_named_in_both_sizes() -> None:
    """A narrow drawing has room for fewer marks, never for one alone: a line needs a scale."""
    for size in (WIDE, NARROW):
        texts = [text.text for text in drawn(chart([76.0, 82.0, 136.0]), size).iter(f"{NS}text")]
        assert {"60", "140"} <= set(texts)


def of_days(*values: float) -> Chart:
    """Return a chart of days' means, each between 60 and 180."""
    points = tuple(Point(START + timedelta(days=n), value, 60.0, 180.0) for n, value in enumerate(values))
    return Chart("29463-7", "kg", START.date(), points[-1].at.date(), (Series("29463-7", points),))


def test_days_means_are_drawn_within_what_they_lay_between() -> None:
    """A mean alone hides the high values; the range shows them, and the axis reaches them."""
    root = drawn(of_days(70, 71, 72))
    assert len(list(root.iter(f"{NS}polygon"))) == 1
    assert {"50", "200"} <= {text.text for text in root.iter(f"{NS}text")}


def test_one_days_many_values_are_seen() -> None:
    """An area without a width is none."""
    root = drawn(of_days(70))
    assert not list(root.iter(f"{NS}polygon"))
    assert len(list(root.iter(f"{NS}circle"))) == 1
