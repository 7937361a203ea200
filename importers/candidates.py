"""What a format hands to the intake: candidates and rejections, and the one error for a whole file.

Reasons are a closed vocabulary with a sentence in each language. A sentence may quote a short, cleaned piece
of the bad value and nothing else of the file; rejections are sealed by the intake like the data.
"""

from dataclasses import dataclass
from enum import Enum

from vault.columns import Columns
from vault.record import Record

#: A date outside these years is a slip; at the calendar's very ends other time zones have no such moment.
YEARS = range(1800, 2201)
_QUOTE = 40


class Reason(Enum):
    """Why a row, or a whole file, was not taken: English and Swedish; ``{}`` is the quoted piece."""

    # a row of an Apple Health export
    NO_TYPE = ("the type is missing", "typen saknas")
    NO_DATE = ("the start date is missing", "startdatum saknas")
    BAD_DATE = ("not a date: {}", "inget datum: {}")
    ENDS_BEFORE_START = ("it ends before it starts", "slutet ligger före början")
    NO_VALUE = ("the value is missing", "värdet saknas")
    BAD_NUMBER = ("not a number: {}", "inget tal: {}")
    NO_UNIT = (
        "the unit is missing, so the number can't be understood",
        "enheten saknas, så talet går inte att tolka",
    )
    BAD_PAIR = ("the blood pressure has no readable value", "blodtrycket har inget läsbart värde")
    NOT_READ = (
        "this kind of data is not read from the export: {}",
        "den här sortens uppgifter läses inte in: {}",
    )
    CUT_OFF = (
        "the file is damaged or cut off here; what came before is kept",
        "filen är skadad eller avkapad här; det som stod före är sparat",
    )
    # a FHIR resource
    NOT_AN_OBJECT = ("not a FHIR resource", "ingen FHIR-resurs")
    NO_RESOURCE_TYPE = ("resourceType is missing", "resourceType saknas")
    NOT_R4 = ("not a resource type of FHIR R4: {}", "ingen resurstyp i FHIR R4: {}")
    NOT_IN_R4 = ("not an element of a FHIR R4 Observation: {}", "inget fält i en Observation i FHIR R4: {}")
    NO_RESOURCE = ("the entry has no resource", "posten har ingen resurs")
    SUPERSEDED = ("a newer version stands in the same file", "en nyare version finns i samma fil")
    MISSING = ("required, but missing: {}", "krävs men saknas: {}")
    WRONG_TYPE = ("has the wrong type: {}", "har fel typ: {}")
    BAD_STATUS = ("not a status of FHIR R4: {}", "ingen status i FHIR R4: {}")
    TWO_OF_A_KIND = ("stands more than once: {}", "står mer än en gång: {}")
    BAD_TEXT = ("holds characters that are not text", "innehåller tecken som inte är text")
    TOO_DEEP = ("nested too deeply", "har för många nivåer")
    TOO_LONG = ("too long", "för lång")
    DOES_NOT_FIT = ("the value does not fit", "värdet ryms inte")
    NOT_JSON_HERE = ("not valid JSON ({})", "ingen giltig JSON ({})")
    # a whole file
    UNKNOWN_FORMAT = (
        "Not a file that can be read here. Accepted: Apple Health's export (zip or xml) and FHIR R4 (JSON, NDJSON).",
        "Filen går inte att läsa in. Det som går är Apple Hälsas export (zip eller xml) och FHIR R4 (JSON, NDJSON).",
    )
    EMPTY = ("The file is empty.", "Filen är tom.")
    NOT_HEALTH_EXPORT = ("Not an export from Apple Health.", "Filen är ingen export från Apple Hälsa.")
    NO_EXPORT_IN_ZIP = (
        "The zip file holds no export from Apple Health.",
        "Zip-filen innehåller ingen export från Apple Hälsa.",
    )
    BROKEN_ZIP = ("The zip file is damaged or cut off.", "Zip-filen är skadad eller avkapad.")
    LOCKED_ZIP = (
        "The zip file is locked with a password. Export again without one.",
        "Zip-filen är låst med lösenord. Exportera igen utan lösenord.",
    )
    TOO_LARGE = (
        "The file is larger unpacked than can be read.",
        "Filen är större uppackad än vad som kan läsas in.",
    )
    NOT_XML = ("Not well-formed XML (line {}).", "Filen är ingen giltig XML (rad {}).")
    ENTITIES = (
        "Refused: the file declares XML entities or an outside document type, as no export does.",
        "Filen tas inte emot: den innehåller XML-entiteter eller en extern dokumenttyp.",
    )
    NOT_LIKE_EXPORT = (
        "The file is not built as Apple Health's exports are: too deep, or an element too long.",
        "Filen är inte uppbyggd som Apple Hälsas export: för många nivåer eller för långa element.",
    )
    NOT_JSON = ("Not valid JSON ({}).", "Filen är ingen giltig JSON ({}).")
    NOT_UTF8 = ("The file is not UTF-8 text.", "Filen är inte text i UTF-8.")

    def text(self, language: str, quote: str = "") -> str:
        """Return the sentence in ``sv`` or, for any other language, English."""
        english, swedish = self.value
        if language == "sv":
            return str(swedish).replace("{}", quote.replace("“", "”"))
        return str(english).replace("{}", quote)


def excerpt(value: object) -> str:
    """Return a short piece of a bad value that is safe to show: printable, one line, in quotation marks."""
    raw = value if isinstance(value, str) else type(value).__name__
    clean = "".join(c if c.isprintable() else " " for c in raw[: _QUOTE + 1]).strip()
    return f"“{clean[:_QUOTE]}…”" if len(raw) > _QUOTE else f"“{clean}”"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A record as a format read it, and where: ``line 12``, ``Bundle.entry[3]``."""

    record: Record
    where: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that was not taken, where it stands and why, in English and Swedish."""

    where: str
    reason: str
    reason_sv: str = ""

    @classmethod
    def of(cls, where: str, reason: Reason, quote: str = "") -> "Rejection":
        """Make one from the closed vocabulary."""
        return cls(where, reason.text("en", quote), reason.text("sv", quote))


#: What a format yields: rows by column where it reads many alike, else one at a time.
Item = Columns | Candidate | Rejection


class RowError(Exception):
    """Inside a format: this row is not taken."""

    def __init__(self, reason: Reason, quote: str = "") -> None:
        super().__init__(reason.text("en", quote))
        self.reason, self.quote = reason, quote


class FormatError(Exception):
    """The whole file is refused; ``str()`` is the English sentence, ``sv`` the Swedish one."""

    def __init__(self, reason: Reason, quote: str = "") -> None:
        super().__init__(reason.text("en", quote))
        self.reason, self.quote = reason, quote
        self.sv = reason.text("sv", quote)
