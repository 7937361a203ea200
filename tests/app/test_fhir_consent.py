"""Consent over FHIR: what we write is read back the same; what no rule says is refused by the name of the element."""

import contextlib
import copy
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app import demo
from app.fhir.consent import EXCEPTION, PROFILE, to_fhir
from app.fhir.consent_in import from_fhir, rule_of
from app.fhir.element import ConsentError
from app.main import application
from consent.rules import Grantee, Rule
from policies.vocabulary import Action, Category, Effect, GranteeKind
from tests.app.test_odd_input import bearer
from tests.consent import cast
from tests.consent.strategies import RECORDS, UNHURRIED, rules
from tests.world import World, weight

SAMPLES = Path(__file__).parents[3] / "shared" / "samples" / "fhir" / "r4-examples"
ALIAS = cast.ALIAS.hex()
HSA = "urn:oid:1.2.752.129.2.1.4.1"
Resource = dict[str, Any]


@st.composite
def told_rules(draw: st.DrawFn) -> Rule:
    """Draw a rule with all that can be told of it."""
    rule = draw(rules())
    return replace(
        rule,
        id="0" * 32,
        author=ALIAS,
        created=cast.AT + draw(st.sampled_from((timedelta(), timedelta(microseconds=7)))),
        document=draw(st.sampled_from(("", RECORDS[1]))),
        until_plan=draw(st.sampled_from(("", RECORDS[0]))) if rule.effect is Effect.ALLOW else "",
        helper=draw(st.sampled_from(("", "SE2321000000-E1"))),
        confirmed=draw(st.sampled_from((None, cast.AT))),
    )


@UNHURRIED
@given(told_rules())
def test_rule_is_read_back_as_it_was(rule: Rule) -> None:
    """All of it: a term that FHIR lost would be another consent."""
    written = json.loads(json.dumps(to_fhir(rule, patient_id=ALIAS, controller="Region Norr")))
    assert msgspec.convert(from_fhir(written), Rule) == rule


@UNHURRIED
@given(told_rules())
def test_what_waits_to_be_confirmed_says_so_to_whoever_would_act_on_it(rule: Rule) -> None:
    """A permission that lets nobody read yet must not look like one that does."""
    written = to_fhir(rule, patient_id=ALIAS)
    assert ("modifierExtension" in written) is (rule.helper != "" and rule.confirmed is None)


@UNHURRIED
@given(told_rules(), st.data())
def test_consent_with_anything_more_in_it_is_refused(rule: Rule, data: st.DataObject) -> None:
    """Wherever it stands, what is not known is never passed over."""
    written: Any = to_fhir(rule, patient_id=ALIAS)
    at = written["provision"]
    path = "Consent.provision"
    while data.draw(st.booleans()):
        inner = [name for name in ("actor", "action", "class", "data") if isinstance(at.get(name), list)]
        if not inner:
            break
        name = data.draw(st.sampled_from(inner))
        at, path = at[name][0], f"{path}.{name}[0]"
    at["unheardOf"] = "x"
    with pytest.raises(ConsentError, match=r"unheardOf: a rule has no word for it"):
        from_fhir(written)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(("deny", "permit", "2026")),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@UNHURRIED
@given(told_rules(), st.data())
def test_whatever_is_sent_is_a_rule_or_a_refusal(rule: Rule, data: st.DataObject) -> None:
    """Never a fault of ours: any element may be anything."""
    at: Any = to_fhir(replace(rule, helper="", confirmed=None), patient_id=ALIAS)
    written = at
    while True:
        name = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not at[name] or not isinstance(at[name], dict | list) or data.draw(st.booleans()):
            break
        at = at[name]
    at[name] = data.draw(_JSON)
    with contextlib.suppress(ConsentError):
        read(written)


def basic(effect: str = "permit", /, **terms: Any) -> Resource:
    """Return a Consent of somebody else's that a rule can say."""
    provision = {
        "type": effect,
        "actor": [actor("Organization", cast.CENTRE.id)],
        "action": [concept("http://terminology.hl7.org/CodeSystem/consentaction", "access")],
        "class": [{"system": "urn:halsovalvet:category", "code": "blood-pressure"}],
        **terms,
    }
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [concept("http://loinc.org", "59284-0")],
        "patient": {"reference": f"Patient/{ALIAS}"},
        "dateTime": "2026-03-01",
        "performer": [{"reference": f"Patient/{ALIAS}"}],
        "organization": [{"display": "Region Norr"}],
        "policy": [{"uri": "urn:halsovalvet:policy:rules"}],
        "provision": {name: value for name, value in provision.items() if value is not None},
    }


def actor(kind: str, hsa_id: str) -> Resource:
    """Return one who receives, as anybody would write it."""
    role = concept("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP")
    return {"role": role, "reference": {"type": kind, "identifier": {"system": HSA, "value": hsa_id}}}


def concept(system: str, code: str) -> Resource:
    """Return a CodeableConcept."""
    return {"coding": [{"system": system, "code": code}]}


def known(hsa_id: str) -> GranteeKind | None:
    """Tell what the made-up organisations are."""
    return {cast.CENTRE.id: GranteeKind.UNIT, cast.OWN_CARE.id: GranteeKind.PROVIDER}.get(hsa_id)


def read(resource: Resource) -> Rule:
    """Read a posted Consent as Anna's own."""
    return rule_of(resource, owner=cast.ALIAS, kind_of=known, id="r1", author=ALIAS, created=cast.AT)


class TestOthers:
    """Other people's Consents, where a rule says the same."""

    def test_permission_is_an_allow(self) -> None:
        """Whom, what and which are named; the organisation's kind comes from the directory."""
        assert read(basic()) == cast.rule()

    def test_bare_denial_is_a_block_of_everybody(self) -> None:
        """What a denial leaves out it denies."""
        rule = read(basic("deny", actor=None, action=None, **{"class": None}))
        assert (rule.effect, rule.grantee) == (Effect.BLOCK, Grantee(GranteeKind.NETWORK, ""))
        assert rule.actions == {Action.READ, Action.ADD}
        assert rule.categories == set(Category)

    @pytest.mark.parametrize("left_out", ["type", "actor", "action", "class"])
    def test_permission_that_leaves_out_is_no_permission(self, left_out: str) -> None:
        """Nothing is not permission: above all, a root without a type permits nothing."""
        with pytest.raises(ConsentError, match=rf"^Consent\.provision\.{left_out}: missing"):
            read(basic(**{left_out: None}))

    def test_years_and_months_are_taken_whole(self) -> None:
        """As FHIR reads them: a period's end is the last moment of it."""
        rule = read(basic(period={"start": "2025", "end": "2027-02"}, dataPeriod={"end": "2024"}))
        assert rule.valid_from is not None
        assert rule.valid_to is not None
        assert (rule.valid_from.isoformat(), rule.valid_to.isoformat()) == (
            "2024-12-31T23:00:00+00:00",
            "2027-02-28T23:00:00+00:00",
        )
        assert str(rule.data_to) == "2024-12-31"


def changed(path: str, value: Any) -> Resource:
    """Return the basic Consent with one element set, by its path."""
    made: Any = copy.deepcopy(basic())
    *inner, last = path.split(".")
    at = made
    for name in inner:
        at = at[int(name) if name.isdigit() else name]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return made  # type: ignore[no-any-return]


OTHER_PERSON = {"reference": f"Patient/{'0' * 32}"}
PERMITS = {"type": "permit", "actor": [actor("Organization", cast.CENTRE.id)]}
MODIFIER = [{"url": "http://example.org/not-on-sundays", "valueBoolean": True}]
REFUSED = {
    "a draft": ("status", "draft", "Consent.status"),
    "an inactive one": ("status", "inactive", "Consent.status"),
    "research": (
        "scope",
        concept("http://terminology.hl7.org/CodeSystem/consentscope", "research"),
        "Consent.scope",
    ),
    "another category": ("category", [concept("http://loinc.org", "64292-6")], "Consent.category[0]"),
    "no patient": ("patient", None, "Consent.patient"),
    "somebody else": ("patient", OTHER_PERSON, "Consent.patient.reference"),
    "somebody else consents": ("performer", [OTHER_PERSON], "Consent.performer[0].reference"),
    "a modifier": ("modifierExtension", MODIFIER, "Consent.modifierExtension[0]"),
    "what waits to be confirmed": (
        "modifierExtension",
        [{"url": "urn:halsovalvet:consent:pending", "valueBoolean": True}],
        "Consent.modifierExtension",
    ),
    "what waits for nothing": (
        "modifierExtension",
        [{"url": "urn:halsovalvet:consent:pending", "valueBoolean": False}],
        "Consent.modifierExtension[0].valueBoolean",
    ),
    "implicit rules": ("implicitRules", "http://example.org/rules", "Consent.implicitRules"),
    "an extension": ("extension", MODIFIER, "Consent.extension[0]"),
    "a helper": (
        "extension",
        [
            {
                "url": "urn:halsovalvet:consent:helper",
                "valueIdentifier": {"system": HSA, "value": "SE2321000000-E1"},
            }
        ],
        "Consent.extension",
    ),
    "an attachment": ("sourceAttachment", {"title": "Terms"}, "Consent.sourceAttachment"),
    "a strange source": ("sourceReference", {"reference": "Contract/7"}, "Consent.sourceReference.reference"),
    "another policy": ("policy", [{"uri": "http://example.org/policy"}], "Consent.policy[0].uri"),
    "an authority": ("policy", [{"authority": "http://example.org"}], "Consent.policy[0].authority"),
    "a policy rule": ("policyRule", concept("x", "OPTIN"), "Consent.policyRule"),
    "verification": ("verification", [{"verified": True}], "Consent.verification"),
    "no provision": ("provision", None, "Consent.provision"),
    "an empty provision": ("provision", {}, "Consent.provision"),
    "an odd type": ("provision.type", "allow", "Consent.provision.type"),
    "two actors": (
        "provision.actor",
        [actor("Organization", cast.CENTRE.id)] * 2,
        "Consent.provision.actor[1]",
    ),
    "no actors": ("provision.actor", [], "Consent.provision.actor"),
    "another role": ("provision.actor.0.role", concept("x", "CST"), "Consent.provision.actor[0].role"),
    "a literal reference": (
        "provision.actor.0.reference",
        {"reference": "Organization/f001"},
        "Consent.provision.actor[0].reference.reference",
    ),
    "an unknown unit": (
        "provision.actor",
        [actor("Organization", cast.HOMECARE.id)],
        "Consent.provision.actor[0].reference.identifier",
    ),
    "an odd practitioner": (
        "provision.actor",
        [actor("Practitioner", "nobody")],
        "Consent.provision.actor[0].reference",
    ),
    "disclosing": (
        "provision.action",
        [concept("http://terminology.hl7.org/CodeSystem/consentaction", "disclose")],
        "Consent.provision.action[0]",
    ),
    "a resource type": (
        "provision.class",
        [{"system": "http://hl7.org/fhir/resource-types", "code": "MedicationRequest"}],
        "Consent.provision.class[0]",
    ),
    "a label": ("provision.securityLabel", [{"code": "N"}], "Consent.provision.securityLabel"),
    "an odd purpose": (
        "provision.purpose",
        [{"system": "x", "code": "TREAT"}],
        "Consent.provision.purpose[0]",
    ),
    "breaking the glass": (
        "provision.purpose",
        [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "BTG"}],
        "Consent.provision.purpose[0]",
    ),
    "another code system": (
        "provision.code",
        [concept("http://snomed.info/sct", "1")],
        "Consent.provision.code[0]",
    ),
    "related data": (
        "provision.data",
        [{"meaning": "related", "reference": {"reference": "Encounter/1"}}],
        "Consent.provision.data[0].meaning",
    ),
    "hours of data": (
        "provision.dataPeriod",
        {"start": "2026-01-01T10:00:00Z"},
        "Consent.provision.dataPeriod.start",
    ),
    "no such day": ("provision.period", {"end": "2026-02-30"}, "Consent.provision.period.end"),
    "hours without a zone": (
        "provision.period",
        {"end": "2026-02-20T10:00:00"},
        "Consent.provision.period.end",
    ),
    "an exception": ("provision.provision", [{**PERMITS, "type": "deny"}], "Consent.provision.provision"),
    "a strange modifier": (
        "provision.modifierExtension",
        MODIFIER,
        "Consent.provision.modifierExtension[0]",
    ),
    "a modifier of nothing": (
        "provision.modifierExtension",
        [{"url": "urn:halsovalvet:consent:while-related", "valueBoolean": False}],
        "Consent.provision.modifierExtension[0]",
    ),
    "two codings": (
        "scope",
        {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
            ]
            * 2
        },
        "Consent.scope.coding[1]",
    ),
    "lists for texts": ("provision.class", [{"system": [], "code": {}}], "Consent.provision.class[0].system"),
}


@pytest.mark.parametrize(("path", "value", "named"), REFUSED.values(), ids=REFUSED.keys())
def test_what_no_rule_says_is_refused_by_name(path: str, value: Any, named: str) -> None:
    """Each element has its own refusal, so that whoever sent it knows what to leave out or to send apart."""
    with pytest.raises(ConsentError) as refused:
        read(changed(path, value))
    assert str(refused.value).startswith(f"{named}: ")


def test_every_fault_is_told_at_once() -> None:
    """One who writes the other program must not find them one by one."""
    made = basic(securityLabel=[{"code": "N"}])
    made["policyRule"] = concept("x", "OPTIN")
    with pytest.raises(ConsentError, match=r"policyRule.*; .*securityLabel|securityLabel.*; .*policyRule"):
        read(made)


@pytest.mark.parametrize(
    "exception",
    [
        PERMITS,
        {**PERMITS, "modifierExtension": MODIFIER},
        {**PERMITS, "modifierExtension": [{"url": EXCEPTION, "valueCode": "loved"}]},
        {"type": "permit", "modifierExtension": [{"url": EXCEPTION, "valueCode": "spared"}]},
        {**PERMITS, "type": "deny", "modifierExtension": [{"url": EXCEPTION, "valueCode": "spared"}]},
    ],
)
def test_exception_to_a_denial_permits_nobody(exception: Resource) -> None:
    """Whom a block spares has no permission by that: a permit nested in a denial would be a rule of its own."""
    with pytest.raises(ConsentError, match=r"^Consent\.provision\.provision\[0\]"):
        read(basic("deny", provision=[exception]))


def test_denial_may_spare_somebody_by_our_own_exception() -> None:
    """As we write it."""
    spared = {**PERMITS, "modifierExtension": [{"url": EXCEPTION, "valueCode": "spared"}]}
    rule = read(basic("deny", actor=None, provision=[spared]))
    assert rule.spares == {Grantee(GranteeKind.UNIT, cast.CENTRE.id)}


#: By which elements HL7's own examples are refused: none names by an HSA-id whom it lets in, and each rests on a policy
#: (OPTIN, OPTOUT) that is not the vault's. Of those without a type in the root no rule may come at all.
EXAMPLES = {
    "consent-example.json": "no type",  # a period alone
    "consent-example-Emergency.json": "no type",  # an exception to nothing
    "consent-example-Out.json": "no type",
    "consent-example-grantor.json": "no type",
    "consent-example-notAuthor.json": "no type",
    "consent-example-notOrg.json": "Consent.provision.actor[0].role",  # denies an organisation, in a role of its own
    "consent-example-notThem.json": "no type",
    "consent-example-pkb.json": "no type",
    "consent-example-signature.json": "no type",  # permits within a root that has no type
    "consent-example-smartonfhir.json": "no type",  # the same
}


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="other people's samples are not here")
@pytest.mark.parametrize(("name", "named"), EXAMPLES.items())
def test_hl7_examples_are_refused_by_name(name: str, named: str) -> None:
    """What they mean no rule says; a root without a type is no permit, whatever is nested in it."""
    resource = json.loads((SAMPLES / name).read_text())
    with pytest.raises(ConsentError) as refused:
        from_fhir(resource, kind_of=lambda _: GranteeKind.UNIT)
    told = str(refused.value)
    assert ("Consent.provision.type: missing" in told) == (named == "no type")
    assert "Consent.policyRule: " in told
    if named != "no type":
        assert f"{named}: " in told


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="other people's samples are not here")
def test_every_example_has_its_outcome() -> None:
    """One that is added must be decided on."""
    assert {path.name for path in SAMPLES.glob("consent-*.json")} == set(EXAMPLES)


# --- over HTTP


@pytest.fixture
async def client(world: World) -> AsyncIterator[AsyncTestClient[Litestar]]:
    """Serve the country over HTTP, with Anna in it."""
    await world.enter("anna")
    await world.add("anna", "anna", weight("70.5"))
    async with AsyncTestClient(application(world.valv), base_url="http://127.0.0.1") as served:
        yield served


def annas(world: World, **terms: Any) -> Resource:
    """Return a Consent of Anna's that lets the health centre read her weight."""
    alias = world.alias("anna").hex()
    made = basic(
        actor=[actor("Organization", demo.HEALTH_CENTRE)],
        **{"class": [{"system": "urn:halsovalvet:category", "code": "body-weight"}]},
        **terms,
    )
    return {
        **made,
        "patient": {"reference": f"Patient/{alias}"},
        "performer": [{"reference": f"Patient/{alias}"}],
    }


class TestPosted:
    """A citizen's own Consent makes a rule."""

    async def test_posted_consent_lets_in_whom_it_names(
        self, world: World, client: AsyncTestClient[Litestar]
    ) -> None:
        """And it is listed as it now stands, so that posting it again makes the same rule."""
        anna = await bearer(client, "anna")
        made = await client.post("/fhir/Consent", json=annas(world), headers=anna)
        assert made.status_code == 201, made.text
        assert made.headers["Location"] == f"/fhir/Consent/{made.json()['id']}"
        assert (await world.read("nurse-vc", "anna", Category.BODY_WEIGHT)).columns
        listed = (await client.get("/fhir/Consent", headers=anna)).json()
        (entry,) = [one for one in listed["entry"] if one["resource"]["id"] == made.json()["id"]]
        assert entry["resource"] == made.json()
        assert entry["resource"]["meta"]["profile"] == [PROFILE]
        again = (await client.post("/fhir/Consent", json=entry["resource"], headers=anna)).json()
        assert again["provision"] == made.json()["provision"]
        assert again["id"] != made.json()["id"]

    async def test_refusal_is_an_outcome_that_names_the_element(
        self, world: World, client: AsyncTestClient[Litestar]
    ) -> None:
        """As FHIR tells faults."""
        sent = annas(world, securityLabel=[{"code": "N"}])
        answer = await client.post("/fhir/Consent", json=sent, headers=await bearer(client, "anna"))
        assert answer.status_code == 400
        assert "Consent.provision.securityLabel" in answer.json()["issue"][0]["diagnostics"]

    async def test_staff_post_no_consent(self, world: World, client: AsyncTestClient[Litestar]) -> None:
        """A consent is the citizen's own."""
        answer = await client.post(
            "/fhir/Consent", json=annas(world), headers=await bearer(client, "nurse-vc")
        )
        assert answer.status_code == 403

    async def test_old_login_makes_no_rule(self, world: World, client: AsyncTestClient[Litestar]) -> None:
        """It takes an authentication under five minutes old, as any new rule."""
        anna = await bearer(client, "anna")
        world.clock.move(minutes=6)
        answer = await client.post("/fhir/Consent", json=annas(world), headers=anna)
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (403, "login")


def test_document_is_told_as_the_source() -> None:
    """What the rule rests on."""
    rule = replace(cast.rule(), document=RECORDS[0])
    told = to_fhir(rule, patient_id=ALIAS)
    assert told["sourceReference"]["identifier"]["value"] == RECORDS[0]
    literal = {**told, "sourceReference": {"reference": f"DocumentReference/{RECORDS[0]}"}}
    assert from_fhir(literal)["document"] == RECORDS[0]
