"""Signatures in PDF files, made and checked: PAdES B-LT (ETSI EN 319 142-1). The only home of pyhanko.

A signed file carries all that its checking needs: the signature with the time it was made (RFC 3161), the
certificates, and the list of what was revoked. Each signer adds to the file and changes nothing of what stands there,
so that every earlier signature still holds. The house's own clock says the time, and its own root the names
(:mod:`keys.certificates`): that binds the installation to what it signed, and proves no more to somebody who does not
trust it (docs/adr/0029-signed-documents.md).
"""

import asyncio
import io
import logging
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from asn1crypto import algos, cms, tsp, x509
from pyhanko.pdf_utils.generic import StreamObject
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import BasePdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, PdfSigner, Signer
from pyhanko.sign.ades.report import AdESIndeterminate
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.fields import InvisSigSettings, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers.pdf_signer import PdfSigningSession
from pyhanko.sign.timestamps import TimeStamper
from pyhanko.sign.validation import (
    DocumentSecurityStore,
    EmbeddedPdfSignature,
    async_validate_pdf_signature,
)
from pyhanko.sign.validation.errors import NoDSSFoundError, SignatureValidationError
from pyhanko.sign.validation.status import PdfSignatureStatus, SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from keys.certificates import CertificateIssuer, OneTimeKey, Signatory
from sharing.typesetting import Document, typeset

# They tell names of certificates, and a trace for each signature that does not hold.
for _talkative in ("pyhanko", "pyhanko_certvalidator"):
    logging.getLogger(_talkative).setLevel(logging.CRITICAL)

DIGEST = "sha256"
_ALGORITHM = "sha256_ecdsa"
#: ECDSA on P-256 in DER is never longer.
_LONGEST_SIGNATURE = 72
#: The time-stamping policy: the house's own, an arc made of a UUID (ITU-T X.667); it says what ADR 0029 says.
_TIME_POLICY = "2.25.203170529938145207715083386212647912386"
#: What may have come after a signature: further signatures, and what their checking needs.
_HARMLESS = (ModificationLevel.NONE, ModificationLevel.LTA_UPDATES, ModificationLevel.FORM_FILLING)
_SERIAL_BITS = 63


class Verdict(StrEnum):
    """What a check of a signature found."""

    HOLDS = "holds"
    CHANGED = "changed"  # the file is not as it was signed
    UNTRUSTED = "untrusted"  # the certificate is not one of this installation's
    EXPIRED = "expired"  # the certificate has run out
    UNREADABLE = "unreadable"  # it is no signature that can be checked


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature of a file as it was found: by whom and when it says to be, and whether that holds."""

    who: Signatory
    at: datetime | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check of a file found; ``signatures`` stand in the order in which they were made."""

    signatures: tuple[Signature, ...]

    @property
    def holds(self) -> bool:
        """Tell whether the file is signed and every signature of it holds."""
        return bool(self.signatures) and all(one.verdict is Verdict.HOLDS for one in self.signatures)


async def sign(pdf: bytes, who: Signatory, *, issuer: CertificateIssuer, reason: str, at: datetime) -> bytes:
    """Return the file with one more signature, made aside from the event loop.

    Raises:
        ValueError: this is no PDF file that can be signed.
    """
    return await asyncio.to_thread(lambda: asyncio.run(_sign(pdf, who, issuer, reason, at)))


async def check(pdf: bytes, *, root: bytes, at: datetime) -> Checked:
    """Check every signature of a file against a root certificate (DER), aside from the event loop.

    A file that cannot be read, or has no signature, has none that holds.
    """
    return await asyncio.to_thread(lambda: asyncio.run(_check(pdf, root, at)))


def attached(pdf: bytes, name: str) -> bytes | None:
    """Return what a file bears as an attachment of this name (PDF/A-3), or None."""
    try:
        names = PdfFileReader(io.BytesIO(pdf)).root["/Names"]["/EmbeddedFiles"]["/Names"]
        for index in range(0, len(names), 2):
            if str(names[index]) == name:
                file = names[index + 1]["/EF"]["/F"]
                return bytes(file.data) if isinstance(file, StreamObject) else None
    except (KeyError, PdfError, ValueError):
        return None
    return None


@dataclass(frozen=True, slots=True)
class Press:
    """Makes documents and signs them: the typesetter's fonts, and the root that certifies."""

    fonts: Path
    issuer: CertificateIssuer

    async def make(self, document: Document, who: Signatory, *, at: datetime) -> bytes:
        """Set a document and sign it.

        Raises:
            TypesettingError: it cannot be set.
        """
        pdf = await typeset(document, fonts=self.fonts)
        return await sign(pdf, who, issuer=self.issuer, reason=document.description, at=at)

    async def check(self, pdf: bytes, *, at: datetime) -> Checked:
        """Check every signature of a file against the house's own root."""
        return await check(pdf, root=self.issuer.certificate, at=at)


class _OneTimeSigner(Signer):
    """Signs by a one-time key."""

    def __init__(self, key: OneTimeKey, root: bytes) -> None:
        store = SimpleCertificateStore()
        store.register(_certificate(root))
        mechanism = algos.SignedDigestAlgorithm({"algorithm": _ALGORITHM})
        super().__init__(
            signing_cert=_certificate(key.certificate), cert_registry=store, signature_mechanism=mechanism
        )
        self._key = key

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:  # noqa: FBT001, FBT002 pyhanko's
        """Sign; a dry run asks for the size alone."""
        if digest_algorithm != DIGEST:
            raise ValueError(digest_algorithm)
        return bytes(_LONGEST_SIGNATURE) if dry_run else self._key.sign(data)


class _HouseClock(TimeStamper):
    """Says the time by the house's clock (RFC 3161)."""

    def __init__(self, issuer: CertificateIssuer, at: datetime) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._signer = _OneTimeSigner(issuer.for_time(at), issuer.certificate)
        self._at = at

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        """Answer one request."""
        told = tsp.TSTInfo(
            {
                "version": "v1",
                "policy": _TIME_POLICY,
                "message_imprint": req["message_imprint"],
                "serial_number": secrets.randbits(_SERIAL_BITS),
                "gen_time": self._at,
                "nonce": req["nonce"],
            }
        )
        content = cms.ParsableOctetString(told.dump())
        wrapped = cms.EncapsulatedContentInfo({"content_type": "tst_info", "content": content})
        token = await self._signer.async_sign_general_data(wrapped, DIGEST, detached=False)
        granted = tsp.PKIStatusInfo({"status": "granted"})
        return tsp.TimeStampResp({"status": granted, "time_stamp_token": token})


class _SignerAt(PdfSigner):
    """A signer of PDF files who is told the time, as everything here is."""

    at: datetime

    def init_signing_session(
        self,
        pdf_out: BasePdfFileWriter,
        existing_fields_only: bool = False,  # noqa: FBT001, FBT002 pyhanko's
    ) -> PdfSigningSession:
        """Begin, at that time."""
        session = super().init_signing_session(pdf_out, existing_fields_only)
        session.system_time = self.at
        return session


async def _sign(pdf: bytes, who: Signatory, issuer: CertificateIssuer, reason: str, at: datetime) -> bytes:
    try:
        writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
        field = f"Signature{len(writer.prev.embedded_signatures) + 1}"
    except (PdfError, ValueError) as error:
        raise ValueError("no PDF file that can be signed") from error
    metadata = PdfSignatureMetadata(
        field_name=field,
        md_algorithm=DIGEST,
        subfilter=SigSeedSubFilter.PADES,
        name=who.name,
        reason=reason,
        embed_validation_info=True,
        validation_context=_context(issuer.certificate, (issuer.revocations(at),), at),
    )
    signer = _SignerAt(
        metadata,
        signer=_OneTimeSigner(issuer.for_signing(who, at), issuer.certificate),
        timestamper=_HouseClock(issuer, at),
        # outside the page and printable: what PDF/A and PDF/UA both let stand
        new_field_spec=SigFieldSpec(
            field, invis_sig_settings=InvisSigSettings(set_print_flag=True, box_out_of_bounds=True)
        ),
    )
    signer.at = at
    signed = io.BytesIO()
    await signer.async_sign_pdf(writer, output=signed)
    return signed.getvalue()


async def _check(pdf: bytes, root: bytes, at: datetime) -> Checked:
    try:
        reader = PdfFileReader(io.BytesIO(pdf))
        found = list(reader.embedded_signatures)
        revocations = _revocations(reader)
    except (PdfError, ValueError, KeyError, TypeError):
        return Checked(())
    return Checked(tuple([await _checked(one, _context(root, revocations, at)) for one in found]))


async def _checked(signature: EmbeddedPdfSignature, context: ValidationContext) -> Signature:
    try:
        who = _signatory(signature.signer_cert)
        status = await async_validate_pdf_signature(signature, signer_validation_context=context)
    except (SignatureValidationError, PdfError, ValueError, KeyError, TypeError):
        return Signature(Signatory("", ""), None, Verdict.UNREADABLE)
    stamp = status.timestamp_validity
    return Signature(who, None if stamp is None else stamp.timestamp, _verdict(status))


def _verdict(status: PdfSignatureStatus) -> Verdict:
    """Say what a check found; a signature without the time it was made is none of the house's."""
    as_signed = (
        status.intact
        and status.valid
        and status.coverage in {SignatureCoverageLevel.ENTIRE_FILE, SignatureCoverageLevel.ENTIRE_REVISION}
        and status.modification_level in _HARMLESS
        and status.docmdp_ok
    )
    if not as_signed:
        return Verdict.CHANGED
    if status.timestamp_validity is None:
        return Verdict.UNTRUSTED
    if status.bottom_line:
        return Verdict.HOLDS
    ran_out = {AdESIndeterminate.OUT_OF_BOUNDS_NO_POE, AdESIndeterminate.OUT_OF_BOUNDS_NOT_REVOKED}
    return Verdict.EXPIRED if status.trust_problem_indic in ran_out else Verdict.UNTRUSTED


def _context(root: bytes, revocations: tuple[bytes, ...], at: datetime) -> ValidationContext:
    """Trust this root alone. What was revoked is said for later times too: the key was forgotten when it had signed."""
    return ValidationContext(
        trust_roots=[_certificate(root)],
        crls=list(revocations),
        moment=at,
        revocation_mode="soft-fail",
        retroactive_revinfo=True,
    )


def _revocations(reader: PdfFileReader) -> tuple[bytes, ...]:
    try:
        store = DocumentSecurityStore.read_dss(reader)
    except NoDSSFoundError:
        return ()
    return tuple(one.get_object().data for one in store.crls)


def _signatory(certificate: x509.Certificate) -> Signatory:
    names = certificate.subject.native
    return Signatory(
        str(names.get("common_name", "")),
        str(names.get("serial_number", "")),
        str(names.get("organization_name", "")),
    )


def _certificate(der: bytes) -> x509.Certificate:
    return x509.Certificate.load(der)
