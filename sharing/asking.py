"""Staff ask, the citizen answers. Asking tells nothing: one without a vault is asked in the decoy's."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, insert, select, update

from audit.events import Activity, EventKind
from consent.judge import Need
from consent.parse import parse_rule
from consent.rules import Rule, RuleError
from identity.principal import Principal, Staff
from keys import envelope
from keys.envelope import context, microseconds, moment
from keys.keystore import VaultKeys
from policies.vocabulary import Action, Category, Deed, Effect, GranteeKind, Purpose
from sharing import granting
from sharing.house import House
from sharing.tables import AccessRequestRow
from vault.state import VaultState

_REQUESTS = AccessRequestRow.__table__  # type: ignore[attr-defined]
LAPSES = timedelta(days=30)  # what nobody has answered by then is asked no more
OPEN_AT_ONCE = 20
_TRIES = 4
OPEN_OF_ONE_UNIT = 3  # so that no unit takes the others' places
_AS_ASKED: Mapping[str, Any] = MappingProxyType({})
_NARROWS = frozenset(
    {
        "actions",
        "categories",
        "codes",
        "records",
        "sources",
        "data_from",
        "data_to",
        "valid_from",
        "valid_to",
        "while_related",
    }
)


class NoSuchRequestError(Exception):
    """There is no open request of that id."""


class RequestState(StrEnum):
    """Where a request stands. Staff are never told which."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Who asks, from where, for what and why. Accepting makes an allow for the unit."""

    id: str
    at: datetime
    state: RequestState
    staff_id: str
    staff_name: str
    staff_title: str
    unit_id: str
    unit_name: str
    provider_name: str
    categories: tuple[Category, ...]
    actions: tuple[Action, ...]
    purpose: Purpose


async def ask(
    house: House,
    staff: Staff,
    alias: bytes,
    *,
    categories: tuple[Category, ...],
    actions: tuple[Action, ...],
    purpose: Purpose,
) -> str:
    """Write down a request for the citizen to answer; return its id, whoever the citizen is.

    Raises:
        consent.gate.Refused: this principal may not ask.
        RuleError: for what no staff can have.
    """
    if Action.MANAGE in actions:
        raise RuleError("actions: read or add")
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    request_id = secrets.token_bytes(16)
    authorization = await house.ask(
        staff,
        vault_state,
        Deed.ASK,
        EventKind.ACCESS_REQUEST,
        Activity.WRITE,
        categories=categories,
        purpose=purpose,
        subject=request_id.hex(),
    )
    unit = staff.commission.unit
    request = AccessRequest(
        request_id.hex(),
        authorization.ask.at,
        RequestState.OPEN,
        staff.id,
        staff.name,
        staff.title,
        unit.id,
        unit.name,
        unit.provider.name,
        categories,
        actions,
        purpose,
    )
    await house.database.write(lambda connection: _store(connection, vault_state.keys, request))
    return request.id


async def requests_of(house: House, principal: Principal, alias: bytes) -> tuple[AccessRequest, ...]:
    """Return what is asked of a citizen, not yet answered and not lapsed, newest first."""
    vault_state, found = await house.database.read(lambda connection: _open(house, connection, alias))
    await house.ask(
        principal, vault_state, Deed.MANAGE, EventKind.READ, Activity.READ, subject="requests", need=Need.SOME
    )
    since = house.clock() - LAPSES
    return tuple(one for one in found if one.state is RequestState.OPEN and one.at > since)


async def accept(
    house: House, principal: Principal, alias: bytes, request_id: str, narrowed: Mapping[str, Any] = _AS_ASKED
) -> Rule:
    """Grant what was asked, to the unit that asked: as asked, or narrowed by the terms of a posted rule.

    The rule has the request's id: to accept twice, at once or after a crash in between, makes one rule.

    Raises:
        NoSuchRequestError: it is not there, answered already, or lapsed.
        RuleError: the terms are wrong, or wider than what was asked for; the text names the field.
    """
    request = await _find(house, principal, alias, request_id)
    rule = _answered(request, narrowed, author=principal_alias(principal), created=house.clock())
    await _grant(house, principal, alias, rule)
    await _answer(house, alias, request_id, RequestState.ACCEPTED)
    return rule


async def _grant(house: House, principal: Principal, alias: bytes, rule: Rule) -> None:
    """Grant it, in place of what an earlier yes made that was cut off, or one that came at the same time."""
    for attempt in range(1, _TRIES + 1):
        rules = (await house.database.read(lambda connection: house.load(connection, alias))).rules
        there = next((one for one in rules.rules if one.id == rule.id), None)
        try:
            await granting.carry_out(house, principal, alias, granting.to_grant(rule, instead_of=there))
        except granting.NoSuchRuleError:
            if attempt == _TRIES:
                raise
        else:
            return


def _answered(request: AccessRequest, narrowed: Mapping[str, Any], *, author: str, created: datetime) -> Rule:
    """Return the rule that a yes makes."""
    for name in narrowed:
        if name not in _NARROWS:
            raise RuleError(f"{name}: not a term by which a request is narrowed")
    asked: dict[str, Any] = {
        "effect": Effect.ALLOW,
        "grantee": {"kind": GranteeKind.UNIT, "id": request.unit_id},
        "actions": list(request.actions),
        "categories": list(request.categories),
        "purposes": [request.purpose],
    }
    rule = parse_rule({**asked, **narrowed}, id=request.id, author=author, created=created)
    for name, more in (
        ("actions", rule.actions - set(request.actions)),
        ("categories", rule.categories - set(request.categories)),
    ):
        if more:
            raise RuleError(f"{name}: more than was asked for")
    return rule


async def decline(house: House, principal: Principal, alias: bytes, request_id: str) -> None:
    """Say no, with no word to staff on why.

    Raises:
        NoSuchRequestError: it is not there, or answered already.
    """
    await _find(house, principal, alias, request_id)
    await _answer(house, alias, request_id, RequestState.DECLINED)


def principal_alias(principal: Principal) -> str:
    """Return who makes a rule: the person's alias in hex."""
    person = getattr(principal, "person", None)
    if person is None:
        raise TypeError("only a person makes a rule")
    return str(person.alias.hex())


async def _find(house: House, principal: Principal, alias: bytes, request_id: str) -> AccessRequest:
    for request in await requests_of(house, principal, alias):
        if request.id == request_id:
            return request
    raise NoSuchRequestError


async def _answer(house: House, alias: bytes, request_id: str, answer: RequestState) -> None:
    def work(connection: Connection) -> None:
        vault = house.locate(connection, alias)
        where = (_REQUESTS.c.vault_id == vault, _REQUESTS.c.request_id == bytes.fromhex(request_id))
        is_open = _REQUESTS.c.state == RequestState.OPEN
        connection.execute(update(_REQUESTS).where(*where, is_open).values(state=answer))

    await house.database.write(work)


def _store(connection: Connection, keys: VaultKeys, request: AccessRequest) -> None:
    """Keep a request, or let it go where the citizen has enough to answer; staff get the same word as always.

    Something is written either way: an answer that is quicker, since nothing had to reach the disk, would
    tell the decoy, whose places are always taken, from a citizen.
    """
    since = microseconds(request.at - LAPSES)
    where = (
        _REQUESTS.c.vault_id == keys.vault,
        _REQUESTS.c.state == RequestState.OPEN,
        _REQUESTS.c.created_us > since,
    )
    rows = connection.execute(select(_REQUESTS).where(*where)).mappings()
    waiting = [_unseal(keys, AccessRequestRow(**row)) for row in rows]
    of_unit = sum(one.unit_id == request.unit_id for one in waiting)
    values = {
        "vault_id": keys.vault,
        "request_id": bytes.fromhex(request.id),
        "state": RequestState.OPEN,
        "sealed": _seal(keys, request),
        "created_us": microseconds(request.at),
    }
    if len(waiting) < OPEN_AT_ONCE and of_unit < OPEN_OF_ONE_UNIT:
        connection.execute(insert(_REQUESTS).values(values))
        return
    first = bytes.fromhex(waiting[0].id)
    connection.execute(
        update(_REQUESTS).where(*where, _REQUESTS.c.request_id == first).values(state=RequestState.OPEN)
    )


def _open(house: House, connection: Connection, alias: bytes) -> tuple[VaultState, list[AccessRequest]]:
    vault_state = house.load(connection, alias)
    query = select(_REQUESTS).where(_REQUESTS.c.vault_id == vault_state.vault)
    rows = connection.execute(query.order_by(_REQUESTS.c.created_us.desc())).mappings()
    return vault_state, [_unseal(vault_state.keys, AccessRequestRow(**row)) for row in rows]


def _seal(keys: VaultKeys, request: AccessRequest) -> bytes:
    fields = {
        "staff": [request.staff_id, request.staff_name, request.staff_title],
        "unit": [request.unit_id, request.unit_name, request.provider_name],
        "categories": request.categories,
        "actions": request.actions,
        "purpose": request.purpose,
    }
    bound = context("access-request", keys.vault, bytes.fromhex(request.id))
    return envelope.seal_box(keys.rules, json.dumps(fields).encode(), bound_to=bound)


def _unseal(keys: VaultKeys, row: AccessRequestRow) -> AccessRequest:
    bound = context("access-request", keys.vault, row.request_id)
    fields: dict[str, Any] = json.loads(envelope.open_box(keys.rules, row.sealed, bound_to=bound))
    staff_id, staff_name, staff_title = fields["staff"]
    unit_id, unit_name, provider_name = fields["unit"]
    return AccessRequest(
        row.request_id.hex(),
        moment(row.created_us),
        RequestState(row.state),
        staff_id,
        staff_name,
        staff_title,
        unit_id,
        unit_name,
        provider_name,
        tuple(Category(one) for one in fields["categories"]),
        tuple(Action(one) for one in fields["actions"]),
        Purpose(fields["purpose"]),
    )
