import re
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from babel.support import NullTranslations
from jinja2 import UndefinedError

from app.web import views as v
from app.web import words
from app.web.formats import Formats, Lang
from app.web.messages import untranslated
from app.web.rendering import BUILT, TEMPLATES, Renderer, catalogue, with_lang
from sharing import emergency
from tests.app.samples import ANNA, DONE, MINE, NURSE, PAGES, PRESSURES, PULSE, WEIGHT, chrome

pytestmark = pytest.mark.skipif(
    not (BUILT / "manifest.json").is_file(), reason="the assets are not built: make assets builds them"
)

WHOLE_PAGES = [name for name, (template, _, _) in PAGES.items() if not template.startswith("_")]


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    """One renderer for all."""
    return Renderer()


def page(renderer: Renderer, name: str, lang: Lang = Lang.SV) -> str:
    """Render one sample."""
    template, view, around = PAGES[name]
    return renderer.render(template, view, lang=lang, chrome=around)


class Elements(HTMLParser):
    """Collects a page's elements: (tag, attributes), and the texts between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep a text."""
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every element of a kind."""
        return [attributes for name, attributes in self.found if name == tag]


@pytest.mark.parametrize("lang", Lang)
@pytest.mark.parametrize("name", PAGES)
def test_every_page_renders_without_anything_that_the_security_policy_refuses(
    renderer: Renderer, name: str, lang: Lang
) -> None:
    """No inline style, script or handler, and nothing from another host."""
    elements = Elements(page(renderer, name, lang))
    for tag, attributes in elements.found:
        assert tag != "style"
        assert not [a for a in attributes if a == "style" or a.startswith("on")]
        assert tag != "script" or attributes.get("src")
        for address in ("src", "href", "action"):
            assert not re.match(r"(?i)(https?:)?//|javascript:", attributes.get(address) or "")


@pytest.mark.parametrize("name", WHOLE_PAGES)
def test_every_page_has_what_stands_around_every_page(renderer: Renderer, name: str) -> None:
    """Skip link, one main heading, one main, the demo's banner, the language, who you are."""
    html = page(renderer, name)
    elements = Elements(html)
    assert elements.all("html") == [{"lang": "sv"}]
    assert len(elements.all("h1")) == 1
    assert [m["id"] for m in elements.all("main")] == ["maincontent"]
    assert "#maincontent" in [a.get("href") for a in elements.all("a")]
    assert "Demo med påhittade personer" in html
    assert [a["lang"] for a in elements.all("a") if a.get("hreflang")] == ["en"]
    who = PAGES[name][2].who
    if who is not None:
        assert who.name in html
        assert who.acting_for in html
        assert who.unit in html
        assert "/logout" in [f.get("action") for f in elements.all("form")]


@pytest.mark.parametrize("name", PAGES)
def test_every_form_that_changes_something_carries_the_token(renderer: Renderer, name: str) -> None:
    """A form without its token is refused, or worse, is not."""
    html = page(renderer, name)
    for form in re.findall(r"<form[^>]*method=\"post\".*?</form>", html, re.DOTALL):
        assert 'name="_csrf_token" value="c5rfc5rf' in form


@pytest.mark.parametrize("name", PAGES)
def test_every_field_has_a_label_and_no_id_stands_twice(renderer: Renderer, name: str) -> None:
    """A field without a label cannot be filled in by someone who cannot see it."""
    elements = Elements(page(renderer, name))
    ids = [attributes["id"] for _, attributes in elements.found if attributes.get("id")]
    assert len(ids) == len(set(ids))
    labelled = {label.get("for") for label in elements.all("label")}
    fields = [f for kind in ("input", "select", "textarea") for f in elements.all(kind)]
    fields = [f for f in fields if f.get("type") != "hidden"]
    assert {f.get("id") for f in fields} <= labelled


def test_every_template_is_rendered_by_a_sample() -> None:
    """A template that no test renders is one that nobody has looked at."""
    parts = {"base.html", "_pieces.html"}
    used = {template for template, _, _ in PAGES.values()}
    assert {path.name for path in TEMPLATES.glob("*.html")} - parts == used


@pytest.mark.parametrize("lang", [lang for lang in Lang if lang is not Lang.SV])
def test_nothing_is_untranslated(lang: Lang) -> None:
    """English stands beside Swedish for every text; ``python -m app.web.messages`` brings the list up to date."""
    assert [message.id for message in untranslated(lang)] == []


def test_english_pages_hold_no_swedish(renderer: Renderer) -> None:
    """A text that is never marked for translation shows itself by its letters."""
    names = {"Hälsovalvet", "Svenska"}
    made_up = {
        part
        for who in (ANNA, NURSE)
        for part in (who.name, who.title, who.unit, who.provider, who.commission)
    }
    for name in (
        "overview-empty",
        "measurements-none",
        "imports-error",
        "find",
        "refused",
        "ask-sent",
        "error-404",
    ):
        texts = " ".join(Elements(page(renderer, name, Lang.EN)).texts)
        for known in names | made_up:
            texts = texts.replace(known, "") if known else texts
        assert not re.findall(r"\w*[åäöÅÄÖ]\w*", texts), name


def test_text_from_people_is_escaped(renderer: Renderer) -> None:
    """A name is text, whatever it holds."""
    evil = v.Who('<script>alert("x")</script>', v.Role.CITIZEN)
    html = renderer.render("find.html", v.FindView(), lang=Lang.SV, chrome=chrome("/staff", evil))
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


def test_a_view_that_lacks_what_the_page_shows_is_an_error(renderer: Renderer) -> None:
    """A page with a hole in it must not go out."""
    with pytest.raises(UndefinedError):
        renderer.render("patient.html", v.FindView(), lang=Lang.SV, chrome=chrome(MINE, NURSE))


def test_a_running_import_asks_again_by_itself_and_a_finished_one_does_not(renderer: Renderer) -> None:
    """The page would otherwise ask for ever; without scripts it reloads."""
    running, done = page(renderer, "import-running"), page(renderer, "import-done")
    assert 'hx-get="/imports/i2/progress"' in running
    assert 'action="/imports/i2/undo"' in running
    assert (
        'id="cancel-import"' in running
    )  # by which the focus stays on it while its part of the page is swapped
    assert '<noscript><meta http-equiv="refresh"' in running
    assert "hx-get" not in done
    assert "http-equiv" not in done


def test_an_import_lists_where_and_why_a_row_was_not_taken(renderer: Renderer) -> None:
    """Whoever imports can mend the file."""
    html = page(renderer, "import-done")
    for rejection in DONE.rejections:
        assert rejection.where in html
        assert rejection.reason in html


def test_own_values_are_told_apart_from_a_professionals(renderer: Renderer) -> None:
    """EHDS art. 5: a citizen's own entries are clearly told apart."""
    html = page(renderer, "measurements")
    assert "valv-tag--own" in html
    assert re.search(
        r"valv-tag--plain\">Från personal</strong>\s*<span>Maria Ek, Vårdcentralen Björken", html
    )


def test_an_error_stands_at_its_field_and_in_the_list(renderer: Renderer) -> None:
    """Both the one who sees the whole page and the one who hears it field by field find it."""
    html = page(renderer, "add-errors")
    assert 'href="#systolic"' in html
    assert 'aria-describedby="systolic-error"' in html
    assert 'value="hundra"' in html


def test_revoking_says_what_it_cannot_undo(renderer: Renderer) -> None:
    """What staff copied into their own record outlives a revocation (domain.md)."""
    assert "skrivit av till sin egen journal finns kvar" in page(renderer, "revoke")


def test_a_refused_page_names_nobody_and_tells_how_to_ask(renderer: Renderer) -> None:
    """A refusal tells nothing about whether there is a vault."""
    html = page(renderer, "refused")
    assert "Anna" not in html
    assert f'href="{MINE}/request"' in html


def test_an_emergency_is_the_second_way_and_offered_only_to_who_may(renderer: Renderer) -> None:
    """A link after the button that asks; nothing of it for others, and nothing while one holds."""
    link = f'href="{MINE}/emergency"'
    offered = page(renderer, "refused-over")
    assert offered.index('class="nhsuk-button" href="' + MINE + "/request") < offered.rindex(link)
    for name in ("refused", "patient", "patient-opened"):
        assert link not in page(renderer, name), name


def test_an_opening_is_told_on_the_page_until_it_is_over(renderer: Renderer) -> None:
    """Until when, why, and whom to ask of what is blocked; then that it is over, and how to go on."""
    held, over = page(renderer, "patient-opened"), page(renderer, "refused-over")
    assert "Nödöppning till 11:10" in held
    assert "orsak: Medvetslös på akuten" in held
    assert "att fråga: Region Exempel." in held
    assert "Nödöppningen tog slut kl. 10:30 den 14 mars 2026." in over
    assert "orsak:" not in over
    assert "spärrat" not in page(renderer, "patient-opened-empty")


def test_how_long_an_opening_lasts_is_told_as_it_is(renderer: Renderer) -> None:
    """An hour, a day or anything else: the number comes from outside the page."""
    lengths = {
        "emergency": "i 1 timme,",
        "emergency-errors": "i 24 timmar,",
        "emergency-odd": "i 45 minuter,",
    }
    for name, length in lengths.items():
        assert length in page(renderer, name)
    bounds = (emergency.SHORTEST_REASON, emergency.LONGEST_REASON)
    assert f"{bounds[0]} till {bounds[1]} tecken" in page(renderer, "emergency")
    assert f"minst {bounds[0]} och högst {bounds[1]} tecken" in words.word(v.FieldProblem.REASON_LENGTH)


def test_a_guardian_is_offered_no_block(renderer: Renderer) -> None:
    """SVOD 2:3: a guardian may not block a child's data."""
    assert "effect=block" in page(renderer, "sharing")
    assert "effect=block" not in page(renderer, "sharing-proxy")


def test_a_supervisor_is_not_told_of_a_block(renderer: Renderer) -> None:
    """Why something was refused is the citizen's to know."""
    assert "inget samtycke" in page(renderer, "accesses")
    assert "inget samtycke" not in page(renderer, "review")


def test_every_member_of_every_vocabulary_that_pages_show_has_a_word() -> None:
    """A new category without a word would break a page in the middle of the night."""
    for vocabulary in words.SHOWN:
        for member in vocabulary:
            assert words.word(member)


def swedish() -> Formats:
    """Return the filters in Swedish."""
    return Formats(Lang.SV, NullTranslations().gettext)


def test_numbers_keep_their_decimals_and_get_a_comma() -> None:
    """72,50 says more than 72,5: somebody read two decimals."""
    assert swedish().number(Decimal("72.50")) == "72,50"
    assert swedish().number(13044) == "13\xa0044"
    assert Formats(Lang.EN, NullTranslations().gettext).number(Decimal("72.50")) == "72.50"


def test_figures_and_units_are_written_as_people_write_them() -> None:
    """128/86 mmHg, 64 slag/min."""
    formats = swedish()
    assert formats.figure(PRESSURES[0]) == "128/86"
    assert formats.unit("85354-9", "mm[Hg]") == "mmHg"
    assert formats.unit(PULSE.code, PULSE.unit) == "slag/min"
    assert formats.figure(WEIGHT) == "72,50"


def test_times_are_swedish_times() -> None:
    """23:30 UTC on New Year's Eve is already the new year here."""
    at = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    assert (swedish().day(at), swedish().time(at)) == ("1 januari 2027", "00:30")


def test_the_last_day_of_a_rule_is_the_day_before_it_ends() -> None:
    """``valid_to`` is the moment after; people count days included."""
    assert swedish().until(datetime(2026, 12, 31, 23, 0, tzinfo=UTC)) == "31 december 2026"


def test_changing_language_stays_on_the_page() -> None:
    """Nobody is thrown back to the start."""
    assert (
        with_lang("/measurements?category=glucose&lang=sv&done=x", "en")
        == "/measurements?category=glucose&lang=en"
    )


def test_an_assets_address_changes_with_its_content(renderer: Renderer) -> None:
    """A browser may keep an asset for ever, and gets the new one at once."""
    assert re.fullmatch(r"/static/valv\.css\?v=[0-9a-f]{16}", renderer.asset("valv.css"))


def test_the_styles_load_nothing_from_another_host() -> None:
    """The kit's own style sheet would call a font's host."""
    for path in (BUILT / "static").glob("*.css"):
        assert not re.findall(r"url\(\s*[\"']?(?:https?:)?//", path.read_text()), path.name


def test_plural_forms_are_english() -> None:
    """One record, two records."""
    english = catalogue(Lang.EN)
    assert english.ngettext("%(figure)s uppgift", "%(figure)s uppgifter", 1) == "%(figure)s record"
    assert english.ngettext("%(figure)s uppgift", "%(figure)s uppgifter", 2) == "%(figure)s records"


def test_a_supervisor_is_told_of_each_alarm_in_words() -> None:
    """Not a code and not a colour alone: what has happened, and what to do; without an alarm, how fresh the word is."""
    template, view, around = PAGES["review-alarm"]
    page = Renderer().render(template, view, lang=Lang.SV, chrome=around)
    for told in ("har sett fler poster", "har sett andra poster", "anteckningen om det är skadad"):
        assert page.count(told) == 1
    assert page.count("Lita inte på listan") == 1
    template, view, around = PAGES["review"]
    page = Renderer().render(template, view, lang=Lang.SV, chrome=around)
    assert "Larm om loggen" not in page
    assert "intygade loggen senast 14 mars 2026 kl. 10:30" in page
