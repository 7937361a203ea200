import base64
import copy
import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app import demo
from identity.branch import (
    BranchError,
    CommissionError,
    PendingStaff,
    SignedBranch,
    open_branch,
    parse_branch,
    sign_branch,
    sign_payload,
)
from identity.branch_file import read_file, write_file
from identity.directory import Directory, NotInDirectoryError
from identity.principal import Citizen, Client, Person, Staff
from identity.strict import write
from keys.primitives import Signer
from policies.vocabulary import GranteeKind


def whole() -> Directory:
    """Return the demo's directory, never stored."""
    return Directory([parse_branch(write(one)) for one in demo.made_up()], version=1)


# --- look-ups


def test_look_ups_find_what_the_branches_say() -> None:
    """Each kind of node, person and client is found by its id."""
    directory = whole()
    assert directory.unit(demo.HEALTH_CENTRE).nodes() == (
        f"unit:{demo.HEALTH_CENTRE}",
        f"provider:{demo.REGION_EXEMPEL_CARE}",
        f"region:{demo.REGION_EXEMPEL}",
    )
    assert directory.provider(demo.PRIVATE_CARE).authority.id == demo.REGION_EXEMPEL
    assert directory.authority(demo.EXEMPELBY).kind == "municipality"
    member, commission = directory.commission("SE2321009905-TESTU001")
    assert (member.id, commission.unit.id) == ("SE2321009905-TESTP001", demo.HEALTH_CENTRE)
    assert directory.client("client-meter").provider.id == demo.REGION_EXEMPEL_CARE


@pytest.mark.parametrize("look_up", ["unit", "provider", "authority", "commission", "staff", "client"])
def test_unknown_id_is_an_error_that_repeats_nothing(look_up: str) -> None:
    """Nothing is found by an id that is not there, and the text may be shown."""
    with pytest.raises(NotInDirectoryError) as caught:
        getattr(whole(), look_up)("SE2321009905-NOONE")
    assert "NOONE" not in str(caught.value)


def test_person_works_at_the_units_of_all_their_commissions() -> None:
    """A rule for a person is wrapped to each unit where they work; an unknown person works nowhere."""
    directory = whole()
    both = directory.units_of_person("SE2321009905-TESTP002")
    assert set(both) == {demo.HEALTH_CENTRE, demo.PRIVATE_CLINIC}
    assert directory.units_of_person("SE2321009905-NOONE") == ()


def test_nodes_are_shown_by_name_and_unknown_ones_by_id() -> None:
    """A log entry about a unit that is gone must still say something."""
    directory = whole()
    assert directory.node_name(f"unit:{demo.HOME_CARE}") == "Exempelby hemtjänst"
    assert directory.node_name(f"municipality:{demo.EXEMPELBY}") == "Exempelby kommun (påhittad)"
    assert directory.node_name("client:client-meter") == "Hemmätaren (påhittad)"
    assert directory.node_name("unit:SE2321009905-GONE") == "SE2321009905-GONE"
    assert directory.node_name("owner:00ff") == "00ff"


def test_network_means_every_authority() -> None:
    """A grant to the network is one wrap for each member."""
    assert set(whole().network()) == {
        f"region:{demo.REGION_EXEMPEL}",
        f"region:{demo.REGION_PROVLANDET}",
        f"municipality:{demo.EXEMPELBY}",
        f"municipality:{demo.PROVKOPING}",
    }


def test_search_finds_by_words_whatever_their_case() -> None:
    """A citizen writes what they remember of a name or a place."""
    directory = whole()
    assert [(h.kind, h.id) for h in directory.search("HEMTJÄNST exempelby")][:1] == [
        (GranteeKind.UNIT, demo.HOME_CARE)
    ]
    person = directory.search("nina")[0]
    assert (person.kind, person.within) == (GranteeKind.PERSON, "Distriktssköterska, Exempelby vårdcentral")
    role = next(h for h in directory.search("undersköterska") if h.kind is GranteeKind.ROLE)
    assert role.id == f"{demo.HOME_CARE}/Undersköterska"
    assert directory.search("  ") == ()
    assert directory.search("finns inte") == ()
    assert len(directory.search("e", limit=3)) == 3


def test_directory_cannot_be_changed() -> None:
    """It is shared by every request of a process."""
    with pytest.raises(TypeError):
        whole().units["x"] = whole().unit(demo.HOME_CARE)  # type: ignore[index]


# --- staff and commissions


def test_staff_with_one_commission_are_on_it() -> None:
    """There is nothing to choose."""
    principal = whole().staff("SE2321009905-TESTP001").principal()
    assert isinstance(principal, Staff)
    assert principal.commission.unit.id == demo.HEALTH_CENTRE


def test_staff_with_two_commissions_are_on_none_until_they_choose() -> None:
    """A grant to one workplace must not leak to the other."""
    member = whole().staff("SE2321009905-TESTP002")
    assert member.principal() == PendingStaff(member)
    assert member.on("SE5560009907-TESTU001").commission.unit.id == demo.PRIVATE_CLINIC


def test_commission_of_another_or_none_makes_no_principal() -> None:
    """Nothing is not permission."""
    member = whole().staff("SE2321009905-TESTP001")
    with pytest.raises(CommissionError):
        member.on("SE5560009907-TESTU001")
    with pytest.raises(CommissionError):
        type(member)(member.id, member.name, member.title, member.licence, ()).principal()


def test_directory_confirms_only_who_still_stands_in_it(at: datetime) -> None:
    """A commission that has ended, or a client that may less, is noticed during a session."""
    directory = whole()
    nurse = directory.staff("SE2321009905-TESTP001").principal()
    client = directory.client("client-meter")
    assert isinstance(nurse, Staff)
    assert directory.confirms(nurse)
    assert directory.confirms(client)
    assert not Directory().confirms(nurse)
    assert not directory.confirms(Client(client.id, client.name, client.provider, client.categories[:1]))
    assert not directory.confirms(Citizen(Person(bytes(16), "Ingen", at.date())))


# --- a bad branch says what and where

Change = Callable[[dict[str, Any]], object]
BAD: list[tuple[str, Change]] = [
    ("document: lacks staff", lambda b: b.pop("staff")),
    ("document: has a field beside", lambda b: b.update(more=1)),
    ("format: must be halsovalvet", lambda b: b.update(format="else")),
    ("format: must be halsovalvet", lambda b: b.update(format_version=2)),
    ("version: must be 1 or more", lambda b: b.update(version=0)),
    ("version: must be a whole number", lambda b: b.update(version=True)),
    ("authority.kind: must be one of region, municipality", lambda b: b["authority"].update(kind="state")),
    ("authority.id: must be an HSA-id", lambda b: b["authority"].update(id="SE232100-1")),
    ("authority.id: must be an HSA-id", lambda b: b["authority"].update(id="SE2321009905-A/B")),
    ("authority.name: must not be empty", lambda b: b["authority"].update(name="")),
    ("authority.name: must be NFC", lambda b: b["authority"].update(name="Ex\u0000empel")),
    ("authority.name: must be NFC", lambda b: b["authority"].update(name="Ha\u0308lsa")),
    ("authority.name: must be NFC", lambda b: b["authority"].update(name=" Hälsa")),
    ("authority.name: must be at most", lambda b: b["authority"].update(name="x" * 201)),
    ("authority.name: must be text", lambda b: b["authority"].update(name=None)),
    ("providers: must be a list", lambda b: b.update(providers={})),
    (r"providers\[1\].id: stands twice", lambda b: b["providers"][1].update(id=b["providers"][0]["id"])),
    (r"providers\[0\].kind: must be one of", lambda b: b["providers"][0].update(kind="annat")),
    (r"providers\[0\].units: must name at least one", lambda b: b["providers"][0].update(units=[])),
    (
        r"providers\[1\].units\[0\].id: stands twice",
        lambda b: b["providers"][1]["units"][0].update(id=demo.HEALTH_CENTRE),
    ),
    (r"staff\[1\].id: stands twice", lambda b: b["staff"][1].update(id=b["staff"][0]["id"])),
    (r"staff\[0\].title: must not hold /", lambda b: b["staff"][0].update(title="Läkare/AT")),
    (
        r"staff\[0\].commissions\[0\].unit: is not a unit of this branch",
        lambda b: b["staff"][0]["commissions"][0].update(unit=demo.HEART_CLINIC),
    ),
    (
        r"staff\[0\].commissions\[0\].right: must be one of care, log-review",
        lambda b: b["staff"][0]["commissions"][0].update(right="all"),
    ),
    (
        r"staff\[0\].commissions\[0\].purpose: must be one of",
        lambda b: b["staff"][0]["commissions"][0].update(purpose=["TREAT"]),
    ),
    (
        r"staff\[1\].commissions\[0\].id: stands twice",
        lambda b: b["staff"][1]["commissions"][0].update(id="SE2321009905-TESTU001"),
    ),
    (r"clients\[0\].id: must be 1 to 64", lambda b: b["clients"][0].update(id="Mätare")),
    (r"clients\[1\].id: must be 1 to 64", lambda b: b["clients"].append(b["clients"][0])),
    (r"clients\[0\].provider: is not a provider", lambda b: b["clients"][0].update(provider="SE-X")),
    (r"clients\[0\].categories: must name at least one", lambda b: b["clients"][0].update(categories=[])),
    (
        r"clients\[0\].categories: must name at least one",
        lambda b: b["clients"][0].update(categories=["glucose"] * 2),
    ),
    (
        r"clients\[0\].categories\[0\]: must be one of",
        lambda b: b["clients"][0].update(categories=["all"]),
    ),
]


@pytest.mark.parametrize(("where", "change"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_bad_branch_says_what_and_where(where: str, change: Change) -> None:
    """The organisation can mend its branch from the message alone; no value of it is repeated."""
    branch = copy.deepcopy(demo.made_up()[0])
    change(branch)
    with pytest.raises(BranchError, match=f"^{where}") as caught:
        parse_branch(write(branch))
    assert "Nina" not in str(caught.value)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"format":1,"format":1}',
        b'{"version":NaN}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_is_not_a_branch_at_all_is_refused(raw: bytes) -> None:
    """Neither names that stand twice nor depth that breaks a parser get through."""
    with pytest.raises(BranchError, match=r"^document: "):
        parse_branch(raw)


def test_branch_signed_by_another_is_refused() -> None:
    """Whoever may deliver a file may not thereby speak for an organisation."""
    mine, other = Signer(bytes(32)), Signer(bytes([1]) * 32)
    signed = sign_branch(demo.made_up()[0], mine)
    assert open_branch(signed, keys=lambda _: [mine.public()]).authority.id == demo.REGION_EXEMPEL
    with pytest.raises(BranchError, match=r"^signature"):
        open_branch(signed, keys=lambda _: [other.public()])
    changed = SignedBranch(signed.payload.replace(b"Exempelby", b"Annanstad"), signed.signature)
    with pytest.raises(BranchError, match=r"^signature"):
        open_branch(changed, keys=lambda _: [mine.public()])


def test_signature_is_what_the_specification_says() -> None:
    """An organisation may sign with its own tools, so the bytes are written out here once more."""
    payload = b'{ "any": "bytes" }\n'
    digest = hashlib.sha256(payload).digest()
    message = b"halsovalvet/v1/directory-branch-signature\0" + b"\x00\x20" + digest
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    file = write_file(sign_payload(payload, Signer(bytes(range(32)))))
    assert file == b"halsovalvet-signed-branch 1 " + base64.b64encode(key.sign(message)) + b"\n" + payload
    assert read_file(file).payload == payload
