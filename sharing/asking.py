"""Staff ask, the citizen answers. Asking tells nothing: one without a vault is asked in the decoy's."""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select, update

from audit.events import Activity, EventKind
from consent.rules import Grantee, Rule, RuleError
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
OPEN_AT_ONCE = 20
OPEN_OF_ONE_UNIT = 3  # so that no unit takes the others' places


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
    """Return what is asked of a citizen and not yet answered, newest first."""
    vault_state, found = await house.database.read(lambda connection: _open(house, connection, alias))
    await house.ask(principal, vault_state, Deed.MANAGE, EventKind.READ, Activity.READ, subject="requests")
    return tuple(request for request in found if request.state is RequestState.OPEN)


async def accept(house: House, principal: Principal, alias: bytes, request_id: str) -> Rule:
    """Grant what was asked, to the unit that asked, as asked.

    The rule has the request's id: to accept twice, at once or after a crash in between, makes one rule.

    Raises:
        NoSuchRequestError: it is not there, or answered already.
    """
    request = await _find(house, principal, alias, request_id)
    rule = Rule(
        id=request.id,
        effect=Effect.ALLOW,
        grantee=Grantee(GranteeKind.UNIT, request.unit_id),
        actions=frozenset(request.actions),
        categories=frozenset(request.categories),
        created=house.clock(),
        author=principal_alias(principal),
        purposes=frozenset({request.purpose}),
    )
    await granting.grant(house, principal, alias, rule)
    await _answer(house, alias, request_id, RequestState.ACCEPTED)
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
    where = (_REQUESTS.c.vault_id == keys.vault, _REQUESTS.c.state == RequestState.OPEN)
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
