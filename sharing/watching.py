"""What a supervisor is pointed to: the signals among their organisation's accesses of a period, in order.

The log is asked as in every review; the house adds what the log does not say (:class:`audit.signals.Facts`): whose a
vault is, since a name may be that of who looks, which care relations the citizen has listed, when a rule was made and
ended. None of it is shown: a hit names an access, a rule of the law's signals, and counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from audit import review
from audit.events import EventKind
from audit.ranking import ranked
from audit.review import Access
from audit.signals import Colleague, Facts, Grant, Hit, Known, Tie
from consent.ages import SWEDEN
from consent.questions import Organisation
from consent.rules import RuleError, RuleSet
from identity.directory import Directory
from identity.principal import Staff
from policies.vocabulary import Deed, Effect
from sharing import case_words, draws
from sharing.accesses import ask_as_organisation, own_organisation
from sharing.aside import aside
from sharing.house import House
from vault import state, versions
from vault.errors import VaultError

#: The longest period that is looked through at once.
LONGEST = timedelta(days=370)


@dataclass(frozen=True, slots=True)
class Pointed:
    """An access, and why it is worth a look."""

    access: Access
    hit: Hit


@dataclass(frozen=True, slots=True)
class Watched:
    """The signals of a period, the weightiest first, and among how many accesses they were looked for."""

    signals: tuple[Pointed, ...]
    looked: int


async def signals(house: House, staff: Staff, since: datetime, until: datetime) -> Watched:
    """Return the signals of a period, one for each person and leading rule.

    Raises:
        consent.gate.Refused: the commission is not one of log review.
        RuleError: the period ends before it begins, or is longer than a year.
    """
    if not since < until <= since + LONGEST:
        raise RuleError("until: after since, and within a year of it")
    node = own_organisation(staff)
    await ask_as_organisation(
        house, staff, Organisation(node), Deed.REVIEW_LOG, EventKind.REVIEW, subject="signals"
    )

    def work() -> Watched:
        made = draws.accesses_of(house, node, since, until)
        accesses = {one.id: one for one in made if one.vault is not None}
        hits = ranked(accesses.values(), facts(house, node, accesses.values()), house.signals)
        return Watched(tuple(Pointed(accesses[hit.entry], hit) for hit in hits), len(accesses))

    return await aside(work)


def facts(house: House, node: str, accesses: Iterable[Access]) -> Facts:
    """Return what the house knows of those whom some accesses concern; the caller was let in to review them."""
    vaults = {one.vault for one in accesses if one.vault is not None and one.actor.kind in review.ORGANISED}
    stream = case_words.questions_to(house, node)
    asked = house.database.look_now(lambda one: case_words.of_stream(one, house, node, stream))
    known = {vault: found for vault in vaults if (found := _known(house, vault)) is not None}
    return Facts(known, _colleagues(house.directory()), SWEDEN, frozenset(one.access for one in asked))


def _known(house: House, vault: bytes) -> Known | None:
    """Return what is known of one citizen; nothing of a vault that is gone, or that cannot be opened."""
    logged = house.log.latest_head(vault)

    def work(connection: Connection) -> Known:
        loaded = state.load(connection, house.keystore, vault, logged=logged)
        ties = tuple(
            Tie(f"{one.grantee.kind}:{one.grantee.id}", one.since, one.until) for one in loaded.rules.contacts
        )
        grants = _grants(versions.versions(connection, loaded))
        return Known(loaded.profile.name, loaded.profile.protected, ties, grants)

    try:
        return None if vault == house.decoy else house.database.read_now(work)
    except VaultError:
        return None


def _grants(found: Iterable[RuleSet]) -> dict[str, Grant]:
    """Return when each allow was made and ended, by the versions of a citizen's rules, the newest first."""
    grants: dict[str, Grant] = {}
    later: RuleSet | None = None
    for one in found:
        ended = None if later is None else later.written
        for rule in one.rules:
            if rule.effect is Effect.ALLOW and rule.id not in grants:
                grants[rule.id] = Grant(rule.created, ended)
        later = one
    return grants


def _colleagues(directory: Directory) -> dict[str, Colleague]:
    return {
        member.id: Colleague(member.name, frozenset(one.unit.id for one in member.commissions))
        for member in directory.members.values()
    }
