"""The one ``decide()``: a fixed set of Cedar policies, checked against its schema before the first question.

A permit is **Allow, no evaluation error, and both entities given**. Cedar alone would say Allow where a
forbid errored (it is skipped) or where an entity was left out. The text of a policy comes from this
package's files only; nothing that a user wrote is ever parsed as policy. Time does not enter: ages and
windows are facts that :mod:`consent` computes.

Files: ``<name>.cedar`` always holds; ``<setting>--<choice>.cedar`` holds where the setting says so, and one
choice must be named for every setting there is. One rule of law a file, its source in a comment on top.
"""

import functools
import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, NoReturn

import cedarpy
import msgspec

from policies.vocabulary import Deed

#: The choices that follow the law in force.
LAW_IN_FORCE: Mapping[str, str] = {
    "basis": "consent",
    "blocked-data": "told",
    "emergency": "hour",
    "relation": "stated",
    "staff-names": "named",
}

#: The policies that come with the product.
INSTALLED: Traversable = files("policies")

_SCHEMA = "vault.cedarschema"
_CHOICE = "--"  # in a file's name, between a setting and its choice
_REMEMBERED = 4096  # questions, word for word


class PoliciesError(Exception):
    """The policy set cannot be used; the text names the file and why. The process must not start."""


class DenyReason(StrEnum):
    """Why the policies did not permit."""

    NO_PERMIT = "no-permit"  # nothing permits it
    FORBIDDEN = "forbidden"  # a policy forbids it
    POLICY_ERROR = "policy-error"  # a policy could not be evaluated, so none is believed
    MISSING_ENTITY = "missing-entity"  # who asks or what is asked about was not given


@dataclass(frozen=True, slots=True)
class Permit:
    """The policies permit; ``policies`` are the ids of those that do."""

    policies: tuple[str, ...]

    def __bool__(self) -> NoReturn:
        """Refuse to be taken for a truth: match on the type."""
        raise TypeError("a decision is matched, not tested")


@dataclass(frozen=True, slots=True)
class Deny:
    """The policies do not permit; ``policies`` are the ids of those that forbid."""

    reason: DenyReason
    policies: tuple[str, ...] = ()

    def __bool__(self) -> NoReturn:
        """Refuse to be taken for a truth: match on the type."""
        raise TypeError("a decision is matched, not tested")


@dataclass(frozen=True, slots=True)
class Ref:
    """The name of an entity: its type in the schema and its id (compared byte for byte, after NFC)."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity with its attributes, as the schema has them."""

    ref: Ref
    attributes: Mapping[str, "str | int | bool | Ref"]


@dataclass(frozen=True, slots=True)
class Question:
    """May this principal do this deed with this resource, in this context?"""

    principal: Entity | None
    deed: Deed
    resource: Entity | None
    context: Mapping[str, Any]

    def within(self, context: Mapping[str, Any]) -> "Question":
        """Return the same question with more context."""
        return Question(self.principal, self.deed, self.resource, {**self.context, **context})


class Policies:
    """A policy set that was checked; ``sha256`` is the hex digest of its files, ``ids`` its policies."""

    def __init__(self, texts: Mapping[str, str], schema: str) -> None:
        """Check everything.

        1. the schema parses, 2. each file parses and holds no template, and a policy at least (a choice may be that
        nothing more holds), 3. every policy
        has an ``@id`` and no id stands twice, 4. each file is valid under the schema.

        Raises:
            PoliciesError: any of these does not hold.
        """
        try:
            self._schema = cedarpy.Schema.from_str(schema)
        except ValueError as error:
            raise PoliciesError(f"{_SCHEMA}: {error}") from error
        if not texts:
            raise PoliciesError("no policy files")
        self.ids = _checked_ids(texts)
        for name, text in texts.items():
            _validate(name, text, self._schema)
        self._set = cedarpy.PolicySet.from_str("\n".join(texts.values()))
        self._answers = functools.lru_cache(_REMEMBERED)(self._answer)
        self.sha256 = _digest({**texts, _SCHEMA: schema})

    @classmethod
    def load(cls, folder: Traversable, variants: Mapping[str, str]) -> "Policies":
        """Read and check a folder's policies, with one choice for each setting.

        Raises:
            PoliciesError: a file is missing or wrong, or ``variants`` does not name one existing choice for
                each setting and nothing else.
        """
        found = {item.name: item for item in folder.iterdir() if item.name.endswith(".cedar")}
        chosen = sorted(_chosen(tuple(found), variants))
        try:
            schema = folder.joinpath(_SCHEMA).read_text("utf-8")
            texts = {name: found[name].read_text("utf-8") for name in chosen}
        except (OSError, UnicodeDecodeError) as error:
            raise PoliciesError(f"the policies cannot be read: {error}") from error
        return cls(texts, schema)

    def decide(self, question: Question) -> Permit | Deny:
        """Decide: Permit only if Cedar allows, nothing errored, and both entities were given."""
        if question.principal is None or question.resource is None:
            return Deny(DenyReason.MISSING_ENTITY)
        try:
            entities = _text([_entity(question.principal), _entity(question.resource)])
            return self._answers(entities, str(question.deed), _text(_value(dict(question.context))))
        except (ValueError, TypeError):
            return Deny(DenyReason.POLICY_ERROR)

    def _answer(self, entities: str, deed: str, context: str) -> Permit | Deny:
        """Ask Cedar. Its answer is remembered: it depends on nothing but these texts and the set, which never changes.

        Raises:
            ValueError, TypeError: the question is not one that the schema knows.
        """
        principal, resource = (one["uid"] for one in json.loads(entities))
        request = {
            "principal": principal,
            "action": {"type": "Action", "id": deed},
            "resource": resource,
            "context": context,
        }
        return _read(
            cedarpy.is_authorized(
                request, self._set, cedarpy.Entities.from_json_str(entities, self._schema), self._schema
            )
        )


def _read(answer: cedarpy.AuthzResult) -> Permit | Deny:
    names = answer.diagnostics.id_annotations_by_reason
    ids = tuple(sorted(names.get(reason, "") for reason in answer.diagnostics.reasons))
    match answer.decision:
        case _ if answer.diagnostics.errors:
            return Deny(DenyReason.POLICY_ERROR)
        case cedarpy.Decision.Allow if ids and all(ids):
            return Permit(ids)
        case cedarpy.Decision.Deny if ids:
            return Deny(DenyReason.FORBIDDEN, ids)
        case cedarpy.Decision.Deny:
            return Deny(DenyReason.NO_PERMIT)
        case _:
            return Deny(DenyReason.POLICY_ERROR)


def _chosen(names: tuple[str, ...], variants: Mapping[str, str]) -> set[str]:
    optional = {name for name in names if _CHOICE in name}
    settings = {name.split(_CHOICE)[0] for name in optional}
    if settings != set(variants):
        raise PoliciesError(f"a choice is needed for each of {sorted(settings)} and nothing else")
    chosen = {f"{setting}--{choice}.cedar" for setting, choice in variants.items()}
    if not chosen <= optional:
        raise PoliciesError(f"no such policy file: {', '.join(sorted(chosen - optional))}")
    return {name for name in names if name not in optional} | chosen


def _checked_ids(texts: Mapping[str, str]) -> tuple[str, ...]:
    ids: dict[str, str] = {}
    for name, text in texts.items():
        try:
            parsed = json.loads(cedarpy.policies_to_json_str(text))
        except ValueError as error:
            raise PoliciesError(f"{name}: {error}") from error
        if parsed["templates"] or not (parsed["staticPolicies"] or _CHOICE in name):
            raise PoliciesError(f"{name}: holds a template or no policy")
        for policy in parsed["staticPolicies"].values():
            identifier = policy.get("annotations", {}).get("id")
            if not identifier:
                raise PoliciesError(f"{name}: a policy without @id")
            if identifier in ids:
                raise PoliciesError(f"{name}: @id {identifier!r} stands in {ids[identifier]} too")
            ids[identifier] = name
    return tuple(ids)


def _validate(name: str, text: str, schema: cedarpy.Schema) -> None:
    result = cedarpy.validate_policies(text, schema)
    if result.errors or not result.validation_passed:
        raise PoliciesError(f"{name}: {'; '.join(map(str, result.errors))}")


def _digest(texts: Mapping[str, str]) -> str:
    digest = hashlib.sha256(b"halsovalvet/v1/policies\0")
    for name in sorted(texts):
        for part in (name.encode(), texts[name].encode()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _entity(entity: Entity) -> dict[str, Any]:
    return {"uid": _uid(entity.ref), "attrs": _value(dict(entity.attributes)), "parents": []}


def _uid(ref: Ref) -> dict[str, str]:
    return {"type": ref.type, "id": unicodedata.normalize("NFC", ref.id)}


def _value(value: Any) -> Any:
    """Return ``value`` as Cedar's JSON, every text in NFC, since Cedar compares bytes."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, Ref):
        return {"__entity": _uid(value)}
    if isinstance(value, dict):
        return {key: _value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_value(item) for item in value]
    return value
