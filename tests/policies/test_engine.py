from collections.abc import Callable
from pathlib import Path
from typing import Any

import cedarpy
import pytest

from policies.engine import (
    INSTALLED,
    LAW_IN_FORCE,
    Deny,
    DenyReason,
    Entity,
    Permit,
    Policies,
    PoliciesError,
    Question,
    Ref,
)
from policies.vocabulary import Deed

SCHEMA = INSTALLED.joinpath("vault.cedarschema").read_text("utf-8")
OWNER = Entity(Ref("Citizen", "aa"), {})
VAULT = Entity(Ref("Vault", "01"), {"owner": Ref("Citizen", "aa"), "age": 40, "protected": False})
CONTEXT = {
    "purpose": "",
    "consent": {"allows": [], "denies": []},
    "registered": True,
    "locates": False,
    "related": False,
    "emergency": False,
    "minutes": 0,
}
MINE = '@id("mine") permit (principal is Citizen, action == Action::"read", resource is Vault);'


def ask(**changed: Any) -> Question:
    """Ask for the owner's reading, with something changed."""
    return Question(
        **{"principal": OWNER, "deed": Deed.READ, "resource": VAULT, "context": CONTEXT, **changed}
    )


@pytest.fixture(scope="module")
def installed() -> Policies:
    """Load the product's own policies."""
    return Policies.load(INSTALLED, LAW_IN_FORCE)


def test_a_permit_names_the_policies_that_permit(installed: Policies) -> None:
    """The log keeps who decided."""
    assert installed.decide(ask()) == Permit(("owner",))


def test_nothing_that_permits_is_a_refusal(installed: Policies) -> None:
    """Default deny: another's vault is closed without any policy saying so."""
    stranger = Entity(Ref("Citizen", "bb"), {})
    assert installed.decide(ask(principal=stranger)) == Deny(DenyReason.NO_PERMIT)


def test_a_forbid_names_itself(installed: Policies) -> None:
    """A block is told apart from a lack of consent, in the log only."""
    consent = {"allows": ["r"], "denies": ["b"]}
    attributes: dict[str, str | int | bool | Ref] = {"citizen": Ref("Citizen", "aa"), "relation": "guardian"}
    guardian = Entity(Ref("Proxy", "cc"), attributes)
    answer = installed.decide(ask(principal=guardian, context={**CONTEXT, "consent": consent}))
    assert answer == Deny(DenyReason.FORBIDDEN, ("block",))


@pytest.mark.parametrize("missing", ["principal", "resource"])
def test_a_missing_entity_is_a_refusal(missing: str) -> None:
    """Cedar evaluates on without an entity whose attributes no policy happens to read."""
    assert Policies({"a.cedar": MINE}, SCHEMA).decide(ask(**{missing: None})) == Deny(
        DenyReason.MISSING_ENTITY
    )


def test_an_erroring_forbid_is_a_refusal_and_not_skipped() -> None:
    """Cedar skips a policy that errors, so that a forbid would quietly be gone."""
    overflow = """@id("broken") forbid (principal, action, resource is Vault)
        when { resource.age + 9223372036854775807 < 0 };"""
    policies = Policies({"a.cedar": MINE, "b.cedar": overflow}, SCHEMA)
    assert policies.decide(ask()) == Deny(DenyReason.POLICY_ERROR)
    # and it is the error alone that refuses: without it the answer is a permit
    assert Policies({"a.cedar": MINE}, SCHEMA).decide(ask()) == Permit(("mine",))


@pytest.mark.parametrize(
    "broken",
    [
        {"context": {}},
        {"context": {**CONTEXT, "purpose": 3}},
        {"context": {**CONTEXT, "purpose": object()}},
        {"context": {**CONTEXT, "extra": 1}},
        {"resource": Entity(Ref("Vault", "01"), {"owner": Ref("Citizen", "aa")})},
        {"resource": Entity(Ref("Vault", "01"), {**VAULT.attributes, "age": "40"})},
        {"principal": Entity(Ref("Nobody", "aa"), {})},
        {"principal": Entity(Ref("Citizen", "\ud800"), {})},
        {"resource": Entity(Ref("Organisation", "x"), {"number": "1"})},
    ],
)
def test_a_question_outside_the_schema_is_a_refusal(installed: Policies, broken: dict[str, Any]) -> None:
    """What the law did not foresee is not permitted."""
    assert installed.decide(ask(**broken)) == Deny(DenyReason.POLICY_ERROR)


def test_ids_are_compared_in_nfc(installed: Policies) -> None:
    """Cedar compares bytes; one name must not be two entities by how its å was typed."""
    vault = Entity(VAULT.ref, {**VAULT.attributes, "owner": Ref("Citizen", "\u00e5")})
    owner = Entity(Ref("Citizen", "a\u030a"), {})
    assert installed.decide(ask(principal=owner, resource=vault)) == Permit(("owner",))


def test_an_id_cannot_speak_cedar(installed: Policies) -> None:
    """Ids come from outside; quotes and newlines in them must stay text."""
    nasty = '"} || true; // \n\u0000'
    vault = Entity(Ref("Vault", nasty), dict(VAULT.attributes))
    assert installed.decide(ask(resource=vault)) == Permit(("owner",))
    assert installed.decide(ask(principal=Entity(Ref("Citizen", nasty), {}))) == Deny(DenyReason.NO_PERMIT)


@pytest.mark.parametrize("answer", [Permit(("x",)), Deny(DenyReason.NO_PERMIT)])
def test_a_decision_cannot_be_tested_for_truth(answer: Permit | Deny) -> None:
    """Any object is true, so `if decide(...)` would permit a Deny."""
    with pytest.raises(TypeError):
        bool(answer)


REFUSED_SETS: dict[str, dict[str, str]] = {
    "none": {},
    "empty file": {"a.cedar": "// nothing\n"},
    "syntax": {"a.cedar": MINE + "permit"},
    "no id": {"a.cedar": "permit (principal, action, resource);"},
    "empty id": {"a.cedar": '@id("") permit (principal, action, resource);'},
    "same id twice": {"a.cedar": MINE + MINE},
    "same id in two files": {"a.cedar": MINE, "b.cedar": MINE},
    "template": {"a.cedar": '@id("t") permit (principal == ?principal, action, resource);'},
    "unknown type": {"a.cedar": '@id("t") permit (principal is Robot, action, resource);'},
    "unknown action": {"a.cedar": '@id("t") permit (principal, action == Action::"peek", resource);'},
    "unknown attribute": {"a.cedar": MINE[:-1] + " when { resource.code == 1 };"},
    "comparison of types": {"a.cedar": MINE[:-1] + ' when { resource.age == "x" };'},
}


@pytest.mark.parametrize("texts", REFUSED_SETS.values(), ids=REFUSED_SETS.keys())
def test_a_faulty_set_is_refused_at_start(texts: dict[str, str]) -> None:
    """A process that cannot read the law must not run."""
    with pytest.raises(PoliciesError):
        Policies(texts, SCHEMA)


def test_a_faulty_schema_is_refused_at_start() -> None:
    """Without a schema Cedar resolves no groups and checks no types."""
    with pytest.raises(PoliciesError, match="cedarschema"):
        Policies({"a.cedar": MINE}, "entity ;")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Copy the product's own policies."""
    for item in INSTALLED.iterdir():
        if ".cedar" in item.name:
            (tmp_path / item.name).write_text(item.read_text("utf-8"), "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "variants", [{}, {"basis": "none"}, {"basis": "consent", "more": "x"}, {"other": "consent"}]
)
def test_every_setting_needs_one_existing_choice(variants: dict[str, str]) -> None:
    """A forgotten setting must stop the start and not skip a rule."""
    with pytest.raises(PoliciesError):
        Policies.load(INSTALLED, variants)


def test_a_folder_without_schema_is_refused(folder: Path) -> None:
    """The set is checked against what is there, never against nothing."""
    (folder / "vault.cedarschema").unlink()
    with pytest.raises(PoliciesError):
        Policies.load(folder, LAW_IN_FORCE)


CHANGES: dict[str, Callable[[Path], object]] = {
    "policy": lambda folder: (folder / "owner.cedar").write_text(MINE, "utf-8"),
    "schema": lambda folder: (folder / "vault.cedarschema").write_text(SCHEMA + "\n// x\n", "utf-8"),
    "renamed": lambda folder: (folder / "owner.cedar").rename(folder / "owner2.cedar"),
    "gone": lambda folder: (folder / "owner.cedar").unlink(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_the_digest_changes_with_any_file(folder: Path, change: Callable[[Path], object]) -> None:
    """Every log entry carries it, so that the law in force at the time can be shown."""
    before = Policies.load(folder, LAW_IN_FORCE).sha256
    assert before == Policies.load(INSTALLED, LAW_IN_FORCE).sha256
    change(folder)
    assert Policies.load(folder, LAW_IN_FORCE).sha256 != before


def test_the_digest_tells_the_variants_apart() -> None:
    """The lawful basis in force is part of what a log entry proves."""
    digests = {
        Policies.load(INSTALLED, {**LAW_IN_FORCE, "basis": basis}).sha256
        for basis in ("consent", "blocks-only")
    }
    assert len(digests) == 2


def test_question_is_asked_again_where_a_word_of_it_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer is remembered for the very question, and what went wrong once is no permit the next time."""
    policies, asked, really = Policies.load(INSTALLED, LAW_IN_FORCE), [], cedarpy.is_authorized

    def heard(request: Any, *rest: Any) -> cedarpy.AuthzResult:
        asked.append(request)
        return really(request, *rest)

    monkeypatch.setattr(cedarpy, "is_authorized", heard)
    for _ in range(2):
        assert policies.decide(ask()) == Permit(("owner",))
    assert len(asked) == 1
    blocked = {**CONTEXT, "consent": {"allows": [], "denies": ["a"]}}
    for changed in (
        {"context": blocked},
        {"deed": Deed.ADD},
        {"principal": Entity(Ref("Citizen", "ab"), {})},
        {"resource": Entity(VAULT.ref, {**VAULT.attributes, "age": 41})},
    ):
        policies.decide(ask(**changed))
    assert len(asked) == 5
    for _ in range(2):
        assert policies.decide(ask(context={})) == Deny(DenyReason.POLICY_ERROR)
