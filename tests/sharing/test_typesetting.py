"""Documents as PDF: what people wrote stays text, the structure is there, and the source rides inside."""

import io
from datetime import date
from pathlib import Path

import pikepdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.web.rendering import BUILT
from sharing import signing, typesetting
from sharing.typesetting import SOURCE, Document, Section, Table, TypesettingError
from tests import pdftools

FONTS = BUILT / "fonts"
pytestmark = pytest.mark.skipif(not FONTS.is_dir(), reason="no assets (make assets)")

MARKUP = '#panic("x") *fet* _kursiv_ $x^2$ // kommentar \\ <etikett> @ref #read("/etc/passwd") = Rubrik'


def document(text: str, *, source: bytes = b"{}") -> Document:
    """Return a document with the same text everywhere that text can stand."""
    table = Table(text, (text, "Antal"), ((text, "2"), ("Övriga", "3")))
    section = Section(text, (text,), ((text, text),), (table,))
    return Document(text, "Region Exempel", "En beskrivning", date(2026, 3, 2), (section,), source)


async def made(one: Document) -> pikepdf.Pdf:
    """Return a document set and opened."""
    return pikepdf.open(io.BytesIO(await typesetting.typeset(one, fonts=FONTS)))


async def test_the_file_is_what_it_says_it_is() -> None:
    """PDF/A-3a and PDF/UA-1: declared, tagged, with language, title, embedded fonts and a colour profile."""
    pdf = await made(document("Logguppföljning"))
    root = pdf.Root
    with pdf.open_metadata() as metadata:
        assert (metadata["pdfaid:part"], metadata["pdfaid:conformance"]) == ("3", "A")
        assert metadata["pdfuaid:part"] == "1"
        assert metadata["dc:title"] == "Logguppföljning"
    assert root.MarkInfo.Marked
    assert str(root.Lang).startswith("sv")
    assert root.ViewerPreferences.DisplayDocTitle
    assert root.OutputIntents[0].S == "/GTS_PDFA1"
    assert not pdf.is_encrypted
    fonts = [
        one
        for one in pdf.objects
        if isinstance(one, pikepdf.Dictionary) and one.get("/Type") == "/FontDescriptor"
    ]
    assert fonts
    assert all("/FontFile2" in one or "/FontFile3" in one for one in fonts)
    assert all(page.obj.Tabs == "/S" for page in pdf.pages if "/Annots" in page.obj)


async def test_the_structure_is_there_for_who_listens() -> None:
    """Headings, paragraphs, and a table whose head is told as one."""
    pdf = await made(document("Utfall"))
    kinds = set()

    def walk(node: pikepdf.Object) -> None:
        if isinstance(node, pikepdf.Array):
            for one in node:
                walk(one)
        elif isinstance(node, pikepdf.Dictionary):
            if "/S" in node:
                kinds.add(str(node.S))
            if "/K" in node:
                walk(node.K)

    walk(pdf.Root.StructTreeRoot.K)
    assert {"/H1", "/P", "/Table", "/TR", "/TH", "/TD", "/Caption"} <= kinds


async def test_the_source_rides_in_the_file_as_it_is() -> None:
    """Byte for byte, named as the source of the document."""
    source = '{"å": "#x"}'.encode()
    pdf = await typesetting.typeset(document("Plan", source=source), fonts=FONTS)
    opened = pikepdf.open(io.BytesIO(pdf))
    assert opened.attachments[SOURCE].get_file().read_bytes() == source
    assert [str(one.AFRelationship) for one in opened.Root.AF] == ["/Source"]
    assert signing.attached(pdf, SOURCE) == source
    assert signing.attached(pdf, "another.json") is None
    assert signing.attached(b"no file", SOURCE) is None


@pytest.mark.skipif(bool(pdftools.MISSING), reason=pdftools.MISSING)
async def test_what_people_wrote_is_text_and_nothing_else(tmp_path: Path) -> None:
    """Typst's own markup, and a call that would read a file, come out as they were written; qpdf finds no fault."""
    file = tmp_path / "made.pdf"
    file.write_bytes(await typesetting.typeset(document(MARKUP), fonts=FONTS))
    found = pdftools.told_by("pdftotext", "-raw", file, "-")
    assert "".join(found.split()).count("".join(MARKUP.split())) >= 6
    assert pdftools.find_no_fault(file)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(
        st.characters(max_codepoint=0x17F, categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=80
    )
)
def test_any_latin_text_can_be_set(text: str) -> None:
    """Nothing that somebody can write in a European language ends the typesetter, or the document."""
    try:
        lacking = ""
        assert typesetting._typeset(document(f"A{text}"), FONTS).startswith(b"%PDF-")
    except TypesettingError as error:
        lacking = error.lacking or str(error)
    assert lacking in text


async def test_a_character_without_a_sign_is_named() -> None:
    """It is an error that says which, and no empty box in what somebody signs."""
    with pytest.raises(TypesettingError) as caught:
        await made(document("Möte 漢"))
    assert caught.value.lacking == "漢"


def test_a_row_has_a_cell_for_each_column() -> None:
    """A table that would shift its cells is not made."""
    with pytest.raises(ValueError, match="a cell for each"):
        Table("Utfall", ("Enhet", "Antal"), (("Vårdcentralen",),))
