"""What the closed vocabularies are called, in Swedish; English stands in locales/en/messages.po.

``N_`` marks a text for translation without translating it; the renderer translates when it shows it.
"""

from collections.abc import Mapping
from enum import StrEnum

from app.web.rule_views import RuleTerm
from app.web.views import AccessShow, FieldProblem, ImportState, Notice, Period, PersonaGroup
from audit.cases import Outcome
from audit.events import Activity, EventKind
from consent.judge import Reason
from identity.principal import Relation
from policies.signals import Signal
from policies.vocabulary import Action, Category, GranteeKind, Purpose
from sharing.again import Unknown
from sharing.asking import RequestState
from sharing.case_words import Step
from sharing.notices import Tell
from sharing.signing import Verdict
from vault.record import AuthorKind, Origin


def N_(text: str) -> str:  # noqa: N802 - the name that the catalogue's extraction knows
    """Mark ``text`` for translation."""
    return text


CATEGORY: Mapping[StrEnum, str] = {
    Category.BLOOD_PRESSURE: N_("Blodtryck"),
    Category.HEART_RATE: N_("Puls"),
    Category.BODY_WEIGHT: N_("Vikt"),
    Category.BODY_MEASURES: N_("Längd och kroppsmått"),
    Category.BODY_TEMPERATURE: N_("Kroppstemperatur"),
    Category.OXYGEN_SATURATION: N_("Syremättnad"),
    Category.RESPIRATION: N_("Andning"),
    Category.GLUCOSE: N_("Blodsocker"),
    Category.ACTIVITY: N_("Fysisk aktivitet"),
    Category.SLEEP: N_("Sömn"),
    Category.SYMPTOM: N_("Symtom"),
    Category.MENTAL_HEALTH: N_("Psykisk hälsa"),
    Category.LAB_RESULT: N_("Provsvar"),
    Category.OTHER_MEASUREMENT: N_("Andra mätvärden"),
    Category.AGREEMENT: N_("Överenskommelser"),
    Category.CARE_PLAN: N_("Planer"),
    Category.GOAL: N_("Mål"),
    Category.TREATMENT: N_("Behandlingar"),
    Category.MEDICATION: N_("Läkemedel"),
    Category.APPOINTMENT: N_("Tider och besök"),
    Category.JOURNAL_NOTE: N_("Egna anteckningar"),
    Category.IMMUNIZATION: N_("Vaccinationer"),
    Category.ALLERGY: N_("Allergier"),
    Category.CONTACT: N_("Kontakter i vården"),
    Category.HEALTH_STATUS: N_("Hälsotillstånd"),
    Category.DOCUMENT: N_("Dokument"),
    Category.LOCATION: N_("Platser"),
}

ACTION: Mapping[StrEnum, str] = {
    Action.READ: N_("läsa"),
    Action.ADD: N_("lägga till"),
    Action.MANAGE: N_("dela"),
}

PURPOSE: Mapping[StrEnum, str] = {
    Purpose.CARE: N_("Vård och behandling"),
    Purpose.QUALITY: N_("Kvalitetssäkring"),
    Purpose.LEGAL: N_("Annan dokumentation enligt lag"),
    Purpose.STATISTICS: N_("Statistik"),
    Purpose.ADMINISTRATION: N_("Administration"),
    Purpose.REGISTRY: N_("Kvalitetsregister"),
}

#: As what somebody acts for another.
RELATION: Mapping[StrEnum, str] = {
    Relation.GUARDIAN: N_("vårdnadshavare"),
    Relation.REPRESENTATIVE: N_("ombud"),
    Relation.LEGAL_GUARDIAN: N_("god man eller förvaltare"),
    Relation.RELATIVE: N_("närstående"),
}

GRANTEE_KIND: Mapping[StrEnum, str] = {
    GranteeKind.PERSON: N_("person"),
    GranteeKind.ROLE: N_("yrkesroll"),
    GranteeKind.UNIT: N_("enhet"),
    GranteeKind.PROVIDER: N_("vårdgivare"),
    GranteeKind.REGION: N_("region"),
    GranteeKind.MUNICIPALITY: N_("kommun"),
    GranteeKind.NETWORK: N_("hela nätverket"),
    GranteeKind.CLIENT: N_("anslutet system"),
    GranteeKind.PROXY: N_("närstående eller ombud"),
    GranteeKind.EMERGENCY: N_("nödöppning"),
}

#: Headings over the choices of whom to share with, wide to narrow.
GRANTEE_GROUP: Mapping[StrEnum, str] = {
    GranteeKind.UNIT: N_("Mottagningar och enheter"),
    GranteeKind.ROLE: N_("En yrkesroll på en enhet"),
    GranteeKind.PERSON: N_("En person i personalen"),
    GranteeKind.PROVIDER: N_("Vård- och omsorgsgivare"),
    GranteeKind.REGION: N_("Regioner"),
    GranteeKind.MUNICIPALITY: N_("Kommuner"),
    GranteeKind.NETWORK: N_("Flera på en gång"),
    GranteeKind.CLIENT: N_("Anslutna system"),
    GranteeKind.PROXY: N_("Närstående och ombud"),
    GranteeKind.EMERGENCY: N_("Nödöppning"),
}

ACTIVITY: Mapping[StrEnum, str] = {
    Activity.READ: N_("Läsa"),
    Activity.WRITE: N_("Skriva"),
    Activity.SIGN: N_("Signera"),
    Activity.PRINT: N_("Utskrift"),
    Activity.ATTEST: N_("Vidimera"),
    Activity.DELETE: N_("Radera"),
    Activity.EMERGENCY: N_("Nödöppning"),
}

#: What somebody did, after their name; where something is read or written its categories follow.
DONE: Mapping[StrEnum, str] = {
    EventKind.LOGIN: N_("loggade in"),
    EventKind.LOGOUT: N_("loggade ut"),
    EventKind.LOOKUP: N_("sökte på personnummer"),
    EventKind.VIEW: N_("öppnade personens sida utan att läsa värden"),
    EventKind.CREATE_VAULT: N_("gjorde i ordning valvet"),
    EventKind.READ: N_("läste"),
    EventKind.ADD: N_("lade till"),
    EventKind.IMPORT: N_("läste in en fil"),
    EventKind.UNDO_IMPORT: N_("ångrade en inläsning"),
    EventKind.GRANT: N_("ändrade vem som får se vad"),
    EventKind.REVOKE: N_("tog tillbaka en delning"),
    EventKind.LIFT: N_("hävde en spärr för en tid, eller satte tillbaka den"),
    EventKind.CONTACT: N_("ändrade vilka som är kontakter"),
    EventKind.PAUSE: N_("pausade all delning, eller tog upp den igen"),
    EventKind.PAPER: N_("lade in ett samtycke från papper"),
    EventKind.CONFIRM: N_("bekräftade ett samtycke från papper"),
    EventKind.MOVE: N_("avslutade allt hos en vårdgivare eller enhet"),
    EventKind.EMERGENCY: N_("öppnade valvet med nödöppning"),
    EventKind.ACCESS_REQUEST: N_("bad om åtkomst till"),
    EventKind.READ_LOG: N_("läste loggen"),
    EventKind.NOTICE_CHOICE: N_("ändrade sina besked"),
    EventKind.NOTIFY: N_("skickade e-post om att något är nytt"),
    EventKind.REVIEW: N_("granskade loggen"),
    EventKind.QUESTION: N_("frågade varför någon hade tittat"),
    EventKind.CASE: N_("handlade ett granskningsärende"),
    EventKind.EXPLAIN: N_("svarade på varför"),
    EventKind.CONTROL: N_("gjorde en loggkontroll"),
    EventKind.EXPORT: N_("hämtade ut uppgifter"),
    EventKind.COMPACT: N_("packade om lagrade värden"),
    EventKind.ERASE: N_("raderade uppgifter"),
    EventKind.OUTCOME: N_("avslutade en åtgärd"),
}

#: What somebody did under an emergency opening, where that is said otherwise.
URGENT: Mapping[StrEnum, str] = {EventKind.READ: N_("läste med nödöppning")}
#: What of the owner's matters somebody looked at, where the log says that: nothing of the vault was read.
LOOKED: Mapping[str, str] = {
    "rules": N_("såg vem som får se vad"),
    "requests": N_("såg frågor om åtkomst"),
    "imports": N_("såg vilka filer som är inlästa"),
}

#: What somebody wanted to do and was refused, after their name.
REFUSED: Mapping[StrEnum, str] = {
    EventKind.READ: N_("nekades att läsa"),
    EventKind.ADD: N_("nekades att lägga till"),
    EventKind.LOOKUP: N_("nekades att söka på personnummer"),
    EventKind.IMPORT: N_("nekades att läsa in en fil"),
    EventKind.EXPORT: N_("nekades att hämta ut uppgifter"),
    EventKind.EMERGENCY: N_("nekades att öppna valvet med nödöppning"),
}

#: The same where the log has no words of its own for it.
REFUSED_ELSE = N_("nekades något")

#: Why something was refused, by the closed words of the log.
REASON: Mapping[str, str] = {
    Reason.NOT_PERMITTED: N_("Det fanns inget samtycke som tillät det."),
    Reason.FORBIDDEN: N_("En spärr eller en regel i lag hindrade det."),
    Reason.POLICY_ERROR: N_("Ett fel gjorde att det inte gick att avgöra, och då nekas allt."),
    Reason.NOTHING_ASKED: N_("Frågan gällde ingenting."),
}
REASON_ELSE = N_("Det var inte tillåtet.")

AUTHOR: Mapping[StrEnum, str] = {
    AuthorKind.CITIZEN: N_("Eget värde"),
    AuthorKind.PROXY: N_("Från ombud eller vårdnadshavare"),
    AuthorKind.PROFESSIONAL: N_("Från personal"),
    AuthorKind.CLIENT: N_("Från anslutet system"),
}

ORIGIN: Mapping[StrEnum, str] = {
    Origin.FORM: N_("inskrivet"),
    Origin.APPLE_HEALTH: N_("Apple Hälsa"),
    Origin.FHIR_FILE: N_("FHIR-fil"),
    Origin.FHIR_API: N_("anslutning"),
}

PERIOD: Mapping[StrEnum, str] = {
    Period.DAYS_30: N_("30 dagar"),
    Period.DAYS_90: N_("90 dagar"),
    Period.YEAR: N_("1 år"),
    Period.YEARS_5: N_("5 år"),
    Period.ALL: N_("Allt"),
}

SHOW: Mapping[StrEnum, str] = {
    AccessShow.PEOPLE: N_("Människor"),
    AccessShow.REFUSED: N_("Nekade"),
    AccessShow.AUTOMATIC: N_("Automatiska"),
    AccessShow.EMERGENCY: N_("Nödöppningar"),
    AccessShow.ALL: N_("Allt"),
}

PERSONA_GROUP: Mapping[StrEnum, str] = {
    PersonaGroup.CITIZENS: N_("Invånare"),
    PersonaGroup.STAFF: N_("Personal i vård och omsorg"),
    PersonaGroup.SUPERVISORS: N_("De som granskar loggen"),
    PersonaGroup.SYSTEMS: N_("Anslutna system"),
}

IMPORT_STATE: Mapping[StrEnum, str] = {
    ImportState.QUEUED: N_("Väntar på sin tur"),
    ImportState.RUNNING: N_("Läses in"),
    ImportState.REHEARSED: N_("Provläst"),
    ImportState.DONE: N_("Klar"),
    ImportState.FAILED: N_("Gick inte att läsa in"),
    ImportState.CANCELLED: N_("Ångrad"),
}

REQUEST_STATE: Mapping[StrEnum, str] = {
    RequestState.OPEN: N_("Väntar på ditt svar"),
    RequestState.ACCEPTED: N_("Du har sagt ja"),
    RequestState.DECLINED: N_("Du har sagt nej"),
}

NOTICE: Mapping[StrEnum, str] = {
    Notice.VALUE_ADDED: N_("Värdet är sparat."),
    Notice.RULE_SAVED: N_("Sparat. Det gäller från och med nu eller den dag du valde."),
    Notice.RULE_REVOKED: N_("Klart. Det gäller från och med nu."),
    Notice.SHARING_PAUSED: N_("All delning är pausad. Ingen annan ser något nu."),
    Notice.SHARING_RESUMED: N_("Delningen är igång igen, som den var."),
    Notice.CONTACT_LISTED: N_("Kontakten är tillagd."),
    Notice.CONTACT_STRUCK: N_("Kontakten är borttagen."),
    Notice.MANDATE_GIVEN: N_("Klart. Den du valde kan företräda dig från och med nu eller den dag du valde."),
    Notice.MANDATE_ENDED: N_("Klart. Den personen företräder dig inte längre."),
    Notice.RULE_ANSWERED: N_("Ditt svar är sparat."),
    Notice.BLOCK_LIFTED: N_("Spärren är hävd till den dag du valde. Sedan gäller den igen."),
    Notice.BLOCK_PUT_BACK: N_("Spärren gäller igen."),
    Notice.PLACE_LEFT: N_("Klart. Det som du delade där har slutat. Sök nu ditt nya ställe, om du vill."),
    Notice.PROPOSALS_ACCEPTED: N_("Sparat. Det du kryssade för gäller nu, och inget annat."),
    Notice.REQUEST_ACCEPTED: N_("Du har sagt ja. Det gäller från och med nu."),
    Notice.REQUEST_DECLINED: N_("Du har sagt nej. Ingenting delas."),
    Notice.REQUEST_SENT: N_("Din fråga är skickad."),
    Notice.PAPER_SENT: N_("Pappret är inlagt."),
    Notice.PAPER_CONFIRMED: N_("Du har bekräftat det. Det gäller nu helt och hållet."),
    Notice.EMERGENCY_OPENED: N_("Nödöppningen gäller nu. Den står i loggen."),
    Notice.EMERGENCY_REFUSED: N_("Du har sagt nej. Ingen får se något genom nödöppning."),
    Notice.EMERGENCY_ALLOWED: N_("Ditt nej är tillbakataget. Nödöppning går igen."),
    Notice.IMPORT_UNDONE: N_("Inläsningen är ångrad. Det som bara den förde in är borta."),
    Notice.USER_ASKED: N_("Frågan är skickad. Svaret kommer in i ärendet."),
    Notice.CASE_DECIDED: N_("Beslutet är sparat."),
    Notice.EXPLAINED: N_("Ditt svar är skickat."),
    Notice.QUESTION_SENT: N_("Din fråga är skickad till dem som granskar loggen där."),
    Notice.DRAWN: N_("Urvalet är draget. Åtkomsterna ligger nu bland dem att granska."),
    Notice.RECORD_MADE: N_("Kontrollen är dokumenterad och underskriven."),
    Notice.NOTICES_CHOSEN: N_("Sparat. Så här får du besked från och med nu."),
    Notice.ADDRESS_CONFIRMED: N_("Adressen är bekräftad. Vi skriver dit när något är nytt."),
    Notice.LOGGED_OUT: N_("Du är utloggad."),
}

PROBLEM: Mapping[StrEnum, str] = {
    FieldProblem.REQUIRED: N_("Fyll i det här fältet"),
    FieldProblem.CHOOSE_ONE: N_("Välj ett alternativ"),
    FieldProblem.CHOOSE_SOME: N_("Välj minst ett alternativ"),
    FieldProblem.NOT_A_NUMBER: N_("Skriv ett tal, till exempel 72 eller 72,5"),
    FieldProblem.OUT_OF_RANGE: N_("Värdet är utanför det som går att mäta, kontrollera det"),
    FieldProblem.TOO_MANY_DECIMALS: N_("Skriv talet med färre decimaler"),
    FieldProblem.NOT_BELOW_SYSTOLIC: N_("Undertrycket ska vara lägre än övertrycket"),
    FieldProblem.NOT_A_DATE: N_("Skriv ett datum, till exempel 2026-03-14"),
    FieldProblem.NOT_A_TIME: N_("Skriv en tid, till exempel 07:30"),
    FieldProblem.TOO_MANY_ENTRIES: N_("Det är för många rader för ett bevis: välj en kortare tid"),
    FieldProblem.IN_THE_FUTURE: N_("Tidpunkten ligger i framtiden"),
    FieldProblem.IN_THE_PAST: N_("Datumet har redan varit"),
    FieldProblem.END_BEFORE_START: N_("Slutdatumet ligger före startdatumet"),
    FieldProblem.NOT_A_PERSONAL_NUMBER: N_(
        "Skriv ett giltigt personnummer eller samordningsnummer, tolv siffror"
    ),
    FieldProblem.TOO_MANY_LOOKUPS: N_("Du har gjort många sökningar på kort tid, vänta en stund"),
    FieldProblem.UNKNOWN_GRANTEE: N_("Välj vem det gäller i listan"),
    FieldProblem.NO_FILE: N_("Välj en fil"),
    FieldProblem.EMPTY_FILE: N_("Filen är tom"),
    FieldProblem.FILE_TOO_LARGE: N_("Filen är för stor"),
    FieldProblem.UNKNOWN_FORMAT: N_("Filen har ett format som vi inte känner igen"),
    FieldProblem.MAY_NOT_ADD: N_("Du får inte lägga till det här"),
    FieldProblem.CHOOSE_WRITER: N_(
        "Välj en enda mottagning (eller för en yttre spärr en vårdgivare) som har skrivit uppgifterna"
    ),
    FieldProblem.CODES_ELSEWHERE: N_(
        "Värdena och uppgifterna hör inte ihop: kryssa i båda, eller inga värden"
    ),
    FieldProblem.ONESELF: N_("Det är ditt eget personnummer"),
    FieldProblem.END_OR_OPEN: N_("Välj en sista dag, eller att det gäller tills vidare, men inte båda"),
    FieldProblem.MAY_NOT_SHARE: N_("En närstående kan läsa och lägga till, men inte dela åt dig"),
    FieldProblem.SYSTEM_READS: N_("Ett anslutet system kan lägga till men aldrig läsa"),
    FieldProblem.NOT_SIGNED_LATELY: N_(
        "Skriv dagen då det skrevs under, till exempel 2026-03-14, högst ett år sedan"
    ),
    FieldProblem.REASON_LENGTH: N_("Skriv orsaken med minst 10 och högst 1000 tecken"),
    FieldProblem.TOO_LONG: N_("Välj en tid på högst ett år"),
    FieldProblem.TO_COME: N_("Dagen har inte varit än"),
    FieldProblem.TEXT_LENGTH: N_("Skriv minst 10 och högst 2000 tecken"),
    FieldProblem.NOT_CONFIRMED: N_("Kryssa i att du behöver uppgifterna nu"),
    FieldProblem.NOT_AN_ADDRESS: N_("Skriv en e-postadress, till exempel namn@exempel.se"),
    FieldProblem.WRONG_CODE: N_(
        "Koden stämmer inte, eller är för gammal. Spara adressen igen för att få en ny"
    ),
    FieldProblem.CODE_JUST_SENT: N_("Vi skickade nyss en kod. Vänta ett par minuter"),
}

RULE_TERM: Mapping[StrEnum, str] = {
    RuleTerm.WHOM: N_("Vem"),
    RuleTerm.ACTIONS: N_("Vad de får göra"),
    RuleTerm.CATEGORIES: N_("Vilka uppgifter"),
    RuleTerm.CODES: N_("Vilka värden"),
    RuleTerm.RECORDS: N_("Enstaka uppgifter"),
    RuleTerm.SOURCES: N_("Varifrån uppgifterna kommer"),
    RuleTerm.SPARES: N_("Vem spärren inte gäller"),
    RuleTerm.PURPOSES: N_("Varför"),
    RuleTerm.DATA: N_("Uppgifter från vilken tid"),
    RuleTerm.VALID: N_("Hur länge det gäller"),
    RuleTerm.RELATED: N_("Bara så länge de är bland dina kontakter"),
    RuleTerm.LIFT: N_("Hävd för en tid"),
    RuleTerm.OTHER: N_("Annat"),
}

UNKNOWN: Mapping[StrEnum, str] = {
    Unknown.UNREADABLE: N_("Innehållet i raden går inte att läsa längre."),
    Unknown.OTHER_MATTER: N_(
        "Raden handlar inte om att någon läste eller lade till något enligt dina regler."
    ),
    Unknown.OTHER_POLICIES: N_(
        "Lagreglerna i tjänsten har ändrats sedan dess, så svaret kunde bli ett annat nu."
    ),
    Unknown.NO_VERSION: N_("Raden säger inte vilken version av dina regler som gällde."),
    Unknown.NO_FACTS: N_("Raden säger inte tillräckligt om den som frågade."),
}

TELL: Mapping[StrEnum, str] = {
    Tell.EVERY: N_("Varje gång någon har tittat eller lagt till"),
    Tell.FIRST: N_("Första gången en vård- eller omsorgsgivare har tittat eller lagt till"),
    Tell.EMERGENCY: N_("Bara nödöppningar"),
}

OUTCOME: Mapping[StrEnum, str] = {
    Outcome.JUSTIFIED: N_("Befogad"),
    Outcome.UNCLEAR: N_("Oklar"),
    Outcome.UNAUTHORISED: N_("Obehörig"),
    Outcome.TECHNICAL: N_("Teknisk orsak"),
}

#: What a check of a signature found.
VERDICT: Mapping[StrEnum, str] = {
    Verdict.HOLDS: N_("Underskriften gäller"),
    Verdict.CHANGED: N_("Filen är ändrad efter underskriften"),
    Verdict.UNTRUSTED: N_("Underskriften är inte gjord här"),
    Verdict.EXPIRED: N_("Certifikatets tid har gått ut"),
    Verdict.UNREADABLE: N_("Underskriften går inte att läsa"),
}

STEP: Mapping[StrEnum, str] = {
    Step.QUESTION: N_("Personen frågade varför"),
    Step.ASKED: N_("Användaren fick en fråga"),
    Step.EXPLAINED: N_("Användaren svarade"),
    Step.DECIDED: N_("Beslut"),
}

#: Why an access stands in the queue, by the id of a hit's rule.
HIT: Mapping[str, str] = {
    "emergency": N_("Nödöppning"),
    "question": N_("Personen frågar varför"),
    "sample": N_("Slumpmässigt urval"),
    "taken": N_("Taget till granskning"),
}

#: What a signal says, by the id of its rule; the names in it are those of a hit's reasons.
SIGNAL: Mapping[str, str] = {
    Signal.OWN_RECORD: N_("Personen heter som den som tittade."),
    Signal.SAME_SURNAME: N_("Personen har samma efternamn som den som tittade."),
    Signal.COLLEAGUE: N_("Personen heter som en kollega på enheten."),
    Signal.PROTECTED_IDENTITY: N_("Personen har skyddade personuppgifter."),
    Signal.NO_RELATION: N_("Ingen vårdrelation är känd, och ingen annan på enheten var där."),
    Signal.OTHER_UNIT: N_("Personen har vårdrelation med andra enheter, men inte med den här."),
    Signal.OFF_HOURS: N_("Utanför arbetstid, %(time)s, när rollen sällan arbetar (%(count)s personer)."),
    Signal.VOLUME: N_("%(count)s personer på en dag, mot %(usual)s som är vanligt i rollen."),
    Signal.SEQUENTIAL: N_(
        "%(count)s personer efter varandra på %(minutes)s minuter, de flesta utan vårdrelation."
    ),
    Signal.EMERGENCY: N_("Nödöppning."),
    Signal.BULK: N_("Utskrift eller uttag om %(count)s personer, %(records)s uppgifter."),
    Signal.DENIED: N_("Nekades %(count)s gånger på en dag."),
    Signal.GRANT_BEFORE: N_("Delningen gjordes %(minutes)s minuter innan."),
    Signal.QUESTION: N_("Personen frågar varför."),
}
#: The same in a word or two, where it is said beside another.
SIGNAL_TOO: Mapping[str, str] = {
    Signal.OWN_RECORD: N_("samma namn"),
    Signal.SAME_SURNAME: N_("samma efternamn"),
    Signal.COLLEAGUE: N_("kollega"),
    Signal.PROTECTED_IDENTITY: N_("skyddade uppgifter"),
    Signal.NO_RELATION: N_("ingen känd vårdrelation"),
    Signal.OTHER_UNIT: N_("annan enhets patient"),
    Signal.OFF_HOURS: N_("utanför arbetstid"),
    Signal.VOLUME: N_("många på en dag"),
    Signal.SEQUENTIAL: N_("många efter varandra"),
    Signal.EMERGENCY: N_("nödöppning"),
    Signal.BULK: N_("utskrift eller uttag"),
    Signal.DENIED: N_("många nekade"),
    Signal.GRANT_BEFORE: N_("ny delning"),
    Signal.QUESTION: N_("fråga från personen"),
}

_TABLES = (
    TELL,
    VERDICT,
    OUTCOME,
    STEP,
    RULE_TERM,
    UNKNOWN,
    CATEGORY,
    ACTION,
    PURPOSE,
    RELATION,
    ACTIVITY,
    AUTHOR,
    ORIGIN,
    PERIOD,
    SHOW,
    PERSONA_GROUP,
    IMPORT_STATE,
    REQUEST_STATE,
    NOTICE,
    PROBLEM,
)

#: The vocabularies whose every member has a word.
SHOWN: tuple[type[StrEnum], ...] = tuple({type(member): None for table in _TABLES for member in table})

#: The word of every member, by its vocabulary and itself (members of two vocabularies may be equal as text).
_WORDS = {(type(member), member): text for table in _TABLES for member, text in table.items()}

#: A measure by its LOINC code; the codes of a record that are not here show the text that came with them.
MEASURE: Mapping[str, str] = {
    "decided": N_("Beslutade ärenden per månad"),
    "days": N_("Dagar till beslut, hälften av ärendena per månad"),
    "85354-9": N_("Blodtryck"),
    "8480-6": N_("Övertryck (systoliskt)"),
    "8462-4": N_("Undertryck (diastoliskt)"),
    "8478-0": N_("Medelartärtryck"),
    "8867-4": N_("Puls"),
    "40443-4": N_("Vilopuls"),
    "9279-1": N_("Andningsfrekvens"),
    "8310-5": N_("Kroppstemperatur"),
    "2708-6": N_("Syremättnad"),
    "59408-5": N_("Syremättnad"),
    "29463-7": N_("Vikt"),
    "8302-2": N_("Längd"),
    "39156-5": N_("BMI"),
    "8280-0": N_("Midjemått"),
    "41982-0": N_("Kroppsfett"),
    "15074-8": N_("Blodsocker"),
    "105272-9": N_("Vävnadssocker"),
    "53060-9": N_("Ketoner"),
    "59261-8": N_("HbA1c"),
    "6301-6": N_("INR"),
    "1988-5": N_("CRP"),
    "19935-6": N_("PEF"),
    "20150-9": N_("FEV1"),
    "72514-3": N_("Smärta, 0 till 10"),
    "41950-7": N_("Steg per dygn"),
    "93832-4": N_("Sömn"),
    "55411-3": N_("Träning"),
    "44261-6": N_("PHQ-9"),
    "70274-6": N_("GAD-7"),
}

#: UCUM units as people write them; a unit that is not here shows as it came.
UNIT: Mapping[str, str] = {
    "mm[Hg]": "mmHg",
    "/min": N_("per minut"),
    "Cel": "°C",
    "kg/m2": "kg/m²",
    "{INR}": "",
    "{score}": "",
    "/d": N_("per dygn"),
    "h": N_("timmar"),
    "min": N_("minuter"),
    "1": "",
    "{steps}": N_("steg"),
}

#: Units of a measure where the general word would read badly.
UNIT_OF: Mapping[tuple[str, str], str] = {
    ("8867-4", "/min"): N_("slag/min"),
    ("40443-4", "/min"): N_("slag/min"),
    ("9279-1", "/min"): N_("andetag/min"),
    ("41950-7", "/d"): N_("steg"),
}


def word(member: StrEnum) -> str:
    """Return what a member of a closed vocabulary is called, in Swedish.

    Raises:
        KeyError: the member has no word here.
    """
    return _WORDS[type(member), member]
