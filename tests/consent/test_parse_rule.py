from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.codec import rule_to_json
from consent.parse import parse_rule
from consent.rules import Grantee, Rule, RuleError
from policies.vocabulary import Action, Category, GranteeKind
from tests.consent import cast
from tests.consent.strategies import UNHURRIED

POSTED: dict[str, Any] = {
    "effect": "allow",
    "grantee": {"kind": "unit", "id": cast.CENTRE.id},
    "actions": ["read", "add"],
    "categories": ["blood-pressure"],
}


def parsed(**changed: Any) -> Rule:
    """Parse the posted rule with something changed."""
    return parse_rule({**POSTED, **changed}, id="r1", author="aa", created=cast.AT)


def test_a_posted_rule_is_the_rule() -> None:
    """The fields of design.md section 6."""
    rule = parsed(codes=["85354-9"], purposes=["TREAT"], data_from="2026-01-01", data_to=None)
    assert (rule.id, rule.author, rule.created) == ("r1", "aa", cast.AT)
    assert rule.grantee == Grantee(GranteeKind.UNIT, cast.CENTRE.id)
    assert (rule.actions, rule.categories) == (cast.BOTH, frozenset({Category.BLOOD_PRESSURE}))
    assert (rule.codes, rule.data_from, rule.data_to) == (frozenset({"85354-9"}), date(2026, 1, 1), None)


_OURS = {"id", "author", "created", "lifts", "helper", "confirmed"}


def test_what_is_shown_can_be_posted_again() -> None:
    """A page edits a rule by posting what it was shown."""
    shown = rule_to_json(parsed(valid_to="2026-12-31", codes=["x"], purposes=["TREAT"], data_to="2026-01-01"))
    again = {name: value for name, value in shown.items() if name not in _OURS}
    assert rule_to_json(parsed(**again)) == shown


def test_a_day_is_from_its_first_moment_until_its_last_in_swedish_time() -> None:
    """Who writes that a consent holds through 31 July means the whole of it."""
    rule = parsed(valid_from="2026-07-01", valid_to="2026-07-31")
    assert rule.valid_from == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert rule.valid_to == datetime(2026, 7, 31, 22, tzinfo=UTC)


def test_a_time_is_taken_as_it_stands() -> None:
    """Machines say their zone."""
    assert parsed(valid_to="2026-07-01T12:00:00+02:00").valid_to == datetime(2026, 7, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "to"),
    [
        ("person", "SE2321000000-E1"),
        ("role", "SE2321000000-1A1/Distriktssköterska"),
        ("provider", "SE2321000000-1000"),
        ("region", "SE2321000000-0001"),
        ("municipality", "SE2120000000-0001"),
        ("network", ""),
    ],
)
def test_every_kind_of_grantee_can_be_named(kind: str, to: str) -> None:
    """Person, role, unit, provider, region, municipality, network, client."""
    assert parsed(grantee={"kind": kind, "id": to}).grantee == Grantee(GranteeKind(kind), to)


def test_a_client_system_can_be_let_add_and_never_read() -> None:
    """Nobody should believe to have given what no policy permits."""
    meter = {"kind": "client", "id": "meter"}
    assert parsed(grantee=meter, actions=["add"]).actions == frozenset({Action.ADD})
    with pytest.raises(RuleError, match=r"^actions:"):
        parsed(grantee=meter)
    assert parsed(grantee=meter, effect="block").actions == cast.BOTH


WRONG: list[tuple[str, Any, str]] = [
    ("effect", None, "effect"),
    ("effect", "Allow", "effect"),
    ("effect", ["allow"], "effect"),
    ("grantee", None, "grantee"),
    ("grantee", "unit", "grantee"),
    ("grantee", {"kind": "unit"}, "grantee.id"),
    ("grantee", {"kind": "unit", "id": 7}, "grantee.id"),
    ("grantee", {"kind": "unit", "id": "x", "more": 1}, "grantee"),
    ("grantee", {"kind": "unit", "id": "SE232100-1"}, "grantee.id"),
    ("grantee", {"kind": "unit", "id": "SE2321000000-1A1\n"}, "grantee.id"),
    ("grantee", {"kind": "unit", "id": "se2321000000-1a1"}, "grantee.id"),
    ("grantee", {"kind": "team", "id": "x"}, "grantee.kind"),
    ("grantee", {"kind": "network", "id": "x"}, "grantee.id"),
    ("grantee", {"kind": "role", "id": "SE2321000000-1A1/"}, "grantee.id"),
    ("grantee", {"kind": "role", "id": "SE2321000000-1A1/ x"}, "grantee.id"),
    ("grantee", {"kind": "role", "id": "x/Läkare"}, "grantee.id"),
    ("grantee", {"kind": "client", "id": ""}, "grantee.id"),
    ("actions", [], "actions"),
    ("actions", None, "actions"),
    ("actions", "read", "actions"),
    ("actions", ["peek"], "actions"),
    ("actions", [None], "actions"),
    ("categories", [], "categories"),
    ("categories", ["everything"], "categories"),
    ("categories", {"blood-pressure": 1}, "categories"),
    ("codes", ["a b"], "codes"),
    ("codes", [1], "codes"),
    ("codes", ["x" * 65], "codes"),
    ("codes", [f"c{n}" for n in range(201)], "codes"),
    ("purposes", ["FUN"], "purposes"),
    ("data_from", "20260101", "data_from"),
    ("data_from", "2026-02-30", "data_from"),
    ("data_from", "2026-W01-1", "data_from"),
    ("data_from", 20260101, "data_from"),
    ("valid_from", "2026-01-01T00:00:00", "valid_from"),
    ("valid_to", "soon", "valid_to"),
    ("valid_to", "9999-12-31", "valid_to"),
    ("valid_to", True, "valid_to"),
    ("reason", "because", "reason"),
]


@pytest.mark.parametrize(("field", "value", "named"), WRONG)
def test_a_wrong_field_is_named(field: str, value: Any, named: str) -> None:
    """Who wrote the rule must see what to mend."""
    with pytest.raises(RuleError, match=f"^{named}:"):
        parsed(**{field: value})


def test_dates_the_wrong_way_round_are_refused() -> None:
    """A rule that can never hold is a mistake, not a wish."""
    with pytest.raises(RuleError, match=r"^data_to:"):
        parsed(data_from="2026-01-02", data_to="2026-01-01")
    with pytest.raises(RuleError, match=r"^valid_to:"):
        parsed(valid_from="2026-01-03", valid_to="2026-01-01")


TEXT = st.text(alphabet="ab:-/å\n0", max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@UNHURRIED
@given(st.dictionaries(st.sampled_from([*POSTED, "codes", "purposes", "data_from", "valid_to"]), JSON))
def test_anything_posted_is_a_rule_or_a_named_fault(posted: dict[str, Any]) -> None:
    """No input may fall through as another kind of error."""
    with suppress(RuleError):
        assert isinstance(parse_rule({**POSTED, **posted}, id="r1", author="aa", created=cast.AT), Rule)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"records": ["x"]}, "records"),
        ({"records": ["00202601-00000000000000ff"]}, "records"),  # with add among the actions
        ({"sources": ["theirs"]}, "sources"),
        ({"sources": ["unit:Björken"]}, "sources"),
        ({"spares": "x"}, "spares"),
        ({"spares": [{"kind": "unit", "id": cast.CENTRE.id}]}, "spares"),  # of an allow
        ({"while_related": 1}, "while_related"),
        ({"while_related": True, "effect": "block"}, "while_related"),
        ({"until_plan": "a plan"}, "until_plan"),
        ({"document": 7}, "document"),
        ({"relation": "friend"}, "relation"),
        ({"relation": "representative"}, "relation"),  # of a unit
        ({"grantee": {"kind": "proxy", "id": "ab" * 16}}, "relation"),
        ({"grantee": {"kind": "proxy", "id": "ab" * 16}, "relation": "guardian"}, "relation"),
        ({"grantee": {"kind": "proxy", "id": "197503259280"}, "relation": "relative"}, "grantee.id"),
        ({"grantee": {"kind": "emergency", "id": ""}}, "grantee.kind"),  # an allow of it
        ({"actions": ["read", "manage"]}, "actions"),  # of a unit
        ({"lifts": []}, "lifts"),
        ({"helper": "x"}, "helper"),
    ],
)
def test_what_a_rule_cannot_say_is_refused_by_its_field(wrong: dict[str, Any], field: str) -> None:
    """Nothing is understood as something else, and nobody posts what is ours to say."""
    with pytest.raises(RuleError) as refused:
        parsed(**wrong)
    assert field in str(refused.value).partition(":")[0]
