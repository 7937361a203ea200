"""Made-up views for every page: what the template tests render and what is looked at."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from app.web import case_views as c
from app.web import control_views as k
from app.web import rule_views as r
from app.web import signal_views as s
from app.web import views as v
from app.web.chart import Band, Chart, Point, Series
from app.web.measures import BY_ID, MEASURES
from app.web.moving_views import LeaveView, LeftCard, MoveView, PlaceCard, ProposalCard, ProposalsView
from app.web.paper_views import ConfirmView, PaperFormView
from app.web.receipt_views import ProofView, SilenceCard
from audit.cases import Outcome
from audit.events import Activity, ActorKind, Decision, EventKind
from audit.signals import Hit
from audit.witnessed import AlarmKind
from consent.moving import Missing
from identity.principal import Relation
from keys.certificates import Signatory
from policies.signals import Signal
from policies.vocabulary import MEASUREMENTS, Action, Category, Effect, GranteeKind, Purpose
from sharing.again import Unknown
from sharing.case_words import Step
from sharing.notices import Tell
from sharing.signing import Checked, Signature, Verdict
from vault.record import AuthorKind, Origin

NOW = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)
PATIENT = "5f0e8a4be6a34c1d9d3e0a7715b2c480"

ANNA = v.Who("Anna Lindqvist", v.Role.CITIZEN)
KARIN = v.Who("Karin Berg", v.Role.PROXY, acting_for="Elsa Berg", relation=Relation.GUARDIAN, can_switch=True)
ALI = v.Who(
    "Ali Lindqvist",
    v.Role.PROXY,
    acting_for="Anna Lindqvist",
    relation=Relation.REPRESENTATIVE,
    can_switch=True,
)
NURSE = v.Who(
    "Maria Ek",
    v.Role.STAFF,
    title="distriktssköterska",
    commission="Vård och behandling",
    unit="Vårdcentralen Björken",
    provider="Region Exempel",
    can_switch=True,
)
SUPERVISOR = v.Who(
    "Olle Sund",
    v.Role.SUPERVISOR,
    title="logggranskare",
    commission="Loggranskning",
    unit="Kvalitetsenheten",
    provider="Region Exempel",
)

BJORKEN = v.GranteeLabel(GranteeKind.UNIT, "SE2321000000-B1", "Vårdcentralen Björken", "Region Exempel")
HEMTJANST = v.GranteeLabel(GranteeKind.UNIT, "SE2120000000-H1", "Hemtjänsten Norr", "Exempelby kommun")
REGION = v.GranteeLabel(GranteeKind.REGION, "SE2321000000-R1", "Region Exempel")
ROLE = v.GranteeLabel(GranteeKind.ROLE, "SE2321000000-B1/läkare", "Läkare", "Vårdcentralen Björken")


def chrome(
    here: str, who: v.Who | None, notice: v.Notice | None = None, urgent: v.Urgent | None = None
) -> v.Chrome:
    """Return what stands around a sample page."""
    return v.Chrome(here, "c5rf" * 16, demo=True, who=who, notice=notice, urgent=urgent)


def pressure(days_ago: int, systolic: int, diastolic: int, *, staff: bool = False) -> v.Reading:
    """Return a blood pressure."""
    return v.Reading(
        Category.BLOOD_PRESSURE,
        "85354-9",
        NOW - timedelta(days=days_ago, hours=2),
        AuthorKind.PROFESSIONAL if staff else AuthorKind.CITIZEN,
        "Maria Ek" if staff else "Anna Lindqvist",
        numbers=(Decimal(systolic), Decimal(diastolic)),
        unit="mm[Hg]",
        organisation="Vårdcentralen Björken" if staff else "",
        device="" if staff else "Omron X7",
        origin=Origin.FORM if staff else Origin.APPLE_HEALTH,
    )


PRESSURES = tuple(
    pressure(n, 128 + round(9 * math.sin(n / 4)), 81 + round(5 * math.cos(n / 5)), staff=n % 14 == 3)
    for n in range(0, 88, 3)
)
WEIGHT = v.Reading(
    Category.BODY_WEIGHT,
    "29463-7",
    NOW - timedelta(days=1),
    AuthorKind.CITIZEN,
    "Anna Lindqvist",
    numbers=(Decimal("72.50"),),
    unit="kg",
    source="160 lb",
)
PULSE = v.Reading(
    Category.HEART_RATE, "8867-4", NOW, AuthorKind.CLIENT, "Mätarmolnet", numbers=(Decimal(64),), unit="/min"
)
SYMPTOM = v.Reading(
    Category.SYMPTOM,
    "x-1",
    NOW,
    AuthorKind.PROXY,
    "Karin Berg",
    text="Lite ont i halsen",
    display="Symtom i dag",
)

PRESSURE_CHART = Chart(
    "85354-9",
    "mm[Hg]",
    date(2025, 12, 14),
    date(2026, 3, 14),
    tuple(
        Series(code, tuple(Point(r.at, float(r.numbers[n])) for r in PRESSURES))
        for n, code in enumerate(("8480-6", "8462-4"))
    ),
)
PULSE_CHART = Chart(
    "8867-4",
    "/min",
    date(2025, 3, 14),
    date(2026, 3, 14),
    (
        Series(
            "8867-4",
            tuple(
                Point(NOW - timedelta(hours=2 * n), 68 + 12 * math.sin(n / 50) + 9 * math.sin(n * 1.7))
                for n in range(4380)
            ),
        ),
    ),
    Band(50, 90),
)
TREND = v.Trend(Category.BLOOD_PRESSURE, v.Period.DAYS_90, (PRESSURE_CHART,), PRESSURES, 412)

ALLOW = v.RuleCard(
    "r1",
    Effect.ALLOW,
    BJORKEN,
    (Action.READ,),
    (Category.BLOOD_PRESSURE, Category.HEART_RATE),
    purposes=(Purpose.CARE,),
    data_from=date(2026, 1, 1),
    valid_to=datetime(2026, 12, 31, 23, 0, tzinfo=UTC),
    created=NOW - timedelta(days=20),
)
ADD = v.RuleCard(
    "r2",
    Effect.ALLOW,
    HEMTJANST,
    (Action.ADD,),
    (Category.BODY_WEIGHT,),
    valid_from=NOW + timedelta(days=7),
    created=NOW,
    author="Karin Berg",
    in_force=False,
)
BLOCK = v.RuleCard(
    "r3", Effect.BLOCK, REGION, (Action.READ, Action.ADD), (Category.MENTAL_HEALTH,), created=NOW
)

LIFTED = replace(
    BLOCK,
    sources=("device", "device:Meter", "mine"),
    spares=(BJORKEN,),
    lifted_until=NOW + timedelta(days=2),
)
PAPER = replace(
    ALLOW,
    id="r4",
    actions=(Action.READ, Action.ADD),
    helper="Maria Ek, distriktssköterska, Vårdcentralen Björken",
    pending=True,
)
NARROWED = replace(
    ALLOW,
    categories=(Category.BLOOD_PRESSURE,),
    codes=("85354-9",),
    sources=("mine", "unit:SE2321000000-B1"),
    writers=(BJORKEN,),
    data_to=date(2026, 6, 1),
    author="Karin Berg",
)
NURSE_THERE = v.GranteeLabel(GranteeKind.PERSON, "SE2321000000-E1", "Maria Ek", "distriktssköterska")
VERSIONS = (
    r.RuleVersion(9, NOW, NARROWED, None),
    r.RuleVersion(
        7,
        NOW - timedelta(days=2),
        ALLOW,
        NARROWED,
        (r.RuleTerm.CATEGORIES, r.RuleTerm.CODES, r.RuleTerm.SOURCES, r.RuleTerm.DATA),
    ),
    r.RuleVersion(4, NOW - timedelta(days=20), None, ALLOW),
)
_EVERY_TERM = r.RuleVersion(5, NOW, BLOCK, replace(LIFTED, lifts=NOW), tuple(r.RuleTerm))
PARTS = (
    r.ThenPart(NOW.replace(hour=0), NOW, could=False, rules=(ALLOW,), blocks=(BLOCK,)),
    r.ThenPart(NOW, NOW + timedelta(hours=2), could=True, rules=(ALLOW,), blocks=()),
    r.ThenPart(NOW + timedelta(hours=2), NOW + timedelta(hours=9), could=True, rules=(ALLOW, ADD), blocks=()),
)
_DAY = (NOW.date(), NOW.date(), NOW.replace(hour=0), NOW + timedelta(hours=9))
THEN = r.ThenView(
    Category.BLOOD_PRESSURE,
    *_DAY,
    (
        r.ThenRow(BJORKEN, 12, PARTS),
        r.ThenRow(
            v.GranteeLabel(GranteeKind.PROXY, "ab" * 16, "Karin Berg"),
            1,
            (r.ThenPart(_DAY[2], _DAY[3], could=True, rules=(), blocks=()),),
            by_law=True,
        ),
    ),
    v.FormState({"day": (NOW.date().isoformat(),)}),
)

CODES = (("85354-9 55284-4", "Blodtryck (85354-9, 55284-4)"), ("8867-4", "Puls (8867-4)"))
CONTACTS = (
    v.ContactCard(BJORKEN, "fast vårdkontakt", NOW - timedelta(days=20)),
    v.ContactCard(HEMTJANST, "", NOW - timedelta(days=2), NOW + timedelta(days=9)),
)

ASKED = v.AccessRequest(
    "q1",
    NOW - timedelta(hours=5),
    BJORKEN,
    "Maria Ek",
    "distriktssköterska",
    (Action.READ,),
    (Category.BLOOD_PRESSURE, Category.BODY_WEIGHT),
    Purpose.CARE,
)

EK = v.ActorLabel(
    ActorKind.STAFF,
    "Maria Ek",
    "SE2321000000-E1",
    "distriktssköterska",
    "Vårdcentralen Björken",
    "Region Exempel",
)
ENTRIES = (
    v.AccessEntry(
        "e1",
        NOW - timedelta(minutes=3),
        EK,
        EventKind.READ,
        Activity.READ,
        Purpose.CARE,
        (Category.BLOOD_PRESSURE,),
        rule=ALLOW,
        count=30,
    ),
    v.AccessEntry(
        "e2",
        NOW - timedelta(hours=2),
        v.ActorLabel(ActorKind.STAFF, "Jonas Hed", "", "läkare", "Medicinkliniken", "Region Annan"),
        EventKind.READ,
        Activity.READ,
        Purpose.CARE,
        (Category.BLOOD_PRESSURE, Category.GLUCOSE),
        Decision.REFUSE,
        "not-permitted",
    ),
    v.AccessEntry(
        "e3",
        NOW - timedelta(days=1),
        v.ActorLabel(ActorKind.CLIENT, "Mätarmolnet", provider="Exempelby kommun"),
        EventKind.ADD,
        Activity.WRITE,
        Purpose.CARE,
        (Category.HEART_RATE,),
        count=1,
    ),
    v.AccessEntry(
        "e4",
        NOW - timedelta(days=1, hours=3),
        v.ActorLabel(ActorKind.CITIZEN, "Anna Lindqvist", you=True),
        EventKind.GRANT,
        Activity.WRITE,
    ),
    v.AccessEntry(
        "e5",
        NOW - timedelta(days=4),
        v.ActorLabel(ActorKind.PROXY, "Karin Berg", title="guardian", for_name="Elsa Berg"),
        EventKind.IMPORT,
        Activity.WRITE,
        count=1204,
    ),
)
MET = v.Option("a1b2", "Maria Ek, distriktssköterska")
_SAME = tuple(
    replace(ENTRIES[0], id=f"v{n}", at=ENTRIES[0].at - timedelta(minutes=4 * n), rule=None) for n in range(3)
)
VISITS = (
    v.VisitCard(_SAME, _SAME[-1].at, _SAME[0].at),
    *(v.VisitCard((one,), one.at, one.at) for one in ENTRIES),
)
SIFTED = v.AccessesView(
    v.FormState(
        {
            "who": ("a1b2",),
            "unit": ("ffff",),
            "category": ("blood-pressure",),
            "purpose": ("TREAT",),
            "first": ("2026-01-01",),
        }
    ),
    VISITS[:1],
    "who=a1b2",
    (MET,),
    (v.Option("ffff", ""),),
    older="120",
    looked=4000,
)
REVIEWED = tuple(
    v.AccessEntry(
        e.id, e.at, e.actor, e.kind, e.activity, e.purpose, e.categories, e.decision, count=e.count, about=n
    )
    for e, n in zip(ENTRIES[:2], ("Anna Lindqvist", "Bo Nyman"), strict=True)
)

OPENED_BY_NURSE = replace(
    REVIEWED[0],
    id="c" * 32,
    kind=EventKind.EMERGENCY,
    activity=Activity.EMERGENCY,
    about="person 5f0e8a4b",
    categories=(),
    count=None,
)
_REASONS: dict[str, str | int] = {"count": 14, "minutes": 6, "usual": 3, "time": "23:12", "records": 820}
SIGNALS = tuple(
    s.SignalRow(
        replace(REVIEWED[0], id=f"{number:032x}"),
        Hit(bytes(16), rule, 90 - 4 * number, {**_REASONS, "also": "off-hours no-relation", "more": number}),
    )
    for number, rule in enumerate(Signal)
)
DRAWS = (
    k.DrawRow("a" * 64, NOW, "Olle Sund", NOW - timedelta(days=30), NOW - timedelta(days=1), 412, 9),
    k.DrawRow("b" * 64, NOW - timedelta(days=30), "Olle Sund"),
    k.DrawRow("", NOW - timedelta(days=60), "Olle Sund", is_finished=False),
)
RECORDS = (
    k.RecordRow(
        "a" * 64,
        NOW,
        "Olle Sund",
        NOW - timedelta(days=30),
        NOW - timedelta(days=1),
        Checked((Signature(Signatory("Olle Sund", "SE1", "Region Exempel"), NOW, Verdict.HOLDS),)),
    ),
    k.RecordRow(
        "b" * 64,
        NOW,
        "Olle Sund",
        NOW - timedelta(days=30),
        NOW - timedelta(days=1),
        Checked((Signature(Signatory("Olle Sund", "SE1"), None, Verdict.CHANGED),)),
    ),
    k.RecordRow("c" * 64, NOW, "Olle Sund", NOW - timedelta(days=30), NOW - timedelta(days=1), Checked(())),
    k.RecordRow("d" * 64, NOW, "Olle Sund"),
    k.RecordRow("", NOW, "Olle Sund", is_finished=False),
)
MONTHS = tuple((date(2025, 10 + n, 1), 12 + 3 * n, 4.5 + n) for n in range(3))
FIGURES = k.FiguresView(
    "Region Exempel",
    date(2025, 10, 1),
    date(2025, 12, 31),
    v.FormState({"first": ("2025-10-01",), "last": ("2025-12-31",)}),
    (k.UnitRow("Vårdcentralen Björken", 412, 31), k.UnitRow("Medicinkliniken", 0, 1)),
    {Outcome.JUSTIFIED: 28, Outcome.UNCLEAR: 2, Outcome.UNAUTHORISED: 1, Outcome.TECHNICAL: 1},
    4,
    1,
    timedelta(days=4, hours=12),
    timedelta(days=13),
    tuple(
        Chart(
            code,
            "",
            date(2025, 10, 1),
            date(2025, 12, 31),
            (
                Series(
                    code,
                    tuple(Point(datetime(m.year, m.month, 1, tzinfo=UTC), float(n)) for m, n, _ in MONTHS),
                ),
            ),
        )
        for code in ("decided", "days")
    ),
    MONTHS,
)
CASE = f"/review/cases/{'c' * 32}"
CASE_ROWS = (
    c.CaseRow(
        OPENED_BY_NURSE,
        (Hit(b"", "emergency", 100), Hit(b"", "question", 100)),
        NOW - timedelta(days=1),
        is_overdue=True,
        is_own=False,
        asked=NOW - timedelta(days=3),
        explained=NOW - timedelta(days=2),
    ),
    c.CaseRow(
        REVIEWED[0],
        (Hit(b"", "question", 100),),
        NOW + timedelta(days=5),
        is_overdue=False,
        is_own=False,
        asked=NOW,
    ),
    c.CaseRow(
        replace(OPENED_BY_NURSE, id="d" * 32),
        (Hit(b"", "emergency", 100),),
        NOW + timedelta(days=9),
        is_overdue=False,
        is_own=True,
    ),
)
SAID = (
    c.SaidLine(Step.QUESTION, NOW - timedelta(days=4), ""),
    c.SaidLine(Step.ASKED, NOW - timedelta(days=3), "Olle Sund", "Varför öppnade du valvet den dagen?"),
    c.SaidLine(Step.EXPLAINED, NOW - timedelta(days=2), "Maria Ek", "Patienten kom in\nmed ambulans."),
    c.SaidLine(
        Step.DECIDED,
        NOW - timedelta(days=1),
        "Olle Sund",
        "Det framgår inte av journalen.",
        Outcome.UNCLEAR,
        "Samtal med enhetschefen.",
        "Du kom in med ambulans, men vi kan inte säga mer än så.",
    ),
    c.SaidLine(Step.DECIDED, NOW, "Olle Sund", outcome=Outcome.UNCLEAR),
)
ASKED_ROWS = (
    c.AskedRow(
        OPENED_BY_NURSE,
        "Varför öppnade du valvet?",
        "Olle Sund",
        NOW,
        NOW + timedelta(days=7),
        is_overdue=False,
    ),
    c.AskedRow(
        replace(OPENED_BY_NURSE, id="d" * 32),
        "Varför öppnade du valvet?",
        "Olle Sund",
        NOW - timedelta(days=9),
        NOW - timedelta(days=2),
        is_overdue=True,
    ),
    c.AskedRow(
        replace(REVIEWED[0], id="e" * 32),
        "Varför läste du?",
        "Olle Sund",
        NOW - timedelta(days=20),
        NOW - timedelta(days=13),
        is_overdue=False,
        answer="Patienten var på besök.",
        answered=NOW - timedelta(days=15),
    ),
)
QUESTIONS = (
    c.QuestionRow(ENTRIES[0], NOW, NOW + timedelta(days=14), is_overdue=False),
    c.QuestionRow(
        replace(ENTRIES[0], id="f" * 32), NOW - timedelta(days=20), NOW - timedelta(days=6), is_overdue=True
    ),
    c.QuestionRow(
        replace(ENTRIES[0], id="9" * 32),
        NOW - timedelta(days=40),
        NOW - timedelta(days=26),
        is_overdue=False,
        answer="Du var på besök hos oss den dagen.",
        by="Olle Sund",
        answered=NOW - timedelta(days=30),
    ),
)

REVIEW = v.ReviewView(
    "Region Exempel",
    REVIEWED,
    v.FormState({"show": ("all",)}),
    (v.Option("SE2321000000-E1", "Maria Ek"),),
    (v.Option("SE2321000000-B1", "Vårdcentralen Björken"),),
    reads=31,
    refused=1,
    older="20",
    witnesses=(v.WitnessView("vittne.region-nord.example/w1", NOW),),
)
OPENED = v.Urgent(
    PATIENT,
    NOW - timedelta(minutes=20),
    NOW + timedelta(minutes=40),
    "Medvetslös på akuten, ingen anhörig nås",
    is_over=False,
    blocked=("", "Region Exempel"),
)
OVER = replace(OPENED, at=NOW - timedelta(days=1), ends=NOW, is_over=True, blocked=())
OPENINGS = (
    v.OpeningCard(
        "a1" * 16,
        NOW - timedelta(hours=1),
        "Maria Ek",
        "distriktssköterska",
        "Vårdcentralen Björken",
        "Region Exempel",
        "Medvetslös på akuten, ingen anhörig nås",
        (
            replace(ENTRIES[0], activity=Activity.EMERGENCY, rule=None),
            replace(ENTRIES[0], id="e9", activity=Activity.EMERGENCY, rule=None, categories=MEASUREMENTS),
            replace(ENTRIES[1], activity=Activity.EMERGENCY),
        ),
    ),
    v.OpeningCard(
        "b2" * 16, NOW - timedelta(days=40), "Jonas Hed", "läkare", "Medicinkliniken", "Region Annan", "", ()
    ),
    v.OpeningCard(
        "c3" * 16,
        NOW - timedelta(days=400),
        "Jonas Hed",
        "läkare",
        "Medicinkliniken",
        "Region Annan",
        "Medvetslös på akuten",
        (),
        is_whole=False,
    ),
)
OPENED_LATELY = v.AccessEntry("e8", NOW, EK, EventKind.EMERGENCY, Activity.EMERGENCY, Purpose.CARE)
NO_REASON = v.FormState(
    {"reason": ("akut",)},
    (
        v.FieldError("reason", v.FieldProblem.REASON_LENGTH),
        v.FieldError("confirm", v.FieldProblem.NOT_CONFIRMED),
    ),
)

DONE = v.ImportView(
    "i1",
    v.ImportState.DONE,
    NOW,
    "Apple Hälsa",
    13044,
    12980,
    52,
    12,
    (
        v.Rejection("rad 118", "Värdet är inte ett tal: ”--”"),
        v.Rejection("rad 4 031", "Enheten ”bananer” är okänd för puls"),
    ),
    can_undo=True,
)

PERSONAS = (
    v.Persona("anna", "Anna Lindqvist", v.PersonaGroup.CITIZENS, "19850709-9805", 40),
    v.Persona("bo", "Bo Nyman", v.PersonaGroup.CITIZENS, "19540915-9306", 71),
    v.Persona("karin", "Karin Berg", v.PersonaGroup.CITIZENS, "", 38, guardian_of="Elsa Berg"),
    v.Persona("vidar", "Vidar Holm", v.PersonaGroup.CITIZENS, "", 51, protected=True),
    v.Persona(
        "nurse-vc",
        "Maria Ek",
        v.PersonaGroup.STAFF,
        detail="distriktssköterska, Vårdcentralen Björken, Region Exempel",
    ),
    v.Persona("homecare", "Sara Lund", v.PersonaGroup.STAFF, detail="undersköterska, Hemtjänsten Norr"),
    v.Persona(
        "supervisor-region", "Olle Sund", v.PersonaGroup.SUPERVISORS, detail="logggranskare, Region Exempel"
    ),
    v.Persona("client-meter", "Mätarmolnet", v.PersonaGroup.SYSTEMS, detail="Exempelby kommun"),
)

BAD_PRESSURE = v.FormState(
    {"measure": ("blood-pressure",), "systolic": ("hundra",), "diastolic": ("84",), "date": ("2026-03-14",)},
    (v.FieldError("systolic", v.FieldProblem.NOT_A_NUMBER), v.FieldError("time", v.FieldProblem.NOT_A_TIME)),
)
RULE_FORM = v.FormState(
    {
        "effect": ("allow",),
        "grantee": (BJORKEN.key,),
        "actions": ("read",),
        "categories": ("blood-pressure", "heart-rate"),
        "valid_to": ("2026-01-01",),
    },
    (v.FieldError("valid_to", v.FieldProblem.IN_THE_PAST),),
)
CHANGES = (
    v.Change(BJORKEN, 12, (Action.READ,), {Category.BLOOD_PRESSURE: 1401, Category.HEART_RATE: 0}),
    v.Change(HEMTJANST, 1, (Action.ADD,), {Category.BLOOD_PRESSURE: None}),
)
DIRECTORY = (BJORKEN, HEMTJANST, ROLE, REGION, v.GranteeLabel(GranteeKind.NETWORK, "", ""))
MINE = f"/staff/patients/{PATIENT}"

#: name → (template, view, chrome)
PROXY = v.GranteeLabel(GranteeKind.PROXY, "ab" * 16, "")
MANDATE = v.MandateCard(
    replace(ALLOW, grantee=PROXY, actions=(Action.READ, Action.MANAGE)),
    "Min bror Ali",
    Relation.REPRESENTATIVE,
    has_document=True,
)
ENDED = v.MandateCard(
    replace(ADD, grantee=PROXY, in_force=False, valid_to=NOW), "", Relation.RELATIVE, is_over=True
)

PAGES: dict[str, tuple[str, object, v.Chrome]] = {
    "login": ("login.html", v.LoginView(PERSONAS), chrome("/login", None, v.Notice.LOGGED_OUT)),
    "choose-commission": (
        "choose.html",
        v.ChooseView(
            for_staff=True,
            options=(
                v.ChoiceOption("c1", "Vård och behandling", "Vårdcentralen Björken", "Region Exempel"),
                v.ChoiceOption("c2", "Vård och behandling", "Jourmottagningen", "Region Exempel"),
            ),
        ),
        chrome("/commission", NURSE),
    ),
    "choose-person": (
        "choose.html",
        v.ChooseView(
            for_staff=False,
            options=(v.ChoiceOption("self", "Karin Berg", own=True), v.ChoiceOption("e", "Elsa Berg")),
        ),
        chrome("/commission", v.Who("Karin Berg", v.Role.CITIZEN)),
    ),
    "overview": (
        "overview.html",
        v.OverviewView((PRESSURES[0], WEIGHT, PULSE, SYMPTOM), ENTRIES[:3], (ASKED,), 3),
        chrome("/", ANNA),
    ),
    "overview-opened": (
        "overview.html",
        v.OverviewView(
            (WEIGHT,), (OPENED_LATELY,), (), 1, openings=(OPENED_LATELY, replace(OPENED_LATELY, id="e7"))
        ),
        chrome("/", KARIN),
    ),
    "emergencies": (
        "emergencies.html",
        v.EmergenciesView(OPENINGS, has_said_no=False, may_say_no=True),
        chrome("/sharing/emergencies", ANNA),
    ),
    "emergencies-no": (
        "emergencies.html",
        v.EmergenciesView((), has_said_no=True, may_say_no=True),
        chrome("/sharing/emergencies", ANNA, v.Notice.EMERGENCY_REFUSED),
    ),
    "emergencies-proxy": (
        "emergencies.html",
        v.EmergenciesView(OPENINGS[:1], has_said_no=False, may_say_no=False),
        chrome("/sharing/emergencies", KARIN),
    ),
    "emergencies-child": (
        "emergencies.html",
        v.EmergenciesView((), has_said_no=False, may_say_no=False),
        chrome("/sharing/emergencies", ANNA),
    ),
    "emergency": ("emergency.html", v.EmergencyView(PATIENT, 60), chrome(f"{MINE}/emergency", NURSE)),
    "emergency-errors": (
        "emergency.html",
        v.EmergencyView(PATIENT, 1440, NO_REASON),
        chrome(f"{MINE}/emergency", NURSE, urgent=OVER),
    ),
    "emergency-odd": ("emergency.html", v.EmergencyView(PATIENT, 45), chrome(f"{MINE}/emergency", NURSE)),
    "patient-opened": (
        "patient.html",
        v.PatientView(
            PATIENT,
            "Anna Lindqvist",
            (PRESSURES[0],),
            TREND,
            (Category.BLOOD_PRESSURE,),
            (),
            can_open=True,
        ),
        chrome(MINE, NURSE, v.Notice.EMERGENCY_OPENED, OPENED),
    ),
    "patient-opened-empty": (
        "patient.html",
        v.PatientView(PATIENT, "", (), None, tuple(Category), (), can_open=True),
        chrome(MINE, NURSE, None, replace(OPENED, blocked=())),
    ),
    "refused-over": (
        "refused.html",
        v.RefusedView(PATIENT, can_open=True),
        chrome(MINE, NURSE, urgent=OVER),
    ),
    "overview-empty": ("overview.html", v.OverviewView(()), chrome("/", ANNA)),
    "overview-proxy": ("overview.html", v.OverviewView((WEIGHT,), ENTRIES[4:], (), 1), chrome("/", KARIN)),
    "measurements": (
        "measurements.html",
        v.MeasurementsView(
            (v.CategoryCount(Category.BLOOD_PRESSURE, 412), v.CategoryCount(Category.HEART_RATE, 8760)), TREND
        ),
        chrome("/measurements?category=blood-pressure&period=90d", ANNA, v.Notice.VALUE_ADDED),
    ),
    "measurements-pulse": (
        "measurements.html",
        v.MeasurementsView(
            (v.CategoryCount(Category.HEART_RATE, 8760),),
            v.Trend(Category.HEART_RATE, v.Period.YEAR, (PULSE_CHART,), (PULSE, SYMPTOM, WEIGHT), 4380),
        ),
        chrome("/measurements", ANNA),
    ),
    "measurements-none": ("measurements.html", v.MeasurementsView((), None), chrome("/measurements", ANNA)),
    "add-choose": ("add.html", v.AddView(MEASURES, None, v.FormState()), chrome("/measurements/add", ANNA)),
    "add": (
        "add.html",
        v.AddView(MEASURES, BY_ID["body-weight"], v.FormState({"date": ("2026-03-14",), "time": ("10:30",)})),
        chrome("/measurements/add?measure=body-weight", ANNA),
    ),
    "add-errors": (
        "add.html",
        v.AddView(MEASURES, BY_ID["blood-pressure"], BAD_PRESSURE),
        chrome("/measurements/add", ANNA),
    ),
    "imports": ("imports.html", v.ImportsView((DONE,)), chrome("/imports", ANNA)),
    "imports-error": (
        "imports.html",
        v.ImportsView(
            (), v.FormState({"rehearse": ("1",)}, (v.FieldError("file", v.FieldProblem.UNKNOWN_FORMAT),))
        ),
        chrome("/imports", ANNA),
    ),
    "import-running": (
        "import.html",
        v.ImportView("i2", v.ImportState.RUNNING, NOW, "Apple Hälsa", 4120, done_share=0.34),
        chrome("/imports/i2", ANNA),
    ),
    "import-queued": (
        "import.html",
        v.ImportView("i3", v.ImportState.QUEUED, NOW),
        chrome("/imports/i3", ANNA),
    ),
    "import-done": ("import.html", DONE, chrome("/imports/i1", ANNA)),
    "import-rehearsed": (
        "import.html",
        v.ImportView("i4", v.ImportState.REHEARSED, NOW, "FHIR", 10, 8, 2, rehearsal=True),
        chrome("/imports/i4", ANNA),
    ),
    "import-failed": (
        "import.html",
        v.ImportView("i5", v.ImportState.FAILED, NOW, problem="Filen innehåller egna entiteter."),
        chrome("/imports/i5", ANNA),
    ),
    "import-cancelled": (
        "import.html",
        v.ImportView("i6", v.ImportState.CANCELLED, NOW),
        chrome("/imports/i6", ANNA),
    ),
    "import-fragment": (
        "_import_state.html",
        v.ImportView("i2", v.ImportState.RUNNING, NOW, "Apple Hälsa", 4120, done_share=0.34),
        chrome("/imports/i2", ANNA),
    ),
    "sharing": (
        "sharing.html",
        v.SharingView(
            (
                v.GranteeRules(BJORKEN, (ALLOW,)),
                v.GranteeRules(HEMTJANST, (ADD,)),
                v.GranteeRules(REGION, (BLOCK,)),
            ),
            (ASKED,),
        ),
        chrome("/sharing", ANNA, v.Notice.RULE_SAVED),
    ),
    "sharing-paused": (
        "sharing.html",
        v.SharingView((v.GranteeRules(REGION, (LIFTED,)),), (), NOW, CONTACTS, 1204),
        chrome("/sharing", ANNA, v.Notice.SHARING_PAUSED),
    ),
    "seers": (
        "seers.html",
        v.SeersView(
            Category.BLOOD_PRESSURE,
            (
                v.SeerRow(BJORKEN, 12, Action.READ, (ALLOW,)),
                v.SeerRow(HEMTJANST, 1, Action.ADD, (ADD,)),
            ),
        ),
        chrome("/sharing/seers", ANNA),
    ),
    "seers-nobody": (
        "seers.html",
        v.SeersView(Category.BLOOD_PRESSURE, (), "00202601-0000000000000007"),
        chrome("/sharing/seers", ANNA),
    ),
    "see-as": (
        "see_as.html",
        r.SeeAsView(
            BJORKEN,
            (BJORKEN, HEMTJANST),
            v.FormState({"who": ("bj",)}),
            {Category.BLOOD_PRESSURE: (12, 1401), Category.BODY_WEIGHT: (0, 365)},
            (NURSE_THERE,),
            NURSE_THERE,
        ),
        chrome("/sharing/as", ANNA),
    ),
    "see-as-nobody": (
        "see_as.html",
        r.SeeAsView(None, (), v.FormState({"who": ("xyz",)})),
        chrome("/sharing/as", ANNA),
    ),
    "contacts": (
        "contacts.html",
        v.ContactsView(CONTACTS, (BJORKEN, HEMTJANST), v.FormState({"who": ("bj",)})),
        chrome("/sharing/contacts", ANNA),
    ),
    "contacts-none": (
        "contacts.html",
        v.ContactsView(
            (),
            (BJORKEN,),
            v.FormState({"who": ("bj",)}, (v.FieldError("grantee", v.FieldProblem.UNKNOWN_GRANTEE),)),
        ),
        chrome("/sharing/contacts", ANNA),
    ),
    "sharing-paper": (
        "sharing.html",
        v.SharingView(
            (
                v.GranteeRules(BJORKEN, (PAPER, replace(PAPER, id="r5", pending=False))),
                v.GranteeRules(HEMTJANST, (replace(PAPER, id="r6", actions=(Action.ADD,)),)),
                v.GranteeRules(REGION, (replace(BLOCK, id="r7", helper=PAPER.helper, pending=True),)),
            )
        ),
        chrome("/sharing", ANNA),
    ),
    "overview-paper": (
        "overview.html",
        v.OverviewView((), papers=(replace(PAPER, actions=(Action.READ,)),)),
        chrome("/", ANNA),
    ),
    "confirm": (
        "confirm.html",
        ConfirmView(PAPER, CHANGES, (), NOW, "Samtycke på papper. Förvaras: pärm 3"),
        chrome("/sharing/r4/confirm", ANNA),
    ),
    "confirm-block": (
        "confirm.html",
        ConfirmView(replace(BLOCK, helper=PAPER.helper, pending=True), (), ()),
        chrome("/sharing/r3/confirm", ANNA),
    ),
    "paper": (
        "paper.html",
        PaperFormView(
            PATIENT, (BJORKEN, ROLE, REGION), v.FormState({"effect": ("allow",), "actions": ("add",)})
        ),
        chrome(f"{MINE}/paper", NURSE),
    ),
    "paper-errors": (
        "paper.html",
        PaperFormView(
            PATIENT,
            (BJORKEN, REGION),
            v.FormState(
                {"effect": ("block",), "who": ("bj",)},
                (
                    v.FieldError("grantee", v.FieldProblem.UNKNOWN_GRANTEE),
                    v.FieldError("signed", v.FieldProblem.NOT_SIGNED_LATELY),
                ),
            ),
            MEASUREMENTS,
        ),
        chrome(f"{MINE}/paper", NURSE),
    ),
    "paper-sent": ("paper.html", PaperFormView(PATIENT, (), sent=True), chrome(f"{MINE}/paper", NURSE)),
    "move": (
        "move.html",
        MoveView((PlaceCard(BJORKEN, 2, 1), PlaceCard(REGION, 2, 0)), (LeftCard(HEMTJANST, NOW),)),
        chrome("/sharing/move", ANNA),
    ),
    "move-nothing": ("move.html", MoveView(()), chrome("/sharing/move", ANNA)),
    "leave": (
        "leave.html",
        LeaveView(BJORKEN, (ALLOW,), CONTACTS[:1], CHANGES),
        chrome(f"/sharing/move?from={BJORKEN.key}", ANNA),
    ),
    "proposals-search": (
        "proposals.html",
        ProposalsView(BJORKEN, (), None, (), v.FormState({"who": ("xyz",)})),
        chrome("/sharing/move/new", ANNA, v.Notice.PLACE_LEFT),
    ),
    "proposals": (
        "proposals.html",
        ProposalsView(
            BJORKEN,
            (HEMTJANST,),
            HEMTJANST,
            (
                ProposalCard("r1", BJORKEN, rule=replace(ALLOW, grantee=HEMTJANST), gains=CHANGES),
                ProposalCard("r2", BJORKEN, rule=replace(ADD, grantee=HEMTJANST)),
                ProposalCard(BJORKEN.key, BJORKEN, contact=replace(CONTACTS[0], grantee=HEMTJANST)),
                *(ProposalCard(f"m-{why}", ROLE, missing=why) for why in Missing),
            ),
            v.FormState({"who": ("hem",)}, (v.FieldError("accept", v.FieldProblem.CHOOSE_SOME),)),
        ),
        chrome("/sharing/move/new", ANNA),
    ),
    "proposals-none": (
        "proposals.html",
        ProposalsView(BJORKEN, (HEMTJANST,), HEMTJANST, ()),
        chrome("/sharing/move/new", ANNA),
    ),
    "sharing-proxy": ("sharing.html", v.SharingView(()), chrome("/sharing", KARIN)),
    "mandates": (
        "mandates.html",
        v.MandatesView((MANDATE, ENDED)),
        chrome("/mandates", ANNA, v.Notice.MANDATE_GIVEN),
    ),
    "mandates-none": ("mandates.html", v.MandatesView(()), chrome("/mandates", ANNA)),
    "mandates-own": ("mandates.html", v.MandatesView((MANDATE,), may_give=False), chrome("/mandates", ALI)),
    "mandate-form": ("mandate_form.html", v.MandateFormView(v.FormState()), chrome("/mandates/new", ANNA)),
    "mandate-form-errors": (
        "mandate_form.html",
        v.MandateFormView(
            v.FormState(
                {"relation": ("relative",), "proxy": ("ab" * 16,), "actions": ("read",)},
                (
                    v.FieldError("number", v.FieldProblem.ONESELF),
                    v.FieldError("called", v.FieldProblem.REQUIRED),
                    v.FieldError("valid_to", v.FieldProblem.END_OR_OPEN),
                ),
            )
        ),
        chrome("/mandates/new", ANNA),
    ),
    "mandate-preview": (
        "mandate_preview.html",
        v.MandatePreviewView(
            MANDATE,
            (v.Change(PROXY, 1, (Action.READ,), {Category.BLOOD_PRESSURE: 120}),),
            v.FormState({"called": ("Min bror Ali",)}, (v.FieldError("file", v.FieldProblem.NO_FILE),)),
            needs_document=True,
        ),
        chrome("/mandates/new", ANNA),
    ),
    "inherited": ("inherited.html", v.InheritedView((ALLOW, ADD)), chrome("/inherited", ANNA)),
    "inherited-none": ("inherited.html", v.InheritedView(()), chrome("/inherited", ANNA)),
    "overview-ombud": (
        "overview.html",
        v.OverviewView((), may=v.May(add=True, imports=False, share=True, log=False)),
        chrome("/", ALI),
    ),
    "rule-form": (
        "rule_form.html",
        v.RuleFormView(Effect.ALLOW, DIRECTORY, v.FormState()),
        chrome("/sharing/new", ANNA),
    ),
    "rule-form-errors": (
        "rule_form.html",
        v.RuleFormView(Effect.ALLOW, DIRECTORY, RULE_FORM, MEASUREMENTS),
        chrome("/sharing/new", ANNA),
    ),
    "rule-form-block": (
        "rule_form.html",
        v.RuleFormView(Effect.BLOCK, DIRECTORY, v.FormState()),
        chrome("/sharing/new?effect=block", ANNA),
    ),
    "rule-form-change": (
        "rule_form.html",
        v.RuleFormView(
            Effect.ALLOW,
            (),
            v.FormState(
                {"rule": ("r1",), "codes": ("85354-9 55284-4",), "sources": ("mine", "device:Meter")}
            ),
            codes=CODES,
            devices=("device:Meter",),
            changed=BJORKEN,
        ),
        chrome("/sharing/r1/change", ANNA),
    ),
    "rule-form-block-finely": (
        "rule_form.html",
        v.RuleFormView(
            Effect.BLOCK,
            DIRECTORY,
            v.FormState(
                {
                    "spares": (BJORKEN.key,),
                    "sources": (HEMTJANST.key,),
                    "spare_who": ("xyz",),
                    "reach": ("outer",),
                    "but": ("1",),
                },
                (
                    v.FieldError("sources", v.FieldProblem.CHOOSE_WRITER),
                    v.FieldError("codes", v.FieldProblem.CODES_ELSEWHERE),
                ),
            ),
            codes=CODES,
            spares=(BJORKEN,),
            writers=(HEMTJANST,),
        ),
        chrome("/sharing/new?effect=block", ANNA),
    ),
    "rule": (
        "rule.html",
        r.RuleView(NARROWED, VERSIONS[1:], ENTRIES[:1], may_change=True, may_end=True),
        chrome("/sharing/r1", ANNA, v.Notice.RULE_SAVED),
    ),
    "rule-ended": ("rule.html", r.RuleView(NARROWED, VERSIONS, (), ended=True), chrome("/sharing/r1", ANNA)),
    "rule-block": (
        "rule.html",
        r.RuleView(
            BLOCK,
            (r.RuleVersion(3, None, None, BLOCK),),
            None,
            may_change=True,
            may_end=True,
            may_lift=True,
            form=v.FormState(
                {"until": ("2020-01-01",)}, (v.FieldError("until", v.FieldProblem.IN_THE_PAST),)
            ),
        ),
        chrome("/sharing/r3", ANNA),
    ),
    "rule-lifted": (
        "rule.html",
        r.RuleView(LIFTED, (_EVERY_TERM, VERSIONS[2]), (), may_change=True, may_end=True, may_lift=True),
        chrome("/sharing/r3", ANNA, v.Notice.BLOCK_LIFTED),
    ),
    "lift": ("lift.html", r.LiftView(BLOCK, NOW.date(), CHANGES, ()), chrome("/sharing/r3/lift", ANNA)),
    "lift-back": ("lift.html", r.LiftView(LIFTED, None, (), CHANGES), chrome("/sharing/r3/lift", ANNA)),
    "lift-nothing": ("lift.html", r.LiftView(LIFTED, None, (), ()), chrome("/sharing/r3/lift", ANNA)),
    "decision": (
        "decision.html",
        r.DecisionView(
            ENTRIES[0],
            version=4,
            agrees=True,
            logged=r.VerdictLine(Decision.PERMIT, (Category.BLOOD_PRESSURE,)),
            made=r.VerdictLine(Decision.PERMIT, (Category.BLOOD_PRESSURE,)),
            rules=(ALLOW, BLOCK),
        ),
        chrome("/accesses/e1", ANNA),
    ),
    "decision-disagrees": (
        "decision.html",
        r.DecisionView(
            ENTRIES[0],
            version=4,
            logged=r.VerdictLine(Decision.PERMIT, (Category.BLOOD_PRESSURE,)),
            made=r.VerdictLine(Decision.REFUSE, (Category.BLOOD_PRESSURE,), "not-permitted"),
        ),
        chrome("/accesses/e1", ANNA),
    ),
    "decision-unknown": (
        "decision.html",
        r.DecisionView(None, Unknown.UNREADABLE),
        chrome("/accesses/e1", ANNA),
    ),
    "then": ("then.html", THEN, chrome("/sharing/then", ANNA)),
    "then-error": (
        "then.html",
        replace(
            THEN,
            rows=(),
            form=v.FormState({"day": ("2030-01-01",)}, (v.FieldError("day", v.FieldProblem.IN_THE_FUTURE),)),
        ),
        chrome("/sharing/then", ANNA),
    ),
    "then-nobody": ("then.html", replace(THEN, rows=()), chrome("/sharing/then", ANNA)),
    "see-as-records": (
        "see_as_records.html",
        r.SeeAsRecordsView(
            BJORKEN, NURSE_THERE, Category.BLOOD_PRESSURE, PRESSURES, 412, "c5", is_older=True
        ),
        chrome("/sharing/as/records", ANNA),
    ),
    "see-as-records-none": (
        "see_as_records.html",
        r.SeeAsRecordsView(BJORKEN, None, None, (), 0),
        chrome("/sharing/as/records", ANNA),
    ),
    "preview": ("preview.html", v.PreviewView(ALLOW, CHANGES, (), RULE_FORM), chrome("/sharing/new", ANNA)),
    "preview-block": (
        "preview.html",
        v.PreviewView(BLOCK, (), CHANGES, RULE_FORM),
        chrome("/sharing/new", ANNA),
    ),
    "revoke": ("revoke.html", v.RevokeView(ALLOW, (), CHANGES), chrome("/sharing/r1/revoke", ANNA)),
    "revoke-block": ("revoke.html", v.RevokeView(BLOCK, CHANGES), chrome("/sharing/r3/revoke", ANNA)),
    "request": ("request.html", v.RequestView(ASKED), chrome("/requests/q1", ANNA)),
    "accesses": (
        "accesses.html",
        v.AccessesView(
            v.FormState({"show": ("all",)}), VISITS, "show=all", (MET,), (v.Option("c4d5", "Enheten"),), "120"
        ),
        chrome("/accesses?show=all", ANNA),
    ),
    "accesses-none": ("accesses.html", v.AccessesView(v.FormState(), ()), chrome("/accesses", ANNA)),
    "accesses-further": ("accesses.html", SIFTED, chrome("/accesses?who=a1b2", ANNA)),
    "accesses-print": (
        "accesses_print.html",
        v.AccessesPrintView("Anna Lindqvist", NOW, v.AccessShow.PEOPLE, SIFTED, 7),
        chrome("/accesses/print", ANNA),
    ),
    "accesses-print-none": (
        "accesses_print.html",
        v.AccessesPrintView("Anna Lindqvist", NOW, v.AccessShow.ALL, v.AccessesView(v.FormState(), ()), 0),
        chrome("/accesses/print", ANNA),
    ),
    "notices": (
        "notices.html",
        v.NoticesView(
            Tell.FIRST,
            ENTRIES[:2],
            v.FormState(),
            frozenset({ENTRIES[0].id}),
            address="anna@example.se",
            confirmed=True,
            failed=True,
        ),
        chrome("/notices", ANNA),
    ),
    "notices-code": (
        "notices.html",
        v.NoticesView(
            Tell.EVERY,
            (),
            v.FormState({}, (v.FieldError("code", v.FieldProblem.WRONG_CODE),)),
            address="anna@example.se",
            awaits_code=True,
        ),
        chrome("/notices", ANNA),
    ),
    "notices-error": (
        "notices.html",
        v.NoticesView(
            Tell.EVERY,
            (),
            v.FormState(
                {"tell": ("every",), "address": ("anna",)},
                (v.FieldError("address", v.FieldProblem.NOT_AN_ADDRESS),),
            ),
        ),
        chrome("/notices", ANNA),
    ),
    "notices-no-mail": (
        "notices.html",
        v.NoticesView(Tell.EMERGENCY, (), v.FormState(), has_mail=False),
        chrome("/notices", ANNA),
    ),
    "own-accesses": (
        "own_accesses.html",
        v.OwnAccessesView(tuple(replace(one, about="person 1f2e3d4c") for one in ENTRIES[:2]), "77"),
        chrome("/staff/accesses", NURSE),
    ),
    "own-accesses-none": ("own_accesses.html", v.OwnAccessesView(()), chrome("/staff/accesses", SUPERVISOR)),
    "proof": (
        "proof.html",
        ProofView(
            "halsovalvet/0123456789abcdef+00112233+AQ==",
            v.FormState({"from": ("2026-02-12",), "to": ("2026-03-14",)}),
        ),
        chrome("/accesses/proof", ANNA),
    ),
    "proof-found": (
        "proof.html",
        ProofView(
            "halsovalvet/0123456789abcdef+00112233+AQ==",
            v.FormState({"from": ("2026-02-12",), "to": ("2026-03-14",)}),
            SilenceCard(date(2026, 2, 12), date(2026, 3, 14), 1, 0),
        ),
        chrome("/accesses/proof", ANNA),
    ),
    "proof-error": (
        "proof.html",
        ProofView(
            "halsovalvet/0123456789abcdef+00112233+AQ==",
            v.FormState(
                {"from": ("2020-01-01",), "to": ("2026-03-14",)},
                (v.FieldError("from", v.FieldProblem.TOO_MANY_ENTRIES),),
            ),
        ),
        chrome("/accesses/proof", ANNA),
    ),
    "find": ("find.html", v.FindView(), chrome("/staff", NURSE)),
    "find-error": (
        "find.html",
        v.FindView(
            v.FormState(
                {"personal_number": ("1212",)},
                (v.FieldError("personal_number", v.FieldProblem.NOT_A_PERSONAL_NUMBER),),
            )
        ),
        chrome("/staff", NURSE),
    ),
    "patient": (
        "patient.html",
        v.PatientView(
            PATIENT,
            "Anna Lindqvist",
            (PRESSURES[0],),
            TREND,
            (Category.BLOOD_PRESSURE,),
            (Category.BODY_WEIGHT,),
        ),
        chrome(MINE, NURSE),
    ),
    "patient-add-only": (
        "patient.html",
        v.PatientView(PATIENT, "Anna Lindqvist", (), None, (), (Category.BODY_WEIGHT,)),
        chrome(MINE, NURSE),
    ),
    "patient-add": (
        "add.html",
        v.AddView(MEASURES, BY_ID["body-weight"], v.FormState(), PATIENT, "Anna Lindqvist"),
        chrome(f"{MINE}/add", NURSE),
    ),
    "refused": ("refused.html", v.RefusedView(PATIENT), chrome(MINE, NURSE)),
    "ask": ("ask.html", v.AskView(PATIENT), chrome(f"{MINE}/request", NURSE)),
    "ask-errors": (
        "ask.html",
        v.AskView(
            PATIENT,
            v.FormState({"actions": ("read",)}, (v.FieldError("categories", v.FieldProblem.CHOOSE_SOME),)),
            MEASUREMENTS,
        ),
        chrome(f"{MINE}/request", NURSE),
    ),
    "ask-sent": ("ask.html", v.AskView(PATIENT, sent=True), chrome(f"{MINE}/request", NURSE)),
    "review": ("review.html", REVIEW, chrome("/review", SUPERVISOR)),
    "review-alarm": (
        "review.html",
        replace(
            REVIEW,
            witnesses=(
                v.WitnessView("vittne.region-nord.example/w1", NOW, AlarmKind.ROLLED_BACK),
                v.WitnessView(
                    "vittne.ovre-norrlands-kommunalforbund.example/halsovalvet/w1", None, AlarmKind.FORKED
                ),
                v.WitnessView("vittne.myndighet.example/w1", None, AlarmKind.UNREADABLE),
            ),
        ),
        chrome("/review", SUPERVISOR),
    ),
    "review-owed": (
        "review.html",
        v.ReviewView("Region Exempel", (), v.FormState(), owed=4, overdue=1),
        chrome("/review", SUPERVISOR),
    ),
    "find-asked": ("find.html", v.FindView(is_asked=True), chrome("/staff", NURSE)),
    "cases": ("cases.html", c.CasesView("Region Exempel", CASE_ROWS), chrome("/review/cases", SUPERVISOR)),
    "cases-none": ("cases.html", c.CasesView("Region Exempel", ()), chrome("/review/cases", SUPERVISOR)),
    "case": (
        "case.html",
        c.CaseView(
            OPENED_BY_NURSE,
            (REVIEWED[0],),
            "Medvetslös på akuten, ingen anhörig nås",
            SAID[:3],
            NOW - timedelta(days=1),
            is_overdue=True,
            is_own=False,
            outcome=None,
            is_opening=True,
            waits=True,
        ),
        chrome(CASE, SUPERVISOR),
    ),
    "case-decided": (
        "case.html",
        c.CaseView(
            OPENED_BY_NURSE,
            (),
            "",
            SAID,
            None,
            is_overdue=False,
            is_own=False,
            outcome=Outcome.UNCLEAR,
            is_opening=True,
        ),
        chrome(CASE, SUPERVISOR, v.Notice.USER_ASKED),
    ),
    "case-own": (
        "case.html",
        c.CaseView(
            REVIEWED[0],
            (),
            "",
            (),
            NOW + timedelta(days=3),
            is_overdue=False,
            is_own=True,
            outcome=None,
            is_alone=True,
        ),
        chrome(CASE, SUPERVISOR),
    ),
    "case-errors": (
        "case.html",
        c.CaseView(
            REVIEWED[0],
            (),
            "",
            (),
            None,
            is_overdue=False,
            is_own=False,
            outcome=None,
            waits=True,
            ask=v.FormState({"text": ("kort",)}, (v.FieldError("text", v.FieldProblem.TEXT_LENGTH),)),
            decide=v.FormState(
                {"motive": ("kort",)},
                (
                    v.FieldError("outcome", v.FieldProblem.CHOOSE_ONE),
                    v.FieldError("motive", v.FieldProblem.TEXT_LENGTH),
                ),
            ),
        ),
        chrome(CASE, SUPERVISOR),
    ),
    "draws": (
        "draws.html",
        k.DrawsView("Region Exempel", DRAWS),
        chrome("/review/draws", SUPERVISOR, v.Notice.DRAWN),
    ),
    "draws-errors": (
        "draws.html",
        k.DrawsView(
            "Region Exempel",
            (),
            v.FormState({"last": ("2027-01-01",)}, (v.FieldError("last", v.FieldProblem.TO_COME),)),
        ),
        chrome("/review/draws", SUPERVISOR),
    ),
    "draw": (
        "draw.html",
        k.DrawView(
            DRAWS[0],
            "5e" * 32,
            "d1" * 32,
            2.0,
            3,
            200,
            (k.StratumRow("Vårdcentralen Björken", EventKind.READ, 412, 9),),
            is_same_population=True,
            is_same=True,
        ),
        chrome("/review/draws", SUPERVISOR),
    ),
    "draw-other": (
        "draw.html",
        k.DrawView(DRAWS[0], "5e" * 32, "d1" * 32, 2.0, 3, 200, (), is_same_population=False, is_same=False),
        chrome("/review/draws", SUPERVISOR),
    ),
    "records": (
        "records.html",
        k.RecordsView("Region Exempel", RECORDS),
        chrome("/review/records", SUPERVISOR, v.Notice.RECORD_MADE),
    ),
    "records-none": (
        "records.html",
        k.RecordsView("Region Exempel", ()),
        chrome("/review/records", SUPERVISOR),
    ),
    "figures": ("figures.html", FIGURES, chrome("/review/figures", SUPERVISOR)),
    "figures-none": (
        "figures.html",
        k.FiguresView("Region Exempel", date(2026, 1, 1), date(2026, 3, 1), v.FormState()),
        chrome("/review/figures", SUPERVISOR),
    ),
    "figures-errors": (
        "figures.html",
        k.FiguresView(
            "Region Exempel",
            date(2026, 1, 1),
            date(2026, 1, 1),
            v.FormState({}, (v.FieldError("first", v.FieldProblem.NOT_A_DATE),)),
        ),
        chrome("/review/figures", SUPERVISOR),
    ),
    "signals": (
        "signals.html",
        s.SignalsView(
            "Region Exempel",
            v.FormState({"first": ("2026-02-12",), "last": ("2026-03-14",)}),
            SIGNALS,
            date(2026, 2, 12),
            date(2026, 3, 14),
            31_412,
            118,
        ),
        chrome("/review/signals", SUPERVISOR),
    ),
    "signals-none": (
        "signals.html",
        s.SignalsView("Region Exempel", v.FormState(), (), date(2026, 2, 12), date(2026, 3, 14)),
        chrome("/review/signals", SUPERVISOR),
    ),
    "signals-errors": (
        "signals.html",
        s.SignalsView("Region Exempel", v.FormState({}, (v.FieldError("first", v.FieldProblem.TOO_LONG),))),
        chrome("/review/signals", SUPERVISOR),
    ),
    "asked": (
        "asked.html",
        c.AskedView(
            ASKED_ROWS,
            v.FormState({"text": ("kort",)}, (v.FieldError("text", v.FieldProblem.TEXT_LENGTH),)),
            "c" * 32,
        ),
        chrome("/staff/asked", NURSE, v.Notice.EXPLAINED),
    ),
    "asked-none": ("asked.html", c.AskedView(()), chrome("/staff/asked", NURSE)),
    "questions": (
        "questions.html",
        c.QuestionsView(QUESTIONS),
        chrome("/questions", ANNA, v.Notice.QUESTION_SENT),
    ),
    "questions-none": ("questions.html", c.QuestionsView(()), chrome("/questions", ANNA)),
} | {
    f"error-{status}": (
        "error.html",
        v.ErrorView(status, 30 if status in (429, 503) else None, "7f3a91"),
        chrome("/", None if status == 401 else ANNA),
    )
    for status in (400, 401, 403, 404, 409, 413, 429, 500, 503)
}
