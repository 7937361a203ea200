"""Notices by choice: what is told, to whom, and mail through a real SMTP server, on both engines."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app import demo, wiring
from app.mailing import Mailer, Server
from app.settings import Settings, SettingsError
from audit import review
from audit.events import Decision, EventKind
from audit.review import Access
from consent.gate import Refused
from identity.principal import Citizen, Proxy, Staff
from policies.vocabulary import Category
from sharing import emergency, notices, searching
from sharing.notices import Choice, NoticeError, Tell
from sharing.telling import Mail, MailError, MailKind, Teller
from tests.smtp import Post, post
from tests.world import World, pressure, weight

BP, WEIGHT = Category.BLOOD_PRESSURE, Category.BODY_WEIGHT
ADDRESS = "anna@example.se"


@pytest.fixture
def mailbox() -> Iterator[Post]:
    """Run an SMTP server."""
    with post() as server:
        yield server


@pytest.fixture
async def country(world: World) -> World:
    """Return a world in which a health centre reads Anna's pressures, and home care her weight."""
    await world.enter("anna")
    await world.add("anna", "anna", pressure("121", "81"), weight("70.5"))
    await world.allow("anna", "unit", demo.HEALTH_CENTRE, BP)
    await world.allow("anna", "unit", demo.HOME_CARE, WEIGHT)
    return world


def teller(world: World, mailbox: Post) -> Teller:
    """Return the job, with the product's own way to an SMTP server."""
    mailer = Mailer(Server.parse(mailbox.url), "besked@valv.example")
    return Teller(world.house, lambda mail: mailer.send(mail, at=world.clock()))


def anna(world: World) -> Citizen:
    """Return Anna."""
    found = world.who("anna")
    assert isinstance(found, Citizen)
    return found


async def choose(world: World, tell: Tell, address: str | None = ADDRESS) -> None:
    """Let Anna choose."""
    await notices.choose(world.house, anna(world), world.alias("anna"), tell, address)


async def confirmed(world: World, mailbox: Post, tell: Tell) -> Teller:
    """Let Anna choose and bring back the code; return the job."""
    job = teller(world, mailbox)
    await choose(world, tell)
    job.run_waiting()
    code = re.search(r"\b([0-9]{6})\b", mailbox.bodies()[-1])
    assert code is not None
    await notices.confirm(world.house, anna(world), world.alias("anna"), code[1])
    mailbox.mails.clear()
    job.run_waiting()
    return job


def later(world: World, job: Teller, **span: float) -> None:
    """Let time go by, and the job look."""
    world.clock.move(**span)
    job.run_waiting()


async def news(world: World, tell: Tell, *, look: bool = False) -> notices.News:
    """Return what Anna would be told of; ``look`` is logged as her look at it."""
    found = await searching.of_vault(
        world.house,
        anna(world),
        world.alias("anna"),
        keep=lambda _: True,
        subject=notices.LOOKED if look else "",
    )
    own = world.alias("anna").hex()
    return notices.news(found.accesses, Choice(own, tell=tell), own)


class TestWhatIsTold:
    """From the log alone."""

    async def test_each_choice_tells_what_it_says(self, country: World) -> None:
        """Every access, the first of each organisation, or emergencies, which everybody is told of."""
        for _ in range(2):
            await country.read("nurse-vc", "anna", BP)
        await country.read("homecare", "anna", WEIGHT)
        every, first, urgent = [await news(country, one) for one in Tell]
        assert [one.actor.unit_id for one in every.accesses] == [
            demo.HOME_CARE,
            demo.HEALTH_CENTRE,
            demo.HEALTH_CENTRE,
        ]
        assert [one.seq for one in first.accesses] == [every.accesses[0].seq, every.accesses[2].seq]
        assert urgent.accesses == ()

    async def test_an_emergency_is_told_whatever_was_chosen(self, country: World) -> None:
        """Nobody chooses that away."""
        doctor = country.who("doctor-hospital")
        assert isinstance(doctor, Staff)
        await emergency.open_vault(country.house, doctor, country.alias("anna"), "Medvetslös på akuten")
        for tell in Tell:
            assert EventKind.EMERGENCY in [one.kind for one in (await news(country, tell)).accesses]

    async def test_what_oneself_does_and_what_was_refused_is_no_news(self, country: World) -> None:
        """Her own reading would drown what matters; a refusal gave nothing away."""
        await country.read("anna", "anna", BP)
        with pytest.raises(Refused):
            await country.read("homecare", "anna", BP)
        assert (await news(country, Tell.EVERY)).accesses == ()

    async def test_it_is_new_until_this_very_person_looked(self, country: World) -> None:
        """A look is an entry of the log, which no row can forge; what comes after it is new again."""
        await country.read("nurse-vc", "anna", BP)
        assert (await news(country, Tell.EVERY)).unseen == 1
        assert (await news(country, Tell.EVERY, look=True)).unseen == 0
        await country.read("nurse-vc", "anna", BP)
        told = await news(country, Tell.EVERY)
        assert (len(told.accesses), told.unseen) == (2, 1)

    def test_the_first_of_an_organisation_is_known_beyond_what_is_looked_through(self) -> None:
        """Else an organisation would be new again on every page."""
        assert notices.firsts([], {"SE1-A": 3}) == {"SE1-A": 3}


class TestMail:
    """Through a real server, saying only that something is new."""

    async def test_a_mail_says_that_something_is_new_and_nothing_else(
        self, country: World, mailbox: Post
    ) -> None:
        """No name, unit, number or link stands in it, in no header either."""
        job = await confirmed(country, mailbox, Tell.EVERY)
        await country.read("nurse-vc", "anna", BP)
        later(country, job, minutes=1)
        ((to, mail),) = mailbox.mails
        assert to == ADDRESS
        assert mail["Auto-Submitted"] == "auto-generated"
        whole = mail.as_string() + mailbox.bodies()[0]
        assert "något nytt" in mailbox.bodies()[0]
        for secret in (
            "Anna",
            "Exempel",
            "Nina",
            "vårdcentral",
            "http",
            "19750325",
            country.alias("anna").hex(),
        ):
            assert secret not in whole.replace(ADDRESS, "")
        assert country.vault("anna").hex() not in whole

    async def test_no_more_than_one_mail_an_hour_goes_out_and_the_rest_is_merged(
        self, country: World, mailbox: Post
    ) -> None:
        """Ten reads of one visit are one mail; what came meanwhile is told when the hour is over."""
        job = await confirmed(country, mailbox, Tell.EVERY)
        for _ in range(3):
            await country.read("nurse-vc", "anna", BP)
            later(country, job, minutes=1)
        assert len(mailbox.mails) == 1
        later(country, job, minutes=30)
        assert len(mailbox.mails) == 1
        later(country, job, minutes=31)
        assert len(mailbox.mails) == 2
        later(country, job, hours=3)
        assert len(mailbox.mails) == 2

    @pytest.mark.parametrize(("tell", "mails"), [(Tell.EVERY, 2), (Tell.FIRST, 1), (Tell.EMERGENCY, 0)])
    async def test_the_choice_decides_what_is_worth_a_mail(
        self, country: World, mailbox: Post, tell: Tell, mails: int
    ) -> None:
        """The second access of one organisation is news to those alone who want every one."""
        job = await confirmed(country, mailbox, tell)
        for _ in range(2):
            await country.read("nurse-vc", "anna", BP)
            later(country, job, hours=2)
        assert len(mailbox.mails) == mails

    async def test_what_was_before_the_address_is_not_told(self, country: World, mailbox: Post) -> None:
        """Who switches mail on is not written to about last year."""
        await country.read("nurse-vc", "anna", BP)
        job = await confirmed(country, mailbox, Tell.EVERY)
        later(country, job, hours=2)
        assert mailbox.mails == []

    async def test_the_log_has_each_mail_and_whether_it_was_taken(
        self, country: World, mailbox: Post
    ) -> None:
        """The product reads under a choice of the citizen's, and she sees that it did; that is no news itself."""
        job = await confirmed(country, mailbox, Tell.EVERY)
        await country.read("nurse-vc", "anna", BP)
        mailbox.refuses = "450 later"
        later(country, job, minutes=1)
        mailbox.refuses = ""
        later(country, job, minutes=5)
        country.house.log.checkpoint()
        found = review.accesses(country.house.log.entries_of_vault(country.vault("anna"), limit=100))
        told = [one for one in found if isinstance(one, Access) and one.kind is EventKind.NOTIFY]
        assert [(one.decision, one.reason, one.is_automatic) for one in told] == [
            (Decision.PERMIT, "", True),
            (Decision.REFUSE, "not-sent", True),
        ]
        assert len(mailbox.mails) == 1

    async def test_a_server_that_is_down_loses_no_mail_and_holds_up_no_reading(
        self, country: World, mailbox: Post
    ) -> None:
        """It is tried again, ever more seldom; the reading that caused it was long over."""
        job = await confirmed(country, mailbox, Tell.EVERY)
        mailbox.refuses = "421 busy"
        await country.read("nurse-vc", "anna", BP)
        for _ in range(5):
            later(country, job, minutes=3)
        assert mailbox.mails == []
        mailbox.refuses = ""
        later(country, job, hours=5)
        assert len(mailbox.mails) == 1

    async def test_a_guardian_whose_time_is_over_is_told_no_more(self, world: World, mailbox: Post) -> None:
        """The rule of law is asked at each mail, not when the address was given."""
        await world.enter("elsa")
        karin = world.who("karin", for_="elsa")
        assert isinstance(karin, Proxy)
        alias, job = world.alias("elsa"), teller(world, mailbox)
        await notices.choose(world.house, karin, alias, Tell.EVERY, "karin@example.se")
        job.run_waiting()
        code = re.search(r"\b([0-9]{6})\b", mailbox.bodies()[-1])
        assert code is not None
        await notices.confirm(world.house, karin, alias, code[1])
        mailbox.mails.clear()
        world.clock.move(days=366 * 5)
        await world.enter("elsa")
        await world.allow("elsa", "unit", demo.HEALTH_CENTRE, BP)
        await world.add("elsa", "elsa", pressure("101", "61"))
        await world.read("nurse-vc", "elsa", BP)
        later(world, job, minutes=5)
        assert mailbox.mails == []


class TestAddress:
    """One that nobody has confirmed gets a code, and nothing else."""

    async def test_an_address_gets_nothing_before_its_code_came_back(
        self, country: World, mailbox: Post
    ) -> None:
        """Else mail could be sent to a stranger for ever."""
        job = teller(country, mailbox)
        await choose(country, Tell.EVERY)
        job.run_waiting()
        await country.read("nurse-vc", "anna", BP)
        for _ in range(3):
            later(country, job, hours=1)
        assert len(mailbox.mails) == 1
        assert "kod" in mailbox.bodies()[0]

    async def test_a_wrong_code_is_tried_five_times_at_most(self, country: World, mailbox: Post) -> None:
        """Six digits are few."""
        job, alias = teller(country, mailbox), country.alias("anna")
        await choose(country, Tell.EVERY)
        job.run_waiting()
        code = re.search(r"\b([0-9]{6})\b", mailbox.bodies()[-1])
        assert code is not None
        wrong = "000000" if code[1] != "000000" else "111111"
        for _ in range(5):
            with pytest.raises(NoticeError, match="code"):
                await notices.confirm(country.house, anna(country), alias, wrong)
        with pytest.raises(NoticeError, match="code"):
            await notices.confirm(country.house, anna(country), alias, code[1])

    async def test_a_code_is_over_after_half_an_hour(self, country: World, mailbox: Post) -> None:
        """What lies in a mailbox for long is others' too."""
        job, alias = teller(country, mailbox), country.alias("anna")
        await choose(country, Tell.EVERY)
        job.run_waiting()
        code = re.search(r"\b([0-9]{6})\b", mailbox.bodies()[-1])
        assert code is not None
        country.clock.move(minutes=31)
        with pytest.raises(NoticeError, match="code"):
            await notices.confirm(country.house, anna(country), alias, code[1])

    async def test_codes_are_not_sent_in_a_row(self, country: World) -> None:
        """So that nobody's mailbox is filled from here."""
        await choose(country, Tell.EVERY)
        with pytest.raises(NoticeError, match="wait"):
            await choose(country, Tell.EVERY, "bo@example.se")
        country.clock.move(minutes=3)
        await choose(country, Tell.EVERY, "bo@example.se")

    @pytest.mark.parametrize(
        "address",
        [
            "anna",
            "a@b",
            "a b@example.se",
            "a@example.se\r\nBcc: b@example.se",
            "<a@example.se>",
            "a" * 250 + "@b.se",
        ],
    )
    async def test_what_is_no_address_is_refused(self, country: World, address: str) -> None:
        """A header could else be added to."""
        with pytest.raises(NoticeError, match="address"):
            await choose(country, Tell.EVERY, address)

    async def test_an_empty_address_ends_all_mail(self, country: World, mailbox: Post) -> None:
        """At once."""
        job = await confirmed(country, mailbox, Tell.EVERY)
        await choose(country, Tell.EVERY, "")
        await country.read("nurse-vc", "anna", BP)
        later(country, job, hours=2)
        assert mailbox.mails == []

    async def test_staff_choose_nothing_in_a_citizens_log(self, country: World) -> None:
        """Who may not read the log is not told of it."""
        nurse: Any = country.who("nurse-vc")
        with pytest.raises((Refused, AttributeError)):
            await notices.choose(country.house, nurse, country.alias("anna"), Tell.EVERY, None)

    async def test_the_address_stands_nowhere_in_clear(self, country: World, mailbox: Post) -> None:
        """It is sealed under the vault's key, into its row: elsewhere it opens nothing."""
        await confirmed(country, mailbox, Tell.EVERY)
        ((row),) = country.copy_database()["notices"]
        assert ADDRESS.encode() not in bytes(row["sealed"])
        assert country.alias("anna") not in bytes(row["person"])
        with country.attacker() as attacker:
            attacker.execute("UPDATE notices SET person = ?", (bytes(16),))
        later(country, teller(country, mailbox), hours=2)
        assert mailbox.mails == []
        choice = await notices.choice_of(country.house, anna(country), country.alias("anna"))
        assert choice.address == ""


class TestDeath:
    """The table is the truth: what dies is followed by another."""

    async def test_a_worker_that_dies_before_the_mail_loses_it_to_another(
        self, country: World, mailbox: Post
    ) -> None:
        """When its lease is over, and not before."""
        job = await confirmed(country, mailbox, Tell.EVERY)
        await country.read("nurse-vc", "anna", BP)

        def dies(_: Mail) -> None:
            raise KeyboardInterrupt

        country.clock.move(minutes=2)
        with pytest.raises(KeyboardInterrupt):
            Teller(country.house, dies).run_waiting()
        job.run_waiting()
        assert mailbox.mails == []
        later(country, job, seconds=61)
        assert len(mailbox.mails) == 1

    async def test_a_worker_killed_after_the_mail_repeats_it_under_the_same_id(
        self, country: World, mailbox: Post
    ) -> None:
        """By kill -9, in a process of its own, just after the server took the mail: SMTP allows no better."""
        job = await confirmed(country, mailbox, Tell.EVERY)
        await country.read("nurse-vc", "anna", BP)
        country.clock.move(minutes=2)
        killed = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", _KILLED, str(country.clock().isoformat())],
            env={**os.environ, **_environment(country, mailbox)},
            cwd=Path(wiring.__file__).parent.parent,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert killed.returncode == -9, killed.stderr
        assert len(mailbox.mails) == 1
        later(country, job, seconds=61)
        first, again = (mail["Message-ID"] for _, mail in mailbox.mails)
        assert first == again
        later(country, job, hours=2)
        assert len(mailbox.mails) == 2

    async def test_two_workers_send_one_mail(self, country: World, mailbox: Post) -> None:
        """While one has it the other finds nothing."""
        job = await confirmed(country, mailbox, Tell.EVERY)
        await country.read("nurse-vc", "anna", BP)
        country.clock.move(minutes=2)
        seen: list[int] = []

        def meanwhile(mail: Mail) -> None:
            job.run_waiting()
            seen.append(len(mailbox.mails))
            assert mail.kind is MailKind.NEWS

        Teller(country.house, meanwhile).run_waiting()
        assert seen == [0]

    async def test_a_vault_that_cannot_be_read_holds_up_nobody_else(
        self, country: World, mailbox: Post, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It is looked at again later, and what is said of it names nothing."""
        await confirmed(country, mailbox, Tell.EVERY)

        def breaks(_: Mail) -> None:
            raise ValueError(ADDRESS)

        await country.read("nurse-vc", "anna", BP)
        later(country, Teller(country.house, breaks), minutes=2)
        assert "ValueError" in caplog.text
        assert ADDRESS not in caplog.text
        later(country, teller(country, mailbox), hours=2)
        assert len(mailbox.mails) == 1


#: A worker of another process, which is killed once the server has taken the mail.
_KILLED = """
import os, signal, sys
from datetime import datetime
from app import wiring
from app.mailing import Mailer, Server
from app.settings import Settings
from sharing.telling import Teller
settings = Settings.read()
at = datetime.fromisoformat(sys.argv[1])
valv = wiring.open_installation(settings, clock=lambda: at)
mailer = Mailer(Server.parse(settings.smtp), settings.smtp_from)
def send(mail):
    mailer.send(mail, at=at)
    os.kill(os.getpid(), signal.SIGKILL)
Teller(valv.house, send).run_waiting()
"""


def _environment(world: World, mailbox: Post) -> dict[str, str]:
    settings = world.settings
    return {
        "VALV_DATA": str(settings.data),
        "VALV_DATABASE_URL": settings.database_url.replace("+psycopg", ""),
        "VALV_SMTP": mailbox.url,
        "VALV_SMTP_FROM": "besked@valv.example",
    }


class TestSettings:
    """What the operator sets."""

    @pytest.mark.parametrize(
        "given",
        [
            {"VALV_SMTP": "http://mail", "VALV_SMTP_FROM": "a@b.se"},
            {"VALV_SMTP": "smtp://", "VALV_SMTP_FROM": "a@b.se"},
            {"VALV_SMTP": "smtp://mail:25/x", "VALV_SMTP_FROM": "a@b.se"},
            {"VALV_SMTP": "smtp://mail"},
            {"VALV_SMTP_FROM": "not an address"},
        ],
    )
    def test_a_wrong_setting_is_named(self, given: dict[str, str]) -> None:
        """The process does not start, and says which."""
        with pytest.raises(SettingsError, match="VALV_SMTP"):
            Settings.read(given)

    def test_a_password_is_read_and_not_shown(self) -> None:
        """Settings may be printed."""
        given = {"VALV_SMTP": "smtps://u:p%40ss@mail", "VALV_SMTP_FROM": "a@b.se"}
        settings = Settings.read(given)
        server = Server.parse(settings.smtp)
        assert (server.port, server.is_tls, server.password) == (465, True, "p@ss")
        assert "ss@" not in repr(settings) + repr(server)

    def test_a_server_elsewhere_is_spoken_to_encrypted_or_not_at_all(
        self, mailbox: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One that offers no STARTTLS is refused."""
        monkeypatch.setattr("app.mailing._LOCAL", frozenset())
        mailer = Mailer(Server.parse(mailbox.url), "besked@valv.example")
        with pytest.raises(MailError):
            mailer.send(Mail(MailKind.NEWS, ADDRESS, "x"), at=wiring.wall_clock())
        assert mailbox.mails == []
