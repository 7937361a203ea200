"""View models: what each page is given, typed; and the table of the pages.

A page is (template, view, chrome, language) and nothing else: templates word, handlers fill. Views carry
enums, numbers, times and names, never sentences; sentences stand in the templates and in :mod:`app.web.words`.
Every page but ``/login`` needs a session. Every POST carries the hidden field ``_csrf_token`` (``Chrome.csrf``).
Wherever a handler answers a POST with a form again, it does so with status 400 (or 413) and the form's errors.

==========================================  =========================================  ====================  ======================
Method and path                             Query or form fields (* = needed)          View                  Template
==========================================  =========================================  ====================  ======================
any                                         ``lang`` = sv, en (kept in a cookie)
GET  /login                                                                            LoginView             login.html
POST /login                                 persona*                                   → 303 / or /commission
POST /logout                                                                           → 303 /login
GET  /commission                                                                       ChooseView            choose.html
POST /commission                            choice* (ChoiceOption.id)                  → 303 /
GET  /              (citizen, proxy)                                                   OverviewView          overview.html
GET  /              (staff, supervisor)                                                → 303 /staff, /review
GET  /measurements                          category, period (Period), before (cursor) MeasurementsView      measurements.html
GET  /measurements/add                      measure (MeasureForm.id)                   AddView               add.html
POST /measurements/add                      measure*, date*, time*, each field's name* → 303 /measurements   add.html if errors
GET  /imports                                                                          ImportsView           imports.html
POST /imports                               file*, rehearse (1)                        → 303 /imports/{id}   imports.html if errors
GET  /imports/{id}                                                                     ImportView            import.html
GET  /imports/{id}/progress                 (asked by the page itself, a fragment)     ImportView            _import_state.html
POST /imports/{id}/undo                                                                → 303 /imports
GET  /sharing                                                                          SharingView           sharing.html
GET  /sharing/new                           effect (allow, block), who                 RuleFormView          rule_form.html
POST /sharing/preview                       effect*, grantee* (kind:id), actions*,     PreviewView           preview.html, or
                                            categories*, but (1 = all but these), codes,                     rule_form.html if errors
                                            sources, spares (kind:id), reach (inner,                         or look (1)
                                            outer), data_from, data_to, valid_from,
                                            valid_to (dates), while_related; rule (id)
                                            to change one; look, spare_who, writer_who
POST /sharing                               the same; change (1) = back to the form    → 303 /sharing        rule_form.html if errors
GET  /sharing/{rule_id}/revoke                                                         RevokeView            revoke.html
POST /sharing/{rule_id}/revoke                                                         → 303 /sharing
GET  /sharing/{rule_id}                                                                RuleView              rule.html
GET  /sharing/{rule_id}/change                                                         RuleFormView          rule_form.html
GET  /sharing/{rule_id}/receipt                                                        the signed receipt
GET  /sharing/{rule_id}/consent                                                        the FHIR Consent
GET  /sharing/{rule_id}/lift                until (day; empty = put back)              LiftView              lift.html, or
                                                                                                             rule.html if errors
POST /sharing/{rule_id}/lift                until (day; empty = put back)              → 303 the rule
POST /sharing/pause                         pause* (1, 0)                              → 303 /sharing
GET  /sharing/{rule_id}/confirm             (of what was entered from paper)           ConfirmView           confirm.html
POST /sharing/{rule_id}/confirm                                                        → 303 /sharing
GET  /sharing/seers                         category, record                           SeersView             seers.html
GET  /sharing/then                          category, day                              ThenView              then.html
GET  /sharing/as                            who, unit, whom (kind:id)                  SeeAsView             see_as.html
GET  /sharing/as/records                    unit*, whom, category, before (cursor)     SeeAsRecordsView      see_as_records.html
GET  /sharing/contacts                      who                                        ContactsView          contacts.html
POST /sharing/contacts                      grantee* (kind:id), role, who              → 303 /sharing/contacts
POST /sharing/contacts/end                  grantee*                                   → 303 /sharing/contacts
GET  /sharing/move                          from (kind:id)                             MoveView; with from   move.html
                                                                                       LeaveView             leave.html
POST /sharing/move                          from*                                      → 303 /sharing/move/new
GET  /sharing/move/new                      from*, who, unit                           ProposalsView         proposals.html
POST /sharing/move/new                      from*, unit*, accept* (ProposalCard.key)   → 303 /sharing        proposals.html if errors
GET  /sharing/emergencies                                                              EmergenciesView       emergencies.html
POST /sharing/emergencies                   answer* (no, yes)                          → 303 the same
GET  /mandates                                                                         MandatesView          mandates.html
GET  /mandates/new                                                                     MandateFormView       mandate_form.html
POST /mandates/preview                      number* (or proxy), called*, relation*,    MandatePreviewView    mandate_preview.html, or
                                            actions*, categories*, valid_from,                               mandate_form.html if errors
                                            valid_to or open*; change (1)
POST /mandates                              the same, and file (multipart)             → 303 /mandates       mandate_preview.html
POST /mandates/{rule_id}/end                                                           → 303 /mandates
GET  /mandates/{rule_id}/document                                                      (the file)
GET  /inherited                                                                        InheritedView         inherited.html
POST /inherited/{rule_id}                   keep* (1, 0)                               → 303 /inherited
GET  /requests/{id}                                                                    RequestView           request.html
POST /requests/{id}                         answer* (accept, decline); to accept:      → 303 /sharing        request.html if errors
                                            categories*, actions*, valid_to
GET  /accesses                              show (AccessShow), who, unit, category,    AccessesView          accesses.html
                                            purpose, first, last, before (cursor)
GET  /accesses/print                        the same but before                        AccessesPrintView     accesses_print.html
GET  /accesses/download                     as /accesses                               (the file: AuditEvents)
GET  /notices                                                                          NoticesView           notices.html
POST /notices                               tell*, address                             → 303 the same        notices.html if errors
POST /notices/confirm                       code*                                      → 303 the same        notices.html if errors
GET  /accesses/proof                        from, to (days)                            ProofView             proof.html
GET  /accesses/silence                      from*, to* (days)                          (the silence proof)
GET  /accesses/{id}/receipt                                                            (the receipt)
GET  /verify.py             (anyone)                                                   (the program)
GET  /verify.key            (anyone)                                                   (the log's key)
GET  /accesses/{id}                                                                    DecisionView          decision.html
POST /accesses/{id}/question                                                           → 303 /questions
GET  /questions                                                                        QuestionsView         questions.html
GET  /staff                                                                            FindView              find.html
POST /staff                                 personal_number*                           → 303 /staff/patients/{id}
GET  /staff/accesses                        before (cursor)                            OwnAccessesView       own_accesses.html
GET  /staff/patients/{id}                   category, period, before (cursor)          PatientView, or 403   patient.html
                                                                                       with RefusedView      refused.html
GET  /staff/patients/{id}/add               measure                                    AddView               add.html
POST /staff/patients/{id}/add               as /measurements/add                       → 303 the patient     add.html if errors
GET  /staff/patients/{id}/request                                                      AskView               ask.html
POST /staff/patients/{id}/request           categories*, actions*, purpose*            → 303 the same        ask.html if errors
GET  /staff/patients/{id}/paper             who                                        PaperFormView         paper.html
POST /staff/patients/{id}/paper             effect*, grantee*, actions*, categories*,  → 303 the same        paper.html if errors
                                            valid_to, signed* (day), kept*, who
GET  /staff/patients/{id}/emergency                                                    EmergencyView         emergency.html
POST /staff/patients/{id}/emergency         reason*, confirm* (1)                      → 303 the patient     emergency.html if errors
GET  /staff/asked                                                                      AskedView             asked.html
POST /staff/asked/{id}                      text*                                      → 303 /staff/asked    asked.html if errors
GET  /review/cases                                                                     CasesView             cases.html
GET  /review/cases/{id}                                                                CaseView              case.html
POST /review/cases/{id}                     step* (ask, decide); to ask: text*; to     → 303 the case, or    case.html if errors
                                            decide: outcome*, motive*, measures,       /review/cases
                                            answer (* where a citizen asked)
GET  /review/draws                                                                     DrawsView             draws.html
POST /review/draws                          first*, last* (days)                       → 303 /review/draws   draws.html if errors
GET  /review/draws/{id}                     (drawn again)                              DrawView              draw.html
GET  /review/records                                                                   RecordsView           records.html
POST /review/records                        first*, last* (days)                       → 303 /review/records records.html if errors
GET  /review/records/{id}                                                              (the signed file)
GET  /review/signals                        first, last (days)                         SignalsView           signals.html
GET  /review/figures                        first, last (days)                         FiguresView           figures.html
GET  /review                                day, user, unit, show (AccessShow), before ReviewView            review.html
any error                                                                              ErrorView             error.html
==========================================  =========================================  ====================  ======================

After a change, redirect to the page with ``?done=<Notice>`` and set ``Chrome.notice`` from it. A refused patient
and one who does not exist get the very same RefusedView.
"""  # noqa: E501 - the table reads as a table

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from app.web.chart import Chart
from app.web.measures import MeasureForm
from audit.events import Activity, ActorKind, Decision, EventKind
from audit.witnessed import AlarmKind
from identity.principal import Relation
from policies.vocabulary import Action, Category, Effect, GranteeKind, Purpose
from sharing.asking import RequestState
from sharing.notices import Tell
from vault.record import AuthorKind, Origin

# --- around every page ---


class Role(StrEnum):
    """Whose navigation a page shows."""

    CITIZEN = "citizen"
    PROXY = "proxy"
    STAFF = "staff"
    SUPERVISOR = "supervisor"


class Notice(StrEnum):
    """What was just done, said once at the top of the next page."""

    VALUE_ADDED = "value-added"
    RULE_SAVED = "rule-saved"
    RULE_REVOKED = "rule-revoked"
    SHARING_PAUSED = "sharing-paused"
    SHARING_RESUMED = "sharing-resumed"
    CONTACT_LISTED = "contact-listed"
    CONTACT_STRUCK = "contact-struck"
    MANDATE_GIVEN = "mandate-given"
    MANDATE_ENDED = "mandate-ended"
    RULE_ANSWERED = "rule-answered"
    BLOCK_LIFTED = "block-lifted"
    BLOCK_PUT_BACK = "block-put-back"
    PLACE_LEFT = "place-left"
    PROPOSALS_ACCEPTED = "proposals-accepted"
    REQUEST_ACCEPTED = "request-accepted"
    REQUEST_DECLINED = "request-declined"
    REQUEST_SENT = "request-sent"
    PAPER_SENT = "paper-sent"
    PAPER_CONFIRMED = "paper-confirmed"
    EMERGENCY_OPENED = "emergency-opened"
    EMERGENCY_REFUSED = "emergency-refused"
    EMERGENCY_ALLOWED = "emergency-allowed"
    IMPORT_UNDONE = "import-undone"
    USER_ASKED = "user-asked"
    CASE_DECIDED = "case-decided"
    EXPLAINED = "explained"
    QUESTION_SENT = "question-sent"
    DRAWN = "drawn"
    RECORD_MADE = "record-made"
    NOTICES_CHOSEN = "notices-chosen"
    ADDRESS_CONFIRMED = "address-confirmed"
    LOGGED_OUT = "logged-out"


@dataclass(frozen=True, slots=True)
class Who:
    """Who is logged in: name, role; for a proxy whom for and as what; for staff title, commission, unit, provider.

    ``can_switch`` says that there is another commission, or another person to act for, to choose.
    """

    name: str
    role: Role
    acting_for: str = ""
    relation: Relation | None = None
    title: str = ""
    commission: str = ""
    unit: str = ""
    provider: str = ""
    can_switch: bool = False


@dataclass(frozen=True, slots=True)
class Urgent:
    """An emergency opening of a patient's vault, on every page of theirs: from when, until when, why, if it is over.

    ``blocked`` names the providers to ask about what is blocked (empty for what is the citizen's own), or nobody.
    """

    patient: str
    at: datetime
    ends: datetime
    reason: str
    is_over: bool
    blocked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chrome:
    """What stands around a page. ``here`` is a path with query that GET answers, for the language links."""

    here: str
    csrf: str
    demo: bool
    who: Who | None = None
    notice: Notice | None = None
    urgent: Urgent | None = None


# --- forms ---


class FieldProblem(StrEnum):
    """What is wrong with one field."""

    REQUIRED = "required"
    CHOOSE_ONE = "choose-one"
    CHOOSE_SOME = "choose-some"
    NOT_A_NUMBER = "not-a-number"
    OUT_OF_RANGE = "out-of-range"
    TOO_MANY_DECIMALS = "too-many-decimals"
    NOT_BELOW_SYSTOLIC = "not-below-systolic"
    NOT_A_DATE = "not-a-date"
    NOT_A_TIME = "not-a-time"
    IN_THE_FUTURE = "in-the-future"
    IN_THE_PAST = "in-the-past"
    END_BEFORE_START = "end-before-start"
    NOT_A_PERSONAL_NUMBER = "not-a-personal-number"
    TOO_MANY_LOOKUPS = "too-many-lookups"
    UNKNOWN_GRANTEE = "unknown-grantee"
    NO_FILE = "no-file"
    EMPTY_FILE = "empty-file"
    FILE_TOO_LARGE = "file-too-large"
    UNKNOWN_FORMAT = "unknown-format"
    MAY_NOT_ADD = "may-not-add"
    CHOOSE_WRITER = "choose-writer"
    CODES_ELSEWHERE = "codes-elsewhere"
    SYSTEM_READS = "system-reads"
    NOT_SIGNED_LATELY = "not-signed-lately"
    REASON_LENGTH = "reason-length"
    NOT_CONFIRMED = "not-confirmed"
    ONESELF = "oneself"
    END_OR_OPEN = "end-or-open"
    MAY_NOT_SHARE = "may-not-share"
    TEXT_LENGTH = "text-length"
    TO_COME = "to-come"
    TOO_LONG = "too-long"
    NOT_AN_ADDRESS = "not-an-address"
    WRONG_CODE = "wrong-code"
    CODE_JUST_SENT = "code-just-sent"
    TOO_MANY_ENTRIES = "too-many-entries"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One problem at one field."""

    field: str
    problem: FieldProblem


@dataclass(frozen=True, slots=True)
class FormState:
    """What a form holds: its fields as they were typed, and what is wrong with them."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    errors: tuple[FieldError, ...] = ()

    def value(self, name: str) -> str:
        """Return a field's first value, or nothing."""
        return next(iter(self.values.get(name, ())), "")

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a field."""
        return tuple(self.values.get(name, ()))

    def problem(self, name: str) -> FieldProblem | None:
        """Return a field's first problem."""
        return next((error.problem for error in self.errors if error.field == name), None)


# --- log in, choose ---


class PersonaGroup(StrEnum):
    """How the demo's personas are grouped."""

    CITIZENS = "citizens"
    STAFF = "staff"
    SUPERVISORS = "supervisors"
    SYSTEMS = "systems"


@dataclass(frozen=True, slots=True)
class Persona:
    """A made-up person of the demo. ``detail`` holds names only: a title, a unit, a child's name."""

    id: str
    name: str
    group: PersonaGroup
    identifier: str = ""
    age: int | None = None
    detail: str = ""
    guardian_of: str = ""
    protected: bool = False


@dataclass(frozen=True, slots=True)
class LoginView:
    """The demo's persona picker."""

    personas: tuple[Persona, ...]

    def of(self, group: PersonaGroup) -> tuple[Persona, ...]:
        """Return one group's personas."""
        return tuple(p for p in self.personas if p.group is group)


@dataclass(frozen=True, slots=True)
class ChoiceOption:
    """One commission (name, unit, provider), or one person to act for (name, as what; ``own`` for oneself)."""

    id: str
    name: str
    unit: str = ""
    provider: str = ""
    own: bool = False
    relation: Relation | None = None


@dataclass(frozen=True, slots=True)
class ChooseView:
    """Choose the active commission, or whom to act for."""

    for_staff: bool
    options: tuple[ChoiceOption, ...]
    form: FormState = field(default_factory=FormState)


# --- values ---


class Period(StrEnum):
    """How far back a page looks."""

    DAYS_30 = "30d"
    DAYS_90 = "90d"
    YEAR = "1y"
    YEARS_5 = "5y"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Reading:
    """One value as shown: LOINC ``code`` (``display`` where we have no word), numbers and UCUM unit.

    ``numbers`` holds two for blood pressure. ``source`` is what came where that was another unit
    (``"160 lb"``). ``text`` stands where there is no number; a summary has no ``author``.
    """

    category: Category
    code: str
    at: datetime
    author: AuthorKind | None
    author_name: str
    numbers: tuple[Decimal, ...] = ()
    unit: str = ""
    display: str = ""
    text: str = ""
    source: str = ""
    organisation: str = ""
    device: str = ""
    origin: Origin = Origin.FORM


@dataclass(frozen=True, slots=True)
class CategoryCount:
    """A category and how many records of it there are (None: not told)."""

    category: Category
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Trend:
    """One category over one period: charts and readings, newest first. ``total`` counts the whole period.

    ``older`` is the cursor of the table's next page, or empty; ``is_older`` says that this is not its first.
    """

    category: Category
    period: Period
    charts: tuple[Chart, ...]
    readings: tuple[Reading, ...]
    total: int
    older: str = ""
    is_older: bool = False


@dataclass(frozen=True, slots=True)
class May:
    """What a first page offers: to add, import, share, see who looked; ``inherited``: there is more to answer."""

    add: bool = True
    imports: bool = True
    share: bool = True
    log: bool = True
    inherited: bool = False


@dataclass(frozen=True, slots=True)
class OverviewView:
    """The citizen's first page: latest value by category, what is new, what to do next.

    ``openings`` are emergency openings that the reader has not looked at yet, ``news`` how many notices; ``answered``
    tells that a question of theirs about the log has an answer that they have not looked at.
    """

    latest: tuple[Reading, ...]
    accesses: tuple["AccessEntry", ...] = ()
    requests: tuple["AccessRequest", ...] = ()
    rules: int = 0
    papers: tuple["RuleCard", ...] = ()
    openings: tuple["AccessEntry", ...] = ()
    answered: bool = False
    news: int = 0
    may: May = field(default_factory=May)


@dataclass(frozen=True, slots=True)
class MeasurementsView:
    """The citizen's own values. ``trend`` is None where there is nothing at all."""

    categories: tuple[CategoryCount, ...]
    trend: Trend | None


@dataclass(frozen=True, slots=True)
class AddView:
    """Add a value: first which measure, then its form. ``patient`` is the opaque id when staff add."""

    measures: tuple[MeasureForm, ...]
    measure: MeasureForm | None
    form: FormState
    patient: str = ""
    patient_name: str = ""


# --- imports ---


class ImportState(StrEnum):
    """Where an import stands (the words of /api/imports)."""

    QUEUED = "queued"
    RUNNING = "running"
    REHEARSED = "rehearsed"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more will happen by itself."""
        return self not in (ImportState.QUEUED, ImportState.RUNNING)


@dataclass(frozen=True, slots=True)
class Rejection:
    """One row that was not taken: where in the file, and why."""

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImportView:
    """One import. ``done_share`` is 0 to 1 where it is known; ``problem`` says why a failed one failed."""

    id: str
    state: ImportState
    started: datetime
    format: str = ""
    read: int = 0
    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    rejections: tuple[Rejection, ...] = ()
    done_share: float | None = None
    problem: str = ""
    rehearsal: bool = False
    can_undo: bool = False


@dataclass(frozen=True, slots=True)
class ImportsView:
    """Import a file, and the imports so far, newest first."""

    jobs: tuple[ImportView, ...]
    form: FormState = field(default_factory=FormState)
    max_megabytes: int = 2048


# --- sharing ---


@dataclass(frozen=True, slots=True)
class GranteeLabel:
    """Whom a rule names: kind, id, name, and what it lies within (a unit's provider, a provider's region).

    ``allowed`` tells an allow's network, which is the citizen's contacts, from a block's, which is everyone.
    """

    kind: GranteeKind
    id: str
    name: str
    within: str = ""
    allowed: bool = False

    @property
    def key(self) -> str:
        """The form's value for this grantee."""
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True)
class RuleCard:
    """A rule as it is shown. ``author`` is a name where somebody other than the reader made it.

    ``helper`` tells who entered it from paper (name, title, units); ``pending`` that nobody has confirmed it yet.
    ``lifted_until`` is when a lift ends that holds now; ``lifts`` is when the last one of this version ends or ended.
    """

    id: str
    effect: Effect
    grantee: GranteeLabel
    actions: tuple[Action, ...]
    categories: tuple[Category, ...]
    purposes: tuple[Purpose, ...] = ()
    codes: tuple[str, ...] = ()
    data_from: date | None = None
    data_to: date | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    created: datetime | None = None
    author: str = ""
    in_force: bool = True
    sources: tuple[str, ...] = ()
    records: int = 0
    spares: tuple[GranteeLabel, ...] = ()
    while_related: bool = False
    lifted_until: datetime | None = None
    helper: str = ""
    pending: bool = False
    lifts: datetime | None = None
    writers: tuple[GranteeLabel, ...] = ()

    @property
    def by_device(self) -> tuple[str, ...]:
        """The devices that the rule names."""
        return tuple(one.partition(":")[2] for one in self.sources if one.startswith("device:"))


@dataclass(frozen=True, slots=True)
class GranteeRules:
    """One grantee and every rule that names it."""

    grantee: GranteeLabel
    rules: tuple[RuleCard, ...]


@dataclass(frozen=True, slots=True)
class SharingView:
    """Who may see what: rules by grantee, what staff have asked for, since when all is paused, and the contacts.

    ``resealing`` is how many locks wait for the keys of the newest rules.
    """

    grantees: tuple[GranteeRules, ...]
    requests: tuple["AccessRequest", ...] = ()
    paused: datetime | None = None
    contacts: tuple["ContactCard", ...] = ()
    resealing: int = 0

    @property
    def papers(self) -> tuple[RuleCard, ...]:
        """What was entered from paper and waits for the citizen's word."""
        return tuple(rule for one in self.grantees for rule in one.rules if rule.pending)

    manages_all: bool = True


@dataclass(frozen=True, slots=True)
class MandateCard:
    """One who acts for the citizen: the rule, what the owner calls them, as what, and whether there is a paper."""

    rule: RuleCard
    called: str
    relation: Relation
    has_document: bool = False
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class MandatesView:
    """Those who act for the citizen; to a proxy, their own mandates."""

    mandates: tuple[MandateCard, ...]
    may_give: bool = True


@dataclass(frozen=True, slots=True)
class MandateFormView:
    """A new mandate. The form never holds the number again; ``proxy`` stands for it."""

    form: FormState
    categories: tuple[Category, ...] = tuple(Category)


@dataclass(frozen=True, slots=True)
class MandatePreviewView:
    """What a mandate would let somebody do, before it is saved, and the paper to go with it."""

    mandate: MandateCard
    gains: tuple["Change", ...]
    form: FormState
    needs_document: bool
    max_megabytes: int = 5


@dataclass(frozen=True, slots=True)
class InheritedView:
    """What a guardian decided before the young person could."""

    rules: tuple[RuleCard, ...]


@dataclass(frozen=True, slots=True)
class ContactCard:
    """Somebody whom the citizen lists as theirs, and what they call it."""

    grantee: "GranteeLabel"
    role: str
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class ContactsView:
    """The contacts, and a new one to choose among what a search found."""

    contacts: tuple[ContactCard, ...]
    found: tuple["GranteeLabel", ...]
    form: FormState


@dataclass(frozen=True, slots=True)
class SeerRow:
    """Who can see or add to a category, how many people that is, and by which rules."""

    grantee: "GranteeLabel"
    people: int
    action: Action
    rules: tuple["RuleCard", ...]


@dataclass(frozen=True, slots=True)
class SeersView:
    """Who can see this: a category, or one of its records (its id)."""

    category: Category
    rows: tuple[SeerRow, ...]
    record: str = ""
    categories: tuple[Category, ...] = tuple(Category)


@dataclass(frozen=True, slots=True)
class RuleFormView:
    """An allow or a block, new or ``changed`` (whom it names then stands). ``directory`` is what the search found.

    ``spares`` and ``writers`` are those chosen and found: whom a block spares, and who wrote what it is about.
    ``codes`` are single values to choose among (value, name), ``devices`` sources that were chosen elsewhere.
    """

    effect: Effect
    directory: tuple[GranteeLabel, ...]
    form: FormState
    categories: tuple[Category, ...] = tuple(Category)
    codes: tuple[tuple[str, str], ...] = ()
    spares: tuple[GranteeLabel, ...] = ()
    writers: tuple[GranteeLabel, ...] = ()
    devices: tuple[str, ...] = ()
    changed: GranteeLabel | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What people of one place gain or lose: how many they are, and of each category how many records, if told."""

    grantee: GranteeLabel
    people: int
    actions: tuple[Action, ...]
    records: Mapping[Category, int | None]


@dataclass(frozen=True, slots=True)
class PreviewView:
    """What a rule would change, before it is saved. ``form`` carries the fields on."""

    rule: RuleCard
    gains: tuple[Change, ...]
    loses: tuple[Change, ...]
    form: FormState


@dataclass(frozen=True, slots=True)
class RevokeView:
    """A rule about to end, what is lost (or, for a block, gained again) by it."""

    rule: RuleCard
    gains: tuple[Change, ...] = ()
    loses: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """What staff of a unit ask for; accepting makes the rule for ``grantee``."""

    id: str
    at: datetime
    grantee: GranteeLabel
    staff_name: str
    staff_title: str
    actions: tuple[Action, ...]
    categories: tuple[Category, ...]
    purpose: Purpose
    state: RequestState = RequestState.OPEN


@dataclass(frozen=True, slots=True)
class RequestView:
    """One request, to accept as asked or narrowed, or to decline."""

    request: AccessRequest
    form: FormState = field(default_factory=FormState)


# --- accesses ---


class AccessShow(StrEnum):
    """Which entries a list of accesses shows."""

    PEOPLE = "people"
    REFUSED = "refused"
    AUTOMATIC = "automatic"
    EMERGENCY = "emergency"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class ActorLabel:
    """Who acted, in names. ``you`` marks the reader."""

    kind: ActorKind
    name: str
    id: str = ""
    title: str = ""
    unit: str = ""
    provider: str = ""
    for_name: str = ""
    relation: Relation | None = None
    you: bool = False


@dataclass(frozen=True, slots=True)
class AccessEntry:
    """One entry of the log, as a person can judge it: who, what, why, when, by which rule, how much.

    ``about`` names the citizen in a supervisor's list. ``rule`` is None where no rule decided. ``count`` is
    how many records were released or written, None where that is not known. ``looked`` is what of the owner's matters
    was looked at, where nothing of the vault was read.
    """

    id: str
    at: datetime
    actor: ActorLabel
    kind: EventKind
    activity: Activity
    purpose: Purpose | None = None
    categories: tuple[Category, ...] = ()
    decision: Decision = Decision.PERMIT
    reason: str = ""
    rule: RuleCard | None = None
    count: int | None = None
    about: str = ""
    looked: str = ""

    @property
    def can_be_asked(self) -> bool:
        """Tell whether an organisation did it, whose supervisors can be asked why."""
        return self.actor.kind in (ActorKind.STAFF, ActorKind.CLIENT)

    @property
    def can_be_tried(self) -> bool:
        """Tell whether it was decided by the citizen's rules, so that it can be decided again by them."""
        decided = self.kind in (EventKind.READ, EventKind.EXPORT, EventKind.ADD, EventKind.VIEW)
        return decided and self.activity is not Activity.EMERGENCY

    @property
    def automatic(self) -> bool:
        """Tell whether a program acted rather than a person."""
        return self.actor.kind in (ActorKind.CLIENT, ActorKind.SYSTEM)


@dataclass(frozen=True, slots=True)
class VisitCard:
    """What one actor did in a row, newest first, and when it began and ended."""

    entries: tuple[AccessEntry, ...]
    begins: datetime
    ends: datetime

    @property
    def at(self) -> datetime:
        """When its newest act was made."""
        return self.entries[0].at

    @property
    def actor(self) -> ActorLabel:
        """Who it was."""
        return self.entries[0].actor


@dataclass(frozen=True, slots=True)
class AccessesView:
    """Who has looked, by visit, newest first.

    ``form`` holds the filter: show, who, unit, category, purpose, first, last. ``people`` and ``units`` are those
    that stand in what was looked through, each by an id that says nothing to others.
    ``query`` is the filter as an address has it; ``older`` the cursor of the next page, or empty; ``looked`` how many
    entries were looked through where that ended the search before enough were found, else 0.
    """

    form: FormState
    visits: tuple[VisitCard, ...]
    query: str = ""
    people: tuple["Option", ...] = ()
    units: tuple["Option", ...] = ()
    older: str = ""
    looked: int = 0

    @property
    def is_narrowed(self) -> bool:
        """Tell whether the filter asks for more than one of the lists."""
        return any(self.form.value(name) for name in self.form.values if name != "show")


@dataclass(frozen=True, slots=True)
class AccessesPrintView:
    """The log of a whole period, to be printed: whose, made when, by which filter. ``older`` where it is not whole."""

    whose: str
    made: datetime
    show: AccessShow
    accesses: AccessesView
    count: int


@dataclass(frozen=True, slots=True)
class NoticesView:
    """What somebody is told of, and how: ``entries`` newest first, of which the ids in ``new`` were not looked at yet.

    ``address`` gets mail once it is ``confirmed``; till then it ``awaits_code``. ``has_mail`` tells whether this
    installation sends any, ``failed`` that the last one was not taken.
    """

    tell: Tell
    entries: tuple[AccessEntry, ...]
    form: FormState
    new: frozenset[str] = frozenset()
    address: str = ""
    confirmed: bool = False
    awaits_code: bool = False
    has_mail: bool = True
    failed: bool = False

    @property
    def chosen(self) -> FormState:
        """The form of the choice: as it was sent where that was wrong, else as it is kept."""
        if self.form.values:
            return self.form
        return FormState({"tell": (self.tell,), "address": (self.address,)}, self.form.errors)


@dataclass(frozen=True, slots=True)
class OpeningCard:
    """An emergency opening: when, by whom, why (empty where only the log still tells), and what was read under it.

    ``is_whole`` is false where the log was not looked through so far back, so that there may be more.
    """

    id: str
    at: datetime
    name: str
    title: str
    unit: str
    provider: str
    reason: str
    reads: tuple[AccessEntry, ...]
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class EmergenciesView:
    """Who opened the vault in an emergency, newest first; whether that was refused in advance, and who may say so."""

    openings: tuple[OpeningCard, ...]
    has_said_no: bool
    may_say_no: bool


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a filter."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class WitnessView:
    """Where the log stands with one witness; ``at`` is when it cosigned last, ``alarm`` that it refused the log."""

    name: str
    at: datetime | None = None
    alarm: AlarmKind | None = None


@dataclass(frozen=True, slots=True)
class OwnAccessesView:
    """What staff themselves did on the commission they act on, newest first; whose it was by pseudonym."""

    entries: tuple[AccessEntry, ...]
    older: str = ""


@dataclass(frozen=True, slots=True)
class ReviewView:
    """The accesses of an organisation's own staff. ``form`` holds the filter: day, user, unit, show.

    ``owed`` is how many accesses wait for a decision, ``overdue`` how many of them have waited too long.
    """

    organisation: str
    entries: tuple[AccessEntry, ...]
    form: FormState
    users: tuple[Option, ...] = ()
    units: tuple[Option, ...] = ()
    reads: int = 0
    refused: int = 0
    older: str = ""
    owed: int = 0
    overdue: int = 0
    witnesses: tuple[WitnessView, ...] = ()


# --- staff ---


@dataclass(frozen=True, slots=True)
class FindView:
    """Find a citizen by personal number. ``is_asked``: a supervisor waits for an answer of the reader's."""

    form: FormState = field(default_factory=FormState)
    is_asked: bool = False


@dataclass(frozen=True, slots=True)
class PatientView:
    """What one citizen shares with the active commission; nothing here tells whether there is more.

    ``can_open`` says that an emergency opening is these staff's to make. Under one, there may be no name to show.
    """

    patient: str
    name: str
    latest: tuple[Reading, ...]
    trend: Trend | None
    readable: tuple[Category, ...]
    addable: tuple[Category, ...]
    can_open: bool = False


@dataclass(frozen=True, slots=True)
class RefusedView:
    """Nothing may be read or added here; the same whether the citizen has a vault or not.

    ``can_open`` says that an emergency opening is these staff's to make, whoever the citizen is.
    """

    patient: str
    can_open: bool = False


@dataclass(frozen=True, slots=True)
class EmergencyView:
    """Open a citizen's vault in an emergency, for so many ``minutes`` as the policies in force say."""

    patient: str
    minutes: int
    form: FormState = field(default_factory=FormState)


@dataclass(frozen=True, slots=True)
class AskView:
    """Ask a citizen for access, for one of ``purposes``. ``sent`` says that it was sent and nothing more."""

    patient: str
    form: FormState = field(default_factory=FormState)
    categories: tuple[Category, ...] = tuple(Category)
    purposes: tuple[Purpose, ...] = tuple(Purpose)
    sent: bool = False


# --- errors ---


@dataclass(frozen=True, slots=True)
class ErrorView:
    """Something did not work. ``retry_after`` in seconds; ``reference`` is the id to quote to the support.

    ``log_in`` says that a new login would help.
    """

    status: int
    retry_after: int | None = None
    reference: str = ""
    log_in: bool = False
