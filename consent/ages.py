"""Ages by the Swedish calendar: a year of age is reached at the start of the birthday, Swedish time."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

SWEDEN = ZoneInfo("Europe/Stockholm")


def birthday(birth_date: date, years: int) -> date:
    """Return the day on which ``years`` are reached.

    Where the month has no such day (29 February) it is the month's last, as lag (1930:173) 1 § counts.
    """
    try:
        return birth_date.replace(year=birth_date.year + years)
    except ValueError:
        return birth_date.replace(year=birth_date.year + years, day=28)


def age(birth_date: date, at: datetime) -> int:
    """Return whole years at a moment; negative before birth."""
    today = at.astimezone(SWEDEN).date()
    years = today.year - birth_date.year
    return years - 1 if today < birthday(birth_date, years) else years


def start_of(day: date) -> datetime:
    """Return the first moment of a Swedish day."""
    return datetime(day.year, day.month, day.day, tzinfo=SWEDEN)
