"""A control record as a document that people read, in Swedish; the same record rides in the file as JSON."""

from datetime import datetime, timedelta

import msgspec

from app.web import words
from app.web.chart import ZONE
from app.web.values import local_day
from sharing.reviewing import ControlRecord
from sharing.typesetting import Document, Section, Table


def layout(record: ControlRecord) -> Document:
    """Set a control record's text."""
    period = f"{local_day(record.since)} till och med {local_day(record.until - timedelta(microseconds=1))}"
    return Document(
        title=f"Loggkontroll, {record.organisation_name}",
        author=record.organisation_name,
        description=f"Dokumenterad loggkontroll för {period}",
        dated=local_day(record.made),
        sections=(
            _head(record, period),
            _selection(record),
            _findings(record),
            _units(record),
            _measures(record),
            _about(),
        ),
        source=msgspec.json.encode(record),
    )


def _head(record: ControlRecord, period: str) -> Section:
    return Section(
        "Kontrollen",
        facts=(
            ("Organisation", f"{record.organisation_name} ({record.organisation})"),
            ("Period för åtkomsterna", period),
            ("Granskare", f"{record.reviewer} ({record.reviewer_id}), uppdrag {record.commission}"),
            ("Upprättad", _moment(record.made)),
            ("Kontrollens id i loggen", record.id),
        ),
    )


def _selection(record: ControlRecord) -> Section:
    chosen = record.selection
    table = Table(
        "Slumpmässiga urval som rör perioden",
        ("Frö (seed)", "Dragna"),
        tuple((a, str(n)) for a, n in chosen.draws),
    )
    return Section(
        "Urval",
        paragraphs=(
            "Alla nödöppningar och alla frågor från invånare granskas.",
            "Därtill dras ett stratifierat slumpmässigt urval ur personalens åtkomster. Det kan dras om från sitt frö.",
        ),
        facts=(
            ("Nödöppningar under perioden", str(chosen.emergencies)),
            ("Frågor från invånare under perioden", str(chosen.questions)),
        ),
        tables=(table,) if chosen.draws else (),
    )


def _findings(record: ControlRecord) -> Section:
    rows = tuple((words.OUTCOME[outcome], str(count)) for outcome, count in record.findings.items())
    return Section(
        "Utfall",
        facts=(
            ("Ärenden som väntar på beslut", str(record.open)),
            ("Varav försenade", str(record.overdue)),
        ),
        tables=(Table("Beslutade ärenden om åtkomster under perioden", ("Bedömning", "Antal"), rows),),
    )


def _units(record: ControlRecord) -> Section:
    rows = tuple((one.name, str(one.accesses), str(one.decided)) for one in record.units)
    table = Table("Åtkomster och granskade per enhet", ("Enhet", "Åtkomster", "Granskade"), rows)
    return (
        Section("Täckning", tables=(table,))
        if rows
        else Section("Täckning", ("Perioden har inga åtkomster.",))
    )


def _measures(record: ControlRecord) -> Section:
    return Section("Åtgärder", record.measures or ("Inga åtgärder har beslutats.",))


def _about() -> Section:
    return Section(
        "Om dokumentet",
        paragraphs=(
            "Dokumentet är underskrivet elektroniskt (PAdES) av granskaren. Samma uppgifter finns i filen som JSON.",
            "Dess kontrollsumma står i loggen. Det kan inte ändras utan att det syns.",
        ),
    )


def _moment(at: datetime) -> str:
    return f"{at.astimezone(ZONE):%Y-%m-%d %H:%M}"
