"""Made-up views for every page: what the template tests render and what is looked at."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from app.web import views as v
from app.web.chart import Band, Chart, Point, Series
from app.web.measures import BY_ID, MEASURES
from audit.events import Activity, ActorKind, Decision, EventKind
from identity.principal import Relation
from policies.vocabulary import MEASUREMENTS, Action, Category, Effect, GranteeKind, Purpose
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


def chrome(here: str, who: v.Who | None, notice: v.Notice | None = None) -> v.Chrome:
    """Return what stands around a sample page."""
    return v.Chrome(here, "c5rf" * 16, demo=True, who=who, notice=notice)


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
REVIEWED = tuple(
    v.AccessEntry(
        e.id, e.at, e.actor, e.kind, e.activity, e.purpose, e.categories, e.decision, count=e.count, about=n
    )
    for e, n in zip(ENTRIES[:2], ("Anna Lindqvist", "Bo Nyman"), strict=True)
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
OVER = v.MandateCard(
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
        v.SharingView((v.GranteeRules(REGION, (LIFTED,)),), (), NOW, CONTACTS),
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
        v.SeeAsView(
            BJORKEN,
            (BJORKEN, HEMTJANST),
            v.FormState({"who": ("bj",)}),
            {Category.BLOOD_PRESSURE: (12, 1401), Category.BODY_WEIGHT: (0, 365)},
        ),
        chrome("/sharing/as", ANNA),
    ),
    "see-as-nobody": (
        "see_as.html",
        v.SeeAsView(None, (), v.FormState({"who": ("xyz",)})),
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
    "sharing-proxy": ("sharing.html", v.SharingView(()), chrome("/sharing", KARIN)),
    "mandates": (
        "mandates.html",
        v.MandatesView((MANDATE, OVER)),
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
        v.AccessesView(v.AccessShow.ALL, ENTRIES, "120"),
        chrome("/accesses?show=all", ANNA),
    ),
    "accesses-none": ("accesses.html", v.AccessesView(v.AccessShow.PEOPLE, ()), chrome("/accesses", ANNA)),
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
    "review": (
        "review.html",
        v.ReviewView(
            "Region Exempel",
            REVIEWED,
            v.FormState({"show": ("all",)}),
            (v.Option("SE2321000000-E1", "Maria Ek"),),
            (v.Option("SE2321000000-B1", "Vårdcentralen Björken"),),
            reads=31,
            refused=1,
            older="20",
        ),
        chrome("/review", SUPERVISOR),
    ),
} | {
    f"error-{status}": (
        "error.html",
        v.ErrorView(status, 30 if status in (429, 503) else None, "7f3a91"),
        chrome("/", None if status == 401 else ANNA),
    )
    for status in (400, 401, 403, 404, 409, 413, 429, 500, 503)
}
