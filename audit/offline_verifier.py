"""Kontrollera ett kvitto eller ett tystnadsbevis från Hälsovalvets logg, utan nät och utan Hälsovalvet.

    python3 verify.py kvitto.json [fler filer ...] --key NYCKEL

NYCKEL är loggens nyckel (namn+id+nyckel), eller en fil som den står i. Ta den från något annat håll än filerna.
Flera filer prövas också mot varandra: säger de emot varandra har loggen visat olika saker för olika läsare.
Svar: 0 allt stämmer, 1 något stämmer inte, 2 det gick inte att pröva.

Check a receipt or a silence proof from Hälsovalvet's log, offline. KEY is the log's verifier key, or a file with it;
take it from elsewhere than the files. Several files are held against each other too. A file may also be a checkpoint.
Exit: 0 all holds, 1 something does not, 2 it could not be checked.

Written from docs/spec/audit-v1.md, RFC 6962, RFC 8032, c2sp.org/tlog-proof and c2sp.org/signed-note; it shares no code
with the log, and needs Python 3.9 and nothing else.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import struct
import sys
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

MOST_BYTES = 64 * 1024 * 1024
RECEIPT = "halsovalvet/receipt/v1"
SILENCE = "halsovalvet/silence/v1"
WHAT = {
    RECEIPT: "Kvitto på en rad i Hälsovalvets logg. Kontrollera det med verify.py och loggens nyckel. / "
    "Receipt for an entry of Hälsovalvet's log. Check it with verify.py and the log's key.",
    SILENCE: "Bevis för hur många rader Hälsovalvets logg har om ett valv under en tid. Kontrollera det med verify.py "
    "och loggens nyckel. / Proof of how many entries Hälsovalvet's log has about a vault in a period. Check it with "
    "verify.py and the log's key.",
}
NOBODY = bytes(16)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 Python 3.9 has no other


class Wrong(Exception):  # noqa: N818 what is wrong, in both languages
    """Something does not hold; in Swedish and in English."""

    def __init__(self, sv: str, en: str) -> None:
        super().__init__(en)
        self.sv, self.en = sv, en


class Unusable(Wrong):
    """What was given cannot be checked at all."""


# --- Ed25519, RFC 8032, section 5.1, by the strict rule: one form of everything, and a key of prime order


P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
NEUTRAL = (0, 1, 1, 0)


def add(p: Any, q: Any) -> Any:
    """Add two points."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number: int, p: Any) -> Any:
    """Multiply a point; nothing here is secret, so time may vary."""
    total = NEUTRAL
    while number:
        if number & 1:
            total = add(total, p)
        p, number = add(p, p), number >> 1
    return total


def same(p: Any, q: Any) -> bool:
    """Tell whether two points are one."""
    return bool((p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0)


def point(raw: bytes) -> Any:
    """Decode a point (5.1.3); None where the bytes are none, or not its one form."""
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def signature_holds(public: bytes, message: bytes, signature: bytes) -> bool:
    """Verify (5.1.7) without the cofactor; refuse S from ORDER on, and keys of small or mixed order."""
    if len(public) != 32 or len(signature) != 64:  # noqa: PLR2004 the sizes of RFC 8032
        return False
    key, commitment, s = point(public), point(signature[:32]), int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or s >= ORDER:
        return False
    if same(key, NEUTRAL) or not same(times(ORDER, key), NEUTRAL):
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    return same(times(s, BASE), add(commitment, times(h, key)))


# --- forms


def unbase64(text: Any) -> bytes:
    """Read base64 in its one form."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (AttributeError, ValueError, binascii.Error):
        raw = None
    if raw is None or base64.b64encode(raw).decode() != text:
        raise Wrong(
            "Filen är ändrad: något som ska vara base64 är det inte.", "The file was changed: not base64."
        )
    return raw


def number(text: str) -> int:
    """Read a plain decimal number below 2^63."""
    if (
        not (text.isascii() and text.isdecimal())
        or len(text) > 19  # noqa: PLR2004 the digits of 2^63
        or str(int(text)) != text
        or int(text) >> 63
    ):
        raise Wrong("Filen är ändrad: ett tal är felskrivet.", "The file was changed: a number is malformed.")
    return int(text)


class Key(NamedTuple):
    """The log's name and public key."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """Return the key's id."""
        return hashlib.sha256(self.name.encode() + b"\n\x01" + self.public).digest()[:4]


def read_key(text: str) -> Key:
    """Read a verifier key: name, id in hex, base64 of 0x01 and the key."""
    bad = Unusable("Nyckeln är inte loggens nyckel: den är felskriven.", "The key is malformed.")
    parts = text.strip().split("+", 2)
    if len(parts) != 3 or not parts[0] or any(char.isspace() for char in parts[0]):  # noqa: PLR2004
        raise bad
    try:
        raw = unbase64(parts[2])
    except Wrong:
        raise bad from None
    key = Key(parts[0], raw[1:])
    if raw[:1] != b"\x01" or len(raw) != 33 or key.id.hex() != parts[1]:  # noqa: PLR2004
        raise bad
    return key


class Head(NamedTuple):
    """A signed tree head."""

    size: int
    root: bytes


def open_note(note: str, key: Key) -> Head:
    """Verify a checkpoint (c2sp.org/tlog-checkpoint) by the log's key; other keys' lines are passed over."""
    bad = Wrong("Loggens undertecknade besked är felskrivet.", "The log's signed checkpoint is malformed.")
    body, blank, tail = note.rpartition("\n\n")
    lines = body.split("\n")
    control = any(char < " " and char != "\n" for char in note)
    if not blank or not tail.endswith("\n") or control or len(lines) < 3 or not all(lines):  # noqa: PLR2004
        raise bad
    if lines[0] != key.name:
        raise Wrong(
            "Det är en annan loggs besked än nyckelns.", "The checkpoint is another log's than the key's."
        )
    found = 0
    for line in tail[:-1].split("\n"):
        name, space, encoded = line[2:].partition(" ")
        if not line.startswith("\u2014 ") or not name or not space:
            raise bad
        raw = unbase64(encoded)
        if (name, raw[:4]) != (key.name, key.id):
            continue
        found += 1
        if not signature_holds(key.public, (body + "\n").encode(), raw[4:]):
            raise Wrong(
                "Underskriften stämmer inte: beskedet är ändrat, eller inte loggens.",
                "The signature does not hold.",
            )
    if not found:
        raise Wrong("Loggens nyckel har inte undertecknat.", "There is no signature by the log's key.")
    root = unbase64(lines[2])
    if len(root) != 32:  # noqa: PLR2004
        raise bad
    return Head(number(lines[1]), root)


def root_of(index: int, size: int, leaf: bytes, path: list[bytes]) -> bytes:
    """Return the root to which an inclusion proof leads (RFC 9162, 2.1.3.2); the tree is RFC 6962's."""
    bad = Wrong("Beviset är inte för den platsen i loggen.", "The proof does not fit its place in the log.")
    if not 0 <= index < size or any(len(step) != 32 for step in path):  # noqa: PLR2004
        raise bad
    node, last = hashlib.sha256(b"\x00" + leaf).digest(), size - 1
    for step in path:
        if last == 0:
            raise bad
        if index & 1 or index == last:
            node = hashlib.sha256(b"\x01" + step + node).digest()
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\x01" + node + step).digest()
        index, last = index >> 1, last >> 1
    if last:
        raise bad
    return node


class Leaf(NamedTuple):
    """A leaf's data, version 1."""

    version: int
    entry: bytes
    vault: bytes
    n: int
    provider: bytes
    authority: bytes
    at: int
    commitment: bytes
    sealed: bytes
    head_version: int
    head_digest: bytes


class Proven(NamedTuple):
    """An entry that is shown to stand in the log."""

    seq: int
    data: bytes
    leaf: Leaf
    head: Head


def open_proof(text: Any, key: Key) -> Proven:
    """Verify a tlog-proof whose ``extra`` is the leaf."""
    bad = Wrong("Beviset är felskrivet.", "The proof is malformed.")
    top, blank, note = text.partition("\n\n") if isinstance(text, str) else ("", "", "")
    lines = top.split("\n")
    if not blank or lines[0] != "c2sp.org/tlog-proof@v1" or len(lines) < 3:  # noqa: PLR2004
        raise bad
    if not lines[1].startswith("extra ") or not lines[2].startswith("index "):
        raise bad
    data, index = unbase64(lines[1][6:]), number(lines[2][6:])
    head = open_note(note, key)
    if root_of(index, head.size, data, [unbase64(line) for line in lines[3:]]) != head.root:
        raise Wrong(
            "Raden står inte i loggen så som loggen har undertecknat den.",
            "The entry is not in the tree that the log signed.",
        )
    if len(data) != 185 or data[0] != 1:  # noqa: PLR2004
        raise Wrong(
            "Raden är av ett slag som det här programmet inte känner.", "The leaf is of an unknown version."
        )
    return Proven(index, data, Leaf(*struct.unpack(">B16s16sQ16s16sQ32s32sQ32s", data)), head)


# --- the event

EVENT = [
    "v",
    "kind",
    "activity",
    "at",
    "actor",
    "vault",
    "purpose",
    "categories",
    "decision",
    "reason",
    "rules",
    "rules_version",
    "policy_hash",
    "subject",
    "counts",
    "outcome_of",
    "head",
    "document",
]
ACTOR = [
    "authority_id",
    "authority_kind",
    "commission",
    "for_id",
    "for_name",
    "id",
    "kind",
    "licence",
    "name",
    "provider_id",
    "provider_kind",
    "provider_name",
    "purpose",
    "right",
    "title",
    "unit_id",
    "unit_name",
]
LISTS, NUMBERS, OBJECTS = ("categories", "rules"), ("v", "rules_version"), ("actor", "counts", "head")


def parse(text: str) -> Any:
    """Read JSON without doubled names."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("a name twice")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise Wrong(
            "Filen är ändrad eller avbruten: det är inte JSON.", "The file was changed or cut: not JSON."
        ) from None


def read_event(text: str) -> dict[str, Any]:
    """Read a canonical event, version 1 (section 3): its keys, their order and kinds, its one form."""
    bad = Wrong(
        "Radens innehåll är inte skrivet så som loggen skriver.", "The event is not in its canonical form."
    )
    event = parse(text)
    if not isinstance(event, dict) or not isinstance(event.get("actor"), dict):
        raise bad
    for told, known in ((event, EVENT), (event["actor"], ACTOR)):
        if list(told) != [name for name in known if name in told]:
            raise bad
    if (
        event.get("v") != 1
        or not {"kind", "activity", "at"} <= set(event)
        or not {"id", "kind", "name"} <= set(event["actor"])
    ):
        raise bad
    for name, value in event.items():
        kind = list if name in LISTS else int if name in NUMBERS else dict if name in OBJECTS else str
        if type(value) is not kind or not value:
            raise bad
    strings = [*event["actor"].values(), *event.get("categories", ()), *event.get("rules", ())]
    if not all(isinstance(value, str) for value in strings):
        raise bad
    if json.dumps(event, ensure_ascii=False, separators=(",", ":")) != text:
        raise bad
    return event


def open_event(salt: bytes, text: str, leaf: Leaf) -> dict[str, Any]:
    """Hold an event to the leaf that commits to it."""
    committed = hashlib.sha256(b"halsovalvet/v1/audit-commitment\0" + salt + text.encode()).digest()
    if len(salt) != 32 or committed != leaf.commitment:  # noqa: PLR2004
        raise Wrong("Innehållet är inte det som loggades.", "The content is not what was logged.")
    event = read_event(text)
    actor = event["actor"]
    pairs = (
        ("vault" in event, leaf.vault),
        ("provider_id" in actor, leaf.provider),
        ("authority_id" in actor, leaf.authority),
    )
    if any(is_there != (name != NOBODY) for is_there, name in pairs):
        raise Wrong("Radens yttre säger annat än dess innehåll.", "The leaf names others than the event.")
    if leaf.head_version:
        head = event.get("head", {})
        if head.get("version") != leaf.head_version or unbase64(head.get("digest")) != leaf.head_digest:
            raise Wrong(
                "Radens yttre säger annat än dess innehåll.", "The leaf states another head than the event."
            )
    return event


# --- what is told

KINDS = {
    "login": ("loggade in", "logged in"),
    "logout": ("loggade ut", "logged out"),
    "lookup": ("slog upp personen", "looked the person up"),
    "view": ("öppnade personens sida", "opened the person's page"),
    "create-vault": ("skapade valvet", "made the vault"),
    "read": ("läste", "read"),
    "add": ("lade till", "added"),
    "import": ("läste in en fil", "imported a file"),
    "undo-import": ("ångrade en inläsning", "undid an import"),
    "grant": ("gav eller ändrade en delning eller spärr", "made or changed a rule"),
    "revoke": ("tog tillbaka en delning eller hävde en spärr", "ended a rule"),
    "lift": ("hävde en spärr för en tid", "laid a block aside"),
    "contact": ("ändrade kontakterna", "changed the contacts"),
    "pause": ("pausade eller återupptog delning", "paused or resumed sharing"),
    "paper": ("förde in ett samtycke från papper", "entered a consent from paper"),
    "confirm": ("bekräftade ett samtycke från papper", "confirmed a consent from paper"),
    "move": ("lämnade en mottagning", "left a unit"),
    "emergency": ("öppnade valvet med nödöppning", "opened the vault in an emergency"),
    "access-request": ("bad om åtkomst", "asked for access"),
    "read-log": ("läste loggen", "read the log"),
    "review": ("granskade loggen", "reviewed the log"),
    "question": ("frågade varför någon hade tittat", "asked why somebody had looked"),
    "case": ("handlade ett granskningsärende", "worked on a review case"),
    "explain": ("svarade på varför", "said why"),
    "control": ("gjorde en loggkontroll", "made a log control"),
    "notice-choice": ("ändrade sina besked", "changed their notices"),
    "notify": ("skickade e-post om att något är nytt", "sent an e-mail that something is new"),
    "export": ("hämtade ut uppgifter", "exported records"),
    "compact": ("packade uppgifter", "compacted records"),
    "erase": ("raderade", "erased"),
    "outcome": ("resultatet av en tidigare rad", "the outcome of an earlier entry"),
}


def clock(microseconds: int) -> str:
    """Write a time."""
    try:
        return f"{EPOCH + timedelta(microseconds=microseconds):%Y-%m-%d %H:%M:%S} UTC"
    except OverflowError:
        raise Wrong("En tid är orimlig.", "A time is out of reach.") from None


def place(one: Proven) -> Any:
    """Say where an entry stands."""
    leaf, at = one.leaf, clock(one.leaf.at)
    return (
        f"Raden står på plats {one.seq} av {one.head.size} i loggen, skriven {at}, som valvets rad nummer {leaf.n}.",
        f"The entry is at {one.seq} of {one.head.size} in the log, written {at}, the vault's entry number {leaf.n}.",
    )


def told_of(event: dict[str, Any]) -> Any:
    """Say what an event says."""
    actor = event["actor"]
    sv, en = KINDS.get(event["kind"], (event["kind"], event["kind"]))
    who = ", ".join(
        actor[name] for name in ("name", "title", "unit_name", "provider_name", "for_name") if name in actor
    )
    more = [event[name] for name in ("purpose", "reason") if name in event] + event.get("categories", [])
    tail = f" ({', '.join(more)})" if more else ""
    no = event.get("decision") == "refuse"
    return (
        f"Innehållet är det som loggades: {who}: {sv}{tail}{' – NEKADES' if no else ''}.",
        f"The content is what was logged: {who}: {en}{tail}{' – REFUSED' if no else ''}.",
    )


def check_receipt(told: dict[str, Any], key: Key) -> Any:
    """Verify a receipt; return what it proves and the entries that it shows."""
    one = open_proof(told["proof"], key)
    if told["salt"] is None and told["event"] is None:
        gone = "Innehållet följer inte med: det är gallrat. Att raden finns är visat."
        return [
            place(one),
            (gone, "The content is not here: it is destroyed. That the entry exists is shown."),
        ], [one]
    if not isinstance(told["event"], str):
        raise Wrong("Filen är ändrad: innehållet saknas.", "The file was changed: the event is missing.")
    return [place(one), told_of(open_event(unbase64(told["salt"]), told["event"], one.leaf))], [one]


def check_silence(told: dict[str, Any], key: Key) -> Any:
    """Verify a silence proof (section 14): the rows follow on each other, and reach from before the period past it."""
    begin, end, proofs = told["from"], told["to"], told["proofs"]
    if (
        type(begin) is not int
        or type(end) is not int
        or not 0 <= begin < end
        or not isinstance(proofs, list)
        or not proofs
    ):
        raise Wrong(
            "Filen är ändrad: tiden eller raderna saknas.", "The file was changed: no period, or no entries."
        )
    if any(
        not isinstance(one, str) or one.partition("\n\n")[2] != proofs[0].partition("\n\n")[2]
        for one in proofs
    ):
        raise Wrong(
            "Raderna visas mot olika besked.", "The entries are proven against different checkpoints."
        )
    rows = [open_proof(one, key) for one in proofs]
    leaves = [row.leaf for row in rows]
    if leaves[0].vault == NOBODY or len({leaf.vault for leaf in leaves}) != 1:
        raise Wrong("Raderna är inte om ett och samma valv.", "The entries are not about one vault.")
    for before, after in zip(rows, rows[1:]):  # noqa: B905, RUF007 Python 3.9 has neither
        if after.leaf.n != before.leaf.n + 1 or after.seq <= before.seq or after.leaf.at < before.leaf.at:
            raise Wrong(
                "En rad saknas, eller raderna står i fel ordning.", "An entry is missing or out of order."
            )
    opens = leaves[0].at < begin
    if not opens and leaves[0].n != 1:
        raise Wrong("Raden före tiden saknas.", "The entry before the period is missing.")
    if leaves[-1].at < end:
        raise Wrong("Raden efter tiden saknas.", "The entry after the period is missing.")
    within = (leaves[1:] if opens else leaves)[:-1]
    if not all(begin <= leaf.at < end for leaf in within):
        raise Wrong("En rad ligger utanför tiden.", "An entry is outside the period.")
    return _silence_told(begin, end, within, rows[0].leaf.vault), rows


def _silence_told(begin: int, end: int, within: list[Leaf], vault: bytes) -> Any:
    count, theirs = len(within), sum(leaf.provider != NOBODY for leaf in within)
    since, until, name = clock(begin), clock(end), vault.hex()
    sv = (
        f"Från {since} till {until} har loggen {count} rader om valvet, varav {theirs} av en vård- eller "
        "omsorgsgivare (personal eller system)."
    )
    en = f"From {since} to {until} the log has {count} entries about the vault, {theirs} of them by care providers."
    more_sv = (
        f"Valvets beteckning i loggen är {name}. Pröva ett kvitto tillsammans med den här filen, så ser du att det "
        "är ditt valv. Att ingen rad har fått samma nummer som en annan ser bara den som granskar hela loggen."
    )
    more_en = (
        f"The vault's name in the log is {name}. Check a receipt along with this file to see that it is yours. "
        "That no number was given twice only an audit of the whole log can tell."
    )
    return [(sv, en), (more_sv, more_en)]


FIELDS = {
    RECEIPT: ("what", "format", "proof", "salt", "event"),
    SILENCE: ("what", "format", "from", "to", "proofs"),
}


def check(content: bytes, key: Key) -> Any:
    """Verify one file; return what it proves, its entries and its checkpoint.

    Raises:
        Wrong: it does not hold, or is none of ours.
    """
    try:
        return _check(content, key)
    except RecursionError:
        raise Wrong(
            "Filen är ändrad: den är inte skriven så som loggen skriver.", "The file is nested."
        ) from None


def _check(content: bytes, key: Key) -> Any:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise Wrong("Filen är ändrad: den är inte text.", "The file was changed: not UTF-8.") from None
    if not text.startswith("{"):
        head = open_note(text, key)
        line = (
            f"Loggens besked om {head.size} rader är undertecknat.",
            f"The checkpoint of {head.size} entries is signed.",
        )
        return [line], [], head
    told = parse(text)
    form = told.get("format")
    if not isinstance(form, str) or form not in FIELDS:
        raise Wrong(
            "Filen är varken ett kvitto eller ett tystnadsbevis.", "Neither a receipt nor a silence proof."
        )
    if (
        tuple(told) != FIELDS[form]
        or told["what"] != WHAT[form]
        or json.dumps(told, ensure_ascii=False, indent=1) + "\n" != text
    ):
        raise Wrong(
            "Filen är ändrad: den är inte skriven så som loggen skriver.", "The file is not in its one form."
        )
    lines, rows = (check_receipt if form == RECEIPT else check_silence)(told, key)
    return lines, rows, rows[0].head


def compare(rows: list[Proven], heads: list[Head]) -> Any:
    """Hold files against each other: one root for a size, one entry for a place, and how many vaults they are about."""
    roots: dict[int, bytes] = {}
    for head in heads:
        if roots.setdefault(head.size, head.root) != head.root:
            raise Wrong(
                "LOGGEN ÄR KLUVEN: två undertecknade besked om lika många rader säger olika.",
                "THE LOG IS FORKED: two signed checkpoints of one size differ.",
            )
    leaves: dict[int, bytes] = {}
    numbers: dict[tuple[bytes, int], int] = {}
    for row in rows:
        is_same = leaves.setdefault(row.seq, row.data) == row.data
        if not is_same or numbers.setdefault((row.leaf.vault, row.leaf.n), row.seq) != row.seq:
            raise Wrong(
                "LOGGEN HAR SKRIVITS OM: samma plats eller nummer visas med två olika rader.",
                "THE LOG WAS REWRITTEN: one place or number is shown with two different entries.",
            )
    vaults = len({row.leaf.vault for row in rows})
    if vaults > 1:
        return (
            f"OBS: filerna är om {vaults} olika valv.",
            f"NOTE: the files are about {vaults} different vaults.",
        )
    return (
        "Filerna säger inte emot varandra och är om samma valv.",
        "The files agree, and are about one vault.",
    )


def read(path: str) -> bytes:
    """Read a file."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 no more modules than needed
            content = file.read(MOST_BYTES + 1)
    except OSError:
        raise Unusable(f"Filen går inte att läsa: {path}", f"The file cannot be read: {path}") from None
    if len(content) > MOST_BYTES:
        raise Unusable(f"Filen är för stor: {path}", f"The file is too large: {path}")
    return content


def say(mark: str, path: str, lines: Any) -> None:
    """Write what was found."""
    told = [f"{mark} {path}", *(f"   {sv}" for sv, _ in lines), *(f"   {en}" for _, en in lines)]
    sys.stdout.buffer.write(("\n".join(told) + "\n").encode("utf-8", "replace"))


def run(paths: list[str], key_text: str) -> int:
    """Verify files and hold them against each other; return the exit code."""
    if key_text.count("+") < 2 or " " in key_text:  # noqa: PLR2004
        key_text = read(key_text).decode("utf-8", "replace")
    key, rows, heads, code = read_key(key_text), [], [], 0
    for path in paths:
        try:
            lines, shown, head = check(read(path), key)
        except Unusable:
            raise
        except Wrong as wrong:
            say("FEL / WRONG", path, [(wrong.sv, wrong.en)])
            code = 1
            continue
        say("OK", path, lines)
        rows += shown
        heads.append(head)
    if len(heads) > 1:
        try:
            say("OK", "alla / all", [compare(rows, heads)])
        except Wrong as wrong:
            say("FEL / WRONG", "alla / all", [(wrong.sv, wrong.en)])
            code = 1
    return code


def main(arguments: list[str]) -> int:
    """Read the command line."""
    if "--key" not in arguments[:-1] or len(arguments) < 3:  # noqa: PLR2004
        sys.stderr.write(f"{__doc__}")
        return 2
    at = arguments.index("--key")
    try:
        return run(arguments[:at] + arguments[at + 2 :], arguments[at + 1])
    except Wrong as wrong:
        say("FEL / WRONG", "", [(wrong.sv, wrong.en)])
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
