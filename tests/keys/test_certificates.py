"""The installation's root and the one-time keys that it certifies."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from keys.certificates import CertificateIssuer, OneTimeKey, Signatory
from keys.keystore import KeyStore
from tests.world import START

EVA = Signatory("Eva Exempel", "SE5560000000-EVA", "Region Exempel")


@pytest.fixture
def issuer(keystore: KeyStore) -> CertificateIssuer:
    """Return the root of a KeyStore."""
    return CertificateIssuer.of(keystore, name="halsovalvet/test", at=START)


def certificate(key: OneTimeKey) -> x509.Certificate:
    """Return the certificate of a one-time key."""
    return x509.load_der_x509_certificate(key.certificate)


def test_root_is_made_once_for_all_processes(another: Callable[[], KeyStore]) -> None:
    """Two processes of one installation certify by the same root, whenever they start."""
    first = CertificateIssuer.of(another(), name="halsovalvet/test", at=START)
    second = CertificateIssuer.of(another(), name="other", at=START + timedelta(days=400))
    assert first.certificate == second.certificate
    root = x509.load_der_x509_certificate(first.certificate)
    made = certificate(second.for_signing(EVA, START + timedelta(days=400)))
    made.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)


def test_root_certifies_and_those_it_certifies_do_not(issuer: CertificateIssuer) -> None:
    """One who has a one-time key cannot make others by it."""
    root = x509.load_der_x509_certificate(issuer.certificate)
    held = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert held.critical
    assert (held.value.ca, held.value.path_length) == (True, 0)
    for key in (issuer.for_signing(EVA, START), issuer.for_time(START)):
        extensions = certificate(key).extensions
        assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


def test_certificate_says_who_signs_and_what_for(issuer: CertificateIssuer) -> None:
    """A name, an id that is no personal number, and the organisation; usage is to commit, and not to tell the time."""
    made = certificate(issuer.for_signing(EVA, START))
    told = {one.oid: one.value for one in made.subject}
    assert told == {
        NameOID.COMMON_NAME: "Eva Exempel",
        NameOID.ORGANIZATION_NAME: "Region Exempel",
        NameOID.SERIAL_NUMBER: "SE5560000000-EVA",
    }
    assert made.extensions.get_extension_for_class(x509.KeyUsage).value.content_commitment
    with pytest.raises(x509.ExtensionNotFound):
        made.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert made.not_valid_before_utc <= START < made.not_valid_after_utc


def test_time_key_tells_the_time_and_nothing_else(issuer: CertificateIssuer) -> None:
    """RFC 3161, 2.3: the one extended usage, critical."""
    usage = certificate(issuer.for_time(START)).extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert usage.critical
    assert list(usage.value) == [ExtendedKeyUsageOID.TIME_STAMPING]


def test_each_key_is_another_and_signs_by_its_own_certificate(issuer: CertificateIssuer) -> None:
    """What one key signed, no other certificate verifies."""
    first, second = issuer.for_signing(EVA, START), issuer.for_signing(EVA, START)
    signature = first.sign(b"text")
    for key, holds in ((first, True), (second, False)):
        public = certificate(key).public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        if holds:
            public.verify(signature, b"text", ec.ECDSA(SHA256()))
        else:
            with pytest.raises(InvalidSignature):
                public.verify(signature, b"text", ec.ECDSA(SHA256()))


def test_nothing_is_revoked_and_the_root_says_so(issuer: CertificateIssuer) -> None:
    """The list is empty, in force at the time, and signed by the root."""
    told = x509.load_der_x509_crl(issuer.revocations(START))
    root = x509.load_der_x509_certificate(issuer.certificate).public_key()
    assert len(told) == 0
    assert isinstance(root, ec.EllipticCurvePublicKey)
    assert told.is_signature_valid(root)
    assert told.last_update_utc <= START < (told.next_update_utc or START)


def test_a_long_name_is_cut_to_what_a_certificate_bears(issuer: CertificateIssuer) -> None:
    """A name longer than 64 bytes is no reason not to sign; no character is cut in two."""
    who = Signatory("a" + "Å" * 80, "SE5560000000-EVA")
    names = certificate(issuer.for_signing(who, START)).subject
    assert names.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "a" + "Å" * 31
