"""Signatures in PDF files: several in turn, each holds; whatever is done to the file afterwards is found."""

import io
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pikepdf
import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from app.web.rendering import BUILT
from keys.certificates import CertificateIssuer, Signatory
from keys.keystore import KeyStore
from sharing import signing, typesetting
from sharing.signing import Verdict
from sharing.typesetting import Document, Section
from tests import pdftools
from tests.world import START, Clock

FONTS = BUILT / "fonts"
pytestmark = pytest.mark.skipif(not FONTS.is_dir(), reason="no assets (make assets)")

EVA = Signatory("Eva Exempel", "SE5560000000-EVA", "Region Exempel")
ULF = Signatory("Ulf Exempel", "SE5560000001-ULF", "Exempelby kommun")
LATER = START + timedelta(minutes=3)
NEXT_DAY = START + timedelta(days=1)


def issuer(folder: Path) -> CertificateIssuer:
    """Return the root of a new KeyStore."""
    keystore = KeyStore.create(folder / "keystore.db", "a passphrase of the tests", clock=Clock())
    return CertificateIssuer.of(keystore, name="halsovalvet/test", at=START)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> CertificateIssuer:
    """Return the root that signs here."""
    return issuer(tmp_path_factory.mktemp("signing"))


async def unsigned(text: str = "Överenskommelse") -> bytes:
    """Return a document that nobody has signed."""
    section = Section("Rubrik", (text,))
    return await typesetting.typeset(
        Document("Plan", "Region Exempel", "En plan", date(2026, 3, 2), (section,), b'{"plan": 1}'),
        fonts=FONTS,
    )


async def signed(house: CertificateIssuer) -> bytes:
    """Return a document that two signed in turn."""
    first = await signing.sign(await unsigned(), EVA, issuer=house, reason="Godkänd", at=START)
    return await signing.sign(first, ULF, issuer=house, reason="Godkänd", at=LATER)


async def verdicts(house: CertificateIssuer, pdf: bytes) -> list[Verdict]:
    """Return what a check on the next day finds, signature by signature."""
    return [one.verdict for one in (await signing.check(pdf, root=house.certificate, at=NEXT_DAY)).signatures]


async def test_two_sign_in_turn_and_both_hold(house: CertificateIssuer) -> None:
    """Who, for whom and when is told of each, in the order in which they signed."""
    found = await signing.check(await signed(house), root=house.certificate, at=NEXT_DAY)
    assert found.holds
    assert [(one.who, one.at) for one in found.signatures] == [(EVA, START), (ULF, LATER)]


async def test_signing_leaves_what_was_signed_as_it_stood(house: CertificateIssuer) -> None:
    """The file only grows; its attachment can still be read, and it stays PDF/A and PDF/UA."""
    plain = await unsigned()
    pdf = await signing.sign(plain, EVA, issuer=house, reason="Godkänd", at=START)
    assert pdf.startswith(plain)
    assert signing.attached(pdf, typesetting.SOURCE) == b'{"plan": 1}'
    opened = pikepdf.open(io.BytesIO(pdf))
    field = opened.Root.AcroForm.Fields[0]
    assert int(field.F) & 4, "PDF/A asks for the print flag"
    with opened.open_metadata() as metadata:
        assert (metadata["pdfaid:part"], metadata["pdfuaid:part"]) == ("3", "1")


async def test_a_signature_bears_what_its_checking_needs(house: CertificateIssuer) -> None:
    """PAdES B-LT: subfilter, and the store with certificates and what was revoked."""
    opened = pikepdf.open(io.BytesIO(await signed(house)))
    fields = opened.Root.AcroForm.Fields
    assert {str(one.V.SubFilter) for one in fields} == {"/ETSI.CAdES.detached"}
    assert len(opened.Root.DSS.CRLs) >= 1
    assert len(opened.Root.DSS.Certs) >= 3


async def test_it_holds_for_as_long_as_it_is_kept(house: CertificateIssuer) -> None:
    """After twelve years it holds; when the certificate has run out, that is said."""
    pdf = await signed(house)
    late = await signing.check(pdf, root=house.certificate, at=START + timedelta(days=12 * 365))
    assert late.holds
    after = await signing.check(pdf, root=house.certificate, at=START + timedelta(days=25 * 365))
    assert not after.holds
    assert {one.verdict for one in after.signatures} == {Verdict.EXPIRED}


async def test_another_installations_signature_is_not_believed(
    house: CertificateIssuer, tmp_path: Path
) -> None:
    """The names in it may be the very same."""
    forged = await signing.sign(await unsigned(), EVA, issuer=issuer(tmp_path), reason="Godkänd", at=START)
    assert await verdicts(house, forged) == [Verdict.UNTRUSTED]


async def test_a_file_without_signatures_is_not_a_signed_one(house: CertificateIssuer) -> None:
    """Nothing to check holds nothing."""
    for pdf in (await unsigned(), b"", b"%PDF-1.7\n", b"no file"):
        found = await signing.check(pdf, root=house.certificate, at=NEXT_DAY)
        assert not found.holds
        assert found.signatures == ()


async def test_what_is_no_pdf_cannot_be_signed(house: CertificateIssuer) -> None:
    """It is an error, and no half-signed file."""
    with pytest.raises(ValueError, match="no PDF"):
        await signing.sign(b"no file", EVA, issuer=house, reason="Godkänd", at=START)


def bit(pdf: bytes) -> bytes:
    """Change one bit of the first page's content."""
    changed = bytearray(pdf)
    changed[pdf.index(b"stream") + 40] ^= 1
    return bytes(changed)


def saved_again(pdf: bytes) -> bytes:
    """Save the file by another program."""
    out = io.BytesIO()
    pikepdf.open(io.BytesIO(pdf)).save(out)
    return out.getvalue()


def _updated(pdf: bytes, change: Callable[[IncrementalPdfFileWriter], object]) -> bytes:
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def page(pdf: bytes) -> bytes:
    """Add a page after it was signed."""
    return _updated(pdf, lambda writer: writer.insert_page(_blank()))


def _blank() -> generic.DictionaryObject:
    box = generic.ArrayObject(map(generic.NumberObject, (0, 0, 595, 842)))
    kind = generic.pdf_name("/Page")
    return generic.DictionaryObject({generic.pdf_name("/Type"): kind, generic.pdf_name("/MediaBox"): box})


def attachment(pdf: bytes) -> bytes:
    """Put another source in place of the one that was signed."""

    def change(writer: IncrementalPdfFileWriter) -> None:
        names = writer.root["/Names"]["/EmbeddedFiles"]["/Names"]
        file = names[1]["/EF"]
        file[generic.pdf_name("/F")] = writer.add_object(generic.StreamObject(stream_data=b'{"plan": 2}'))
        writer.update_container(file)

    return _updated(pdf, change)


def widget(pdf: bytes) -> bytes:
    """Lay a note over the page."""

    def change(writer: IncrementalPdfFileWriter) -> None:
        note = generic.DictionaryObject(
            {
                generic.pdf_name("/Type"): generic.pdf_name("/Annot"),
                generic.pdf_name("/Subtype"): generic.pdf_name("/FreeText"),
                generic.pdf_name("/Contents"): generic.TextStringObject("Annat"),
                generic.pdf_name("/Rect"): generic.ArrayObject(map(generic.NumberObject, (0, 0, 400, 400))),
            }
        )
        writer.register_annotation(writer.root["/Pages"]["/Kids"].raw_get(0), writer.add_object(note))

    return _updated(pdf, change)


@pytest.mark.parametrize("tamper", [bit, saved_again, page, attachment, widget])
async def test_whatever_is_done_to_a_signed_file_is_found(
    house: CertificateIssuer, tamper: Callable[[bytes], bytes]
) -> None:
    """Bit, re-saving, page, attachment, widget: both signatures say that the file is not as it was signed."""
    pdf = await signed(house)
    changed = tamper(pdf)
    assert changed != pdf
    assert await verdicts(house, changed) == [Verdict.CHANGED, Verdict.CHANGED]


@pytest.mark.skipif(bool(pdftools.MISSING), reason=pdftools.MISSING)
async def test_another_program_finds_the_same(house: CertificateIssuer, tmp_path: Path) -> None:
    """Poppler's pdfsig: both signatures are valid by names and times; one bit more and they are not."""
    pdf = await signed(house)
    good, bad = tmp_path / "signed.pdf", tmp_path / "changed.pdf"
    good.write_bytes(pdf)
    bad.write_bytes(bit(pdf))

    said = pdftools.told_by("pdfsig", "-nocert", good)
    assert said.count("Signature Validation: Signature is Valid.") == 2
    assert "Eva Exempel" in said
    assert "Mar 02 2026 09:00:00" in said
    assert said.count("ETSI.CAdES.detached") == 2
    assert "Signature is Valid." not in pdftools.told_by("pdfsig", "-nocert", bad)
    assert pdftools.find_no_fault(good)
