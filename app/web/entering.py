"""Reads the form of a hand-written value into a record, or says field by field what is wrong with it."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from app.web.chart import ZONE
from app.web.measures import BLOOD_PRESSURE, MeasureField, MeasureForm
from app.web.views import FieldError, FieldProblem, FormState
from vault.measures import LOINC, MEASURES, canonical
from vault.record import Code, Component, Provenance, Quantity, Record

_DATE, _TIME = "date", "time"
_NUMBER = re.compile(r"-?[0-9]{1,9}(?:\.(?P<decimals>[0-9]{1,9}))?", re.ASCII)
#: A clock that is a little ahead of ours is no mistake.
_AHEAD = timedelta(minutes=5)
_EARLIEST = date(1900, 1, 1)


def blank(measure: MeasureForm | None, now: datetime) -> FormState:
    """Return the form before anything is written: here and now."""
    if measure is None:
        return FormState()
    local = now.astimezone(ZONE)
    return FormState({_DATE: (local.date().isoformat(),), _TIME: (local.strftime("%H:%M"),)})


def read_measure(
    measure: MeasureForm, form: FormState, provenance: Provenance, *, now: datetime
) -> Record | FormState:
    """Return the record that was written, or the form with what is wrong."""
    problems: list[FieldError] = []
    numbers = {field.name: _number(field, form, problems) for field in measure.fields}
    at = _moment(form, now, problems)
    if measure == BLOOD_PRESSURE and not problems:
        _check_pressure(numbers, problems)
    values = {name: number for name, number in numbers.items() if number is not None}
    if problems or at is None or len(values) < len(measure.fields):
        return FormState(form.values, tuple(problems))
    return _record(measure, values, at, provenance)


def _record(
    measure: MeasureForm, values: Mapping[str, Decimal], at: datetime, provenance: Provenance
) -> Record:
    parts = [(_code(field.code), Quantity(values[field.name], field.unit)) for field in measure.fields]
    if len(parts) > 1:
        components = tuple(Component(code, quantity, canonical(code, quantity)) for code, quantity in parts)
        return Record(
            measure.category, "Observation", _code(measure.code), at, provenance, components=components
        )
    code, quantity = parts[0]
    return Record(
        measure.category,
        "Observation",
        code,
        at,
        provenance,
        quantity=quantity,
        canonical=canonical(code, quantity),
    )


def _code(code: str) -> Code:
    return Code(LOINC, code, MEASURES[code].en)


def _number(field: MeasureField, form: FormState, problems: list[FieldError]) -> Decimal | None:
    text = form.value(field.name).strip().replace(",", ".").replace("\N{MINUS SIGN}", "-")
    found = _NUMBER.fullmatch(text)
    value = Decimal(text) if found is not None else None
    problem = None
    if not text:
        problem = FieldProblem.REQUIRED
    elif found is None or value is None:
        problem = FieldProblem.NOT_A_NUMBER
    elif len(found["decimals"] or "") > field.decimals:
        problem = FieldProblem.TOO_MANY_DECIMALS
    elif not field.low <= value <= field.high:
        problem = FieldProblem.OUT_OF_RANGE
    if problem is not None:
        problems.append(FieldError(field.name, problem))
        return None
    return value


def _moment(form: FormState, now: datetime, problems: list[FieldError]) -> datetime | None:
    day, clock = form.value(_DATE).strip(), form.value(_TIME).strip()
    try:
        on = date.fromisoformat(day)
    except ValueError:
        on = None
    try:
        hour = time.fromisoformat(clock)
    except ValueError:
        hour = None
    if on is None or on < _EARLIEST:
        problems.append(FieldError(_DATE, FieldProblem.NOT_A_DATE if day else FieldProblem.REQUIRED))
    if hour is None or hour.tzinfo is not None:
        problems.append(FieldError(_TIME, FieldProblem.NOT_A_TIME if clock else FieldProblem.REQUIRED))
    if problems and any(error.field in {_DATE, _TIME} for error in problems):
        return None
    if on is None or hour is None:
        return None
    # By way of UTC, so that an hour which the change to summer time leaves out becomes the next one.
    at = datetime.combine(on, hour, ZONE).astimezone(UTC).astimezone(ZONE)
    if at > now + _AHEAD:
        problems.append(FieldError(_DATE, FieldProblem.IN_THE_FUTURE))
        return None
    return at


def _check_pressure(numbers: Mapping[str, Decimal | None], problems: list[FieldError]) -> None:
    systolic, diastolic = numbers["systolic"], numbers["diastolic"]
    if systolic is not None and diastolic is not None and diastolic >= systolic:
        problems.append(FieldError("diastolic", FieldProblem.NOT_BELOW_SYSTOLIC))
