"""Certificates of the installation's own: a root, and one-time keys that it certifies for one signature each.

A signature that people and machines can check needs a certificate that says who signed (X.509, RFC 5280). Who signs is
logged in already, so the house certifies a new key for the one signature, signs with it, and forgets it: there is
no key that anybody could lose, and none to revoke. The root's key is a secret of the KeyStore; its certificate is
public. P-256 with SHA-256 throughout (ETSI TS 119 312).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from keys.keystore import KeyStore

_ROOT_LASTS = timedelta(days=40 * 365)
#: What was signed must be verifiable for as long as it is kept, so a certificate outlives its key by far.
_CERTIFICATE_LASTS = timedelta(days=20 * 365)
#: Clocks differ, and a certificate's times have no fractions.
_SLACK = timedelta(minutes=1)
#: RFC 5280, ub-common-name and its like: characters there, bytes in the library.
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Signatory:
    """Who signs: name, an identifier that is no personal number (HSA-id, public id), and on whose behalf, if any."""

    name: str
    identifier: str
    organisation: str = ""


class OneTimeKey:
    """A key with its certificate (DER); it is used and forgotten, and leaves this object never."""

    __slots__ = ("_key", "certificate")

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: bytes) -> None:
        self._key = key
        self.certificate = certificate

    def sign(self, data: bytes) -> bytes:
        """Return an ECDSA signature over data's SHA-256 (DER)."""
        return self._key.sign(data, ec.ECDSA(SHA256()))


class CertificateIssuer:
    """The installation's own root: certifies one-time keys, and says that none of them was revoked."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, root: x509.Certificate) -> None:
        self._key = key
        self._root = root

    @classmethod
    def of(cls, keystore: KeyStore, *, name: str, at: datetime) -> "CertificateIssuer":
        """Return the root that the KeyStore keeps; made the first time, under the installation's name."""
        pem = keystore.service_secret("signing-root", make=lambda: _make_root(name, at))
        key = load_pem_private_key(pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("signing-root is not a P-256 key")
        return cls(key, x509.load_pem_x509_certificate(pem))

    @property
    def certificate(self) -> bytes:
        """The root's own certificate (DER), which whoever checks a signature trusts."""
        return self._root.public_bytes(Encoding.DER)

    def for_signing(self, who: Signatory, at: datetime) -> OneTimeKey:
        """Certify a new key for one signature (key usage: non-repudiation)."""
        names = [x509.NameAttribute(NameOID.COMMON_NAME, _short(who.name))]
        if who.organisation:
            names.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, _short(who.organisation)))
        names.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, _short(who.identifier)))
        return self._certified(x509.Name(names), at, content_commitment=True)

    def for_time(self, at: datetime) -> OneTimeKey:
        """Certify a new key for time-stamping alone (RFC 3161, 2.3: the one critical extended usage)."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tidsstämpel")])
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        return self._certified(name, at, content_commitment=False, extended=usage)

    def revocations(self, at: datetime) -> bytes:
        """Return the list of what was revoked (CRL, DER): nothing is, since no key outlives its signature."""
        made = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._root.subject)
            .last_update(at - _SLACK)
            .next_update(at + timedelta(days=1))
            .add_extension(x509.CRLNumber(int(at.timestamp())), critical=False)
            .add_extension(_identifier_of(self._root), critical=False)
        )
        return made.sign(self._key, SHA256()).public_bytes(Encoding.DER)

    def _certified(
        self,
        subject: x509.Name,
        at: datetime,
        *,
        content_commitment: bool,
        extended: x509.ExtendedKeyUsage | None = None,
    ) -> OneTimeKey:
        key = ec.generate_private_key(ec.SECP256R1())
        begins = at - _SLACK
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._root.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(begins + _CERTIFICATE_LASTS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=True, commits=content_commitment), critical=True)
            .add_extension(_identifier_of(self._root), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        if extended is not None:
            builder = builder.add_extension(extended, critical=True)
        return OneTimeKey(key, builder.sign(self._key, SHA256()).public_bytes(Encoding.DER))


def _make_root(name: str, at: datetime) -> bytes:
    """Return a new key and its own certificate, one after the other (PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _short(name))])
    begins = at.astimezone(UTC) - _SLACK
    root = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + _ROOT_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certifies=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + root.public_bytes(Encoding.PEM)


def _usage(*, signs: bool = False, commits: bool = False, certifies: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=commits,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certifies,
        crl_sign=certifies,
        encipher_only=False,
        decipher_only=False,
    )


def _identifier_of(root: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    held = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(held)


def _short(text: str) -> str:
    return text.encode()[:_LONGEST_NAME].decode(errors="ignore")
